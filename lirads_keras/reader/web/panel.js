// One phase on the page: a canvas of NiiVue with its caption.
// NiiVue's own handling of mouse and keys stays off: it forgets a stroke that leaves the canvas, and follows another canvas only with the focus.

import { Niivue, SLICE_TYPE, cmapper } from './niivue.js';
import { cutGreys, uploadPlane } from './planes.js';
import { PHASE_WORDS } from './words.js';

const OPTIONS = {
  interactive: false, dragAndDropEnabled: false, isRadiologicalConvention: true, crosshairWidth: 0, crosshairColor: [1, 0.83, 0.29, 1],
  sliceType: SLICE_TYPE.AXIAL, backColor: [0, 0, 0, 1], fontColor: [0.85, 0.88, 0.92, 1], loadingText: '', logLevel: 'error',
};

/** NiiVue's slice types by the axis (right, anterior, superior) along which the slices lie. */
export const SLICE_TYPES = [SLICE_TYPE.SAGITTAL, SLICE_TYPE.CORONAL, SLICE_TYPE.AXIAL];

/** Sky blue of Okabe and Ito's palette, the colour of the report's outlines. */
const MASK_COLOUR = { R: [0, 86], G: [0, 180], B: [0, 233], A: [0, 255], I: [0, 1], labels: ['', 'lesion'] };

export class Panel {
  constructor(figure) {
    this.figure = figure;
    this.name = figure.querySelector('.name');
    this.canvas = figure.querySelector('canvas');
    this.mark = figure.querySelector('.mark');
    this.absent = figure.querySelector('.absent');
    this.series = figure.querySelector('.series');
    this.nv = new Niivue(OPTIONS);
  }

  get loaded() {
    return this.nv.volumes.length > 0;
  }

  get image() {
    return this.nv.volumes[0];
  }

  async attach() {
    // Antialiasing changes nothing in a picture of voxels.
    await this.nv.attachToCanvas(this.canvas, false);
    this.nv.drawLut = cmapper.makeDrawLut(MASK_COLOUR);
    this.canvas.tabIndex = 0;
    this.canvas.setAttribute('role', 'application');
    this.bePhase(this.phase);
  }

  get phase() {
    return this.figure.dataset.phase;
  }

  bePhase(phase) {
    this.figure.dataset.phase = phase;
    this.name.textContent = PHASE_WORDS[phase];
    this.canvas.setAttribute('aria-label', `${PHASE_WORDS[phase]} phase`);
  }

  show(image, sliceType) {
    // The window in which each slice lies on the graphics card.
    this.windows = [];
    this.nv.opts.sliceType = sliceType;
    this.nv.addVolume(image);
  }

  say(text) {
    this.absent.textContent = text;
    this.absent.hidden = !text;
  }

  /** `series` is undefined where the study lacks the phase. */
  nameSeries(series) {
    const words = series ? [series.series_number === null ? '' : `series ${series.series_number}`, series.acquired, series.series_description] : [];
    this.series.textContent = words.filter(Boolean).join(' · ');
    this.series.title = series ? series.text : '';
  }

  clear() {
    this.mark.hidden = true;
    this.nameSeries();
    if (!this.loaded) return;
    this.nv.closeDrawing();
    this.nv.removeVolume(this.image);
  }

  setOpacity(opacity) {
    this.nv.drawOpacity = opacity;
    // The outline stays as long as the mask is shown at all.
    this.nv.drawRimOpacity = opacity > 0 ? Math.max(opacity, 0.9) : 0;
  }

  /** Draws a slice (the file's number) in a window `[low, high]`; null: the volume's own. */
  draw(grid, slice, window, view) {
    if (window && this.windows[slice] !== window) {
      this.windows[slice] = window;
      const { gl, volumeTexture } = this.nv;
      const turned = grid.turnSlice(slice);
      uploadPlane(gl, gl.TEXTURE0, volumeTexture, gl.RGBA, grid, turned, cutGreys(this.image, grid, turned, window));
    }
    this.nv.scene.pan2Dxyzmm = [...view];
    this.nv.drawScene();
  }

  /** Writes `text` beside a lesion: right above a circle of `radius_mm` around a voxel of NiiVue; null takes it away. */
  placeMark(text, voxel, radius_mm) {
    const place = voxel && this.nv.frac2canvasPos(this.nv.vox2frac(voxel));
    this.mark.hidden = !place;
    if (!place) return;
    const shown = this.nv.screenSlices[0];
    const radius = radius_mm * Math.abs(shown.leftTopWidthHeight[2] / shown.fovMM[0]);
    this.mark.textContent = text;
    this.mark.style.left = `${(place[0] + radius * 0.8) / this.nv.uiData.dpr + 4}px`;
    this.mark.style.top = `${(place[1] - radius * 0.8) / this.nv.uiData.dpr - 4}px`;
  }

  // From the screen to the patient

  place(event) {
    const box = this.canvas.getBoundingClientRect();
    const scale = this.nv.uiData.dpr;
    return [(event.clientX - box.left) * scale, (event.clientY - box.top) * scale];
  }

  /** The voxel of NiiVue under the pointer, or null beside the image. */
  voxelAt(event) {
    const fraction = this.nv.canvasPos2frac(this.place(event));
    return fraction[0] < 0 ? null : Array.from(this.nv.frac2vox(fraction));
  }

  /** The point under the pointer in mm, also beside the image, or null beside the canvas. */
  pointAt(event) {
    const [x, y] = this.place(event);
    if (x < 0 || y < 0 || x > this.canvas.width || y > this.canvas.height) return null;
    return this.nv.frac2mm(this.nv.screenXY2TextureFrac(x, y, 0, false));
  }
}
