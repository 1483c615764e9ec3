// Three phases that show one place: slice, zoom, pan and window are the viewer's, and each canvas follows.

import { NVImage } from './niivue.js';
import { Grid } from './grid.js';
import { Panel, SLICE_TYPES } from './panel.js';
import { PHASE_WORDS } from './words.js';

const ZOOM_RANGE = [0.5, 12];

export class Viewer {
  /** `onView` is called after each change of what is shown. */
  constructor(figures, onView) {
    this.panels = [...figures].map((figure) => new Panel(figure));
    this.onView = onView;
    this.opening = 0;
    this.single = null;
    this.forget();
  }

  forget() {
    Object.assign(this, { complete: false, grid: null, slice: 0, view: [0, 0, 0, 1], window: null, marked: null, pending: new Set() });
  }

  async start() {
    for (const panel of this.panels) await panel.attach();
    // NiiVue sizes its canvas in the next frame; what stands beside a lesion follows in the one after.
    const observer = new ResizeObserver(() => requestAnimationFrame(() => this.redraw()));
    for (const panel of this.panels) observer.observe(panel.canvas.parentElement);
  }

  get loaded() {
    return this.panels.filter((panel) => panel.loaded);
  }

  /** The panel whose grid is the mask's: the delayed phase, or else the first. */
  get main() {
    return this.loaded.find((panel) => panel.phase === 'delayed') ?? this.loaded[0];
  }

  clear() {
    this.opening += 1;
    for (const panel of this.panels) panel.clear();
    this.forget();
    this.alone(null);
  }

  /** Shows the phases of a study; `fetchVolume(phase)` gives the bytes of a NIfTI file. Resolves to whether nothing else was opened meanwhile. */
  async open(phases, fetchVolume) {
    this.clear();
    const ticket = this.opening;
    // A study with gadoxetate has a transitional phase in the place of the delayed one.
    this.panels.at(-1).bePhase(phases.includes('transitional') ? 'transitional' : 'delayed');
    await Promise.all(this.panels.map((panel) => this.load(panel, phases, fetchVolume, ticket)));
    if (ticket !== this.opening) return false;
    this.complete = true;
    // One window for all, once all are there.
    this.resetView();
    return true;
  }

  /** Says above each canvas which series it shows. */
  nameSeries(read) {
    for (const panel of this.panels) panel.nameSeries(read.find((series) => series.phase === panel.phase));
  }

  async load(panel, phases, fetchVolume, ticket) {
    const words = PHASE_WORDS[panel.phase].toLowerCase();
    if (!phases.includes(panel.phase)) {
      panel.say(`This study has no ${words} phase.`);
      return;
    }
    panel.say(`Loading the ${words} phase…`);
    try {
      const image = await NVImage.loadFromUrl({ url: await fetchVolume(panel.phase), name: 'volume.nii' });
      if (ticket !== this.opening) return;
      this.take(panel, image);
      panel.say('');
    } catch (error) {
      if (ticket !== this.opening) return;
      panel.say(`The ${words} phase could not be loaded: ${error.message}`);
      throw error;
    }
  }

  take(panel, image) {
    if (!this.grid) {
      this.grid = new Grid(image);
      this.slice = Math.floor(this.grid.slices / 2);
    }
    panel.show(image, SLICE_TYPES[this.grid.axis]);
    this.placeSlice(panel.nv);
    this.redraw();
  }

  // What is shown

  setSlice(slice) {
    if (!this.grid) return;
    this.slice = Math.min(Math.max(slice, 0), this.grid.slices - 1);
    for (const panel of this.loaded) this.placeSlice(panel.nv);
    this.redraw();
  }

  placeSlice(nv) {
    nv.scene.crosshairPos[this.grid.axis] = (this.grid.turnSlice(this.slice) + 0.5) / this.grid.slices;
  }

  /** The middle of the volume in mm, on which an unmoved view is centred. */
  get middle() {
    const { extentsMinOrtho: least, extentsMaxOrtho: most } = this.main.image;
    return [0, 1, 2].map((i) => (least[i] + most[i]) / 2);
  }

  /** Goes to a slice, and to a voxel (z, y, x) of the file where the view is zoomed in. */
  goTo(zyx, slice) {
    if (!this.grid) return;
    const zoom = this.view[3];
    if (zoom > 1) {
      const { nv } = this.main;
      const mm = nv.frac2mm(nv.vox2frac(this.grid.fromFile(zyx)));
      this.view = this.middle.map((centre, i) => centre - zoom * mm[i]).concat(zoom);
    }
    this.setSlice(slice);
  }

  /** Zooms by a factor; the point `at` (mm, as a panel gives it), or the one in the centre, stays where it is. */
  zoom(factor, at) {
    if (!this.grid) return;
    const before = this.view[3];
    const after = Math.min(Math.max(before * factor, ZOOM_RANGE[0]), ZOOM_RANGE[1]);
    const fixed = at ?? this.middle.map((centre, i) => (centre - this.view[i]) / before);
    this.view = [0, 1, 2].map((i) => this.view[i] + (before - after) * fixed[i]).concat(after);
    this.redraw();
  }

  /** Moves the image by the way from one point to another (mm, both as a panel gives them before the move). */
  pan(from, to) {
    this.view = [0, 1, 2].map((i) => this.view[i] + this.view[3] * (to[i] - from[i])).concat(this.view[3]);
    this.redraw();
  }

  /** Widens the window by a factor and shifts its centre by a part of its width. */
  changeWindow(widthFactor, shift) {
    if (!this.window) return;
    const [low, high] = this.window;
    const width = Math.max((high - low) * widthFactor, 1e-3);
    const centre = (low + high) / 2 + shift * (high - low);
    this.window = [centre - width / 2, centre + width / 2];
    this.redraw();
  }

  resetView() {
    if (!this.grid) return;
    this.view = [0, 0, 0, 1];
    const images = this.loaded.map((panel) => panel.image);
    this.window = [Math.min(...images.map((image) => image.robust_min)), Math.max(...images.map((image) => image.robust_max))];
    this.redraw();
  }

  /** Shows one phase alone, or all again (null). */
  alone(phase) {
    this.single = phase;
    for (const panel of this.panels) panel.figure.hidden = phase !== null && panel.phase !== phase;
    this.redraw();
  }

  setMaskOpacity(opacity) {
    for (const panel of this.panels) panel.setOpacity(opacity);
    this.redraw();
  }

  /** A line cross at a voxel of NiiVue, for drawing with the keyboard; null takes it away. */
  showCursor(voxel) {
    for (const { nv } of this.loaded) {
      nv.opts.crosshairWidth = voxel ? 1 : 0;
      if (voxel) nv.scene.crosshairPos = nv.vox2frac(voxel);
    }
    this.redraw();
  }

  /** Names a lesion beside it: `{text, zyx, diameter_mm}`, or null. */
  setMark(mark) {
    this.marked = mark;
    this.redraw();
  }

  placeMark(panel) {
    const { grid, marked } = this;
    const radius_mm = marked ? marked.diameter_mm / 2 : 0;
    const slice_mm = panel.image.pixDimsRAS[grid.axis + 1];
    if (!marked || Math.abs(this.slice - marked.zyx[0]) * slice_mm > radius_mm) {
      panel.placeMark('', null, 0);
      return;
    }
    const voxel = grid.fromFile(marked.zyx);
    voxel[grid.axis] = grid.turnSlice(this.slice);
    panel.placeMark(marked.text, voxel, radius_mm);
  }

  // Drawing

  redraw() {
    this.later('view', () => {
      for (const panel of this.loaded.filter((shown) => !shown.figure.hidden)) {
        panel.draw(this.grid, this.slice, this.window, this.view);
        this.placeMark(panel);
      }
      this.onView();
    });
  }

  /** Does a thing once before the next frame, however often it is asked for until then. */
  later(name, work) {
    const { pending } = this;
    if (pending.has(name)) return;
    pending.add(name);
    requestAnimationFrame(() => {
      pending.delete(name);
      // A study that was closed meanwhile has taken its list with it.
      if (pending === this.pending) work();
    });
  }

  describeSlice() {
    if (!this.grid) return '';
    const { nv } = this.main;
    const mm = nv.frac2mm(nv.scene.crosshairPos, 0, true);
    return `${this.slice + 1} / ${this.grid.slices} · ${this.grid.writePosition(mm)}`;
  }
}
