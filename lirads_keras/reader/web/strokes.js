// The mask under pen and eraser. NiiVue draws; this keeps what each stroke changed, so that strokes can be taken back one by one, and
// lets the three canvases share one mask. NiiVue's own undo packs the whole volume at each stroke and fails behind the first.

import { NVImage } from './niivue.js';
import { SLICE_TYPES } from './panel.js';
import { cutMask, uploadPlane } from './planes.js';

export class Strokes {
  constructor(viewer, onChange) {
    this.viewer = viewer;
    this.onChange = onChange;
    this.tool = 'move';
    this.filled = false;
    this.size = 3;
    this.locked = false;
    this.forget();
  }

  forget() {
    this.mask = null;
    this.done = [];
    this.stroke = null;
    this.onChange();
  }

  /** Number of strokes that the server does not have. */
  get unsent() {
    return this.done.length;
  }

  /** Whether there is anything that another mask would take away. */
  get begun() {
    return this.done.length > 0 || this.stroke !== null;
  }

  get drawing() {
    return this.tool !== 'move' && this.mask !== null;
  }

  /** The image of a mask from the bytes of a NIfTI file; null for an empty one. */
  static async decode(nifti) {
    return nifti ? NVImage.loadFromUrl({ url: nifti, name: 'mask.nii' }) : null;
  }

  /** Takes a decoded mask in one go, so that no stroke can begin on the way. All strokes are forgotten. */
  take(image) {
    const { main } = this.viewer;
    main.nv.createEmptyDrawing();
    if (image && !main.nv.loadDrawing(image)) throw new Error('the mask does not lie on the grid of the study');
    const mask = main.nv.drawBitmap;
    for (let i = 0; i < mask.length; i += 1) mask[i] = mask[i] ? 1 : 0;
    this.done = [];
    this.stroke = null;
    this.show(mask);
  }

  /** Gives the same mask to each canvas. */
  show(mask) {
    this.mask = mask;
    for (const { nv } of this.viewer.loaded) {
      if (nv.drawBitmap?.length !== mask.length) nv.createEmptyDrawing();
      nv.drawBitmap = mask;
      nv.refreshDrawing(false);
    }
    this.viewer.redraw();
    this.onChange();
  }

  begin(panel, voxel) {
    const { grid } = this.viewer;
    const slice = voxel[grid.axis];
    const before = [];
    grid.visitSlice(slice, (place) => before.push(this.mask[place]));
    this.stroke = { panel, slice, before, last: voxel, path: [voxel] };
    this.prepare(panel.nv);
    panel.nv.drawPt(...voxel, panel.nv.opts.penValue);
    this.refreshSlice(slice);
  }

  /** NiiVue's settings for the stroke that begins. */
  prepare(nv) {
    nv.opts.penValue = this.tool === 'pen' ? 1 : 0;
    nv.opts.penSize = this.filled ? 1 : this.size;
    nv.drawPenAxCorSag = SLICE_TYPES[this.viewer.grid.axis];
  }

  extend(voxel) {
    const { panel, slice, last, path } = this.stroke;
    if (voxel[this.viewer.grid.axis] !== slice || voxel.every((value, i) => value === last[i])) return;
    panel.nv.drawPenLine(voxel, last, panel.nv.opts.penValue);
    path.push(voxel);
    this.stroke.last = voxel;
    this.refreshSlice(slice);
  }

  /** Ends the stroke; one that changed nothing is no stroke. */
  end() {
    if (!this.stroke) return;
    const { panel, slice, before, path } = this.stroke;
    this.stroke = null;
    if (this.filled && path.length > 2) this.fill(panel.nv, path);
    const flipped = [];
    let n = 0;
    this.viewer.grid.visitSlice(slice, (place) => {
      if (this.mask[place] !== before[n]) flipped.push(place);
      n += 1;
    });
    if (flipped.length) this.done.push({ slice, flipped });
    this.refreshSlice(slice);
    this.onChange();
  }

  fill(nv, path) {
    nv.drawPenFillPts = path;
    nv.drawPenFilled();
    // NiiVue fills a copy.
    this.mask.set(nv.drawBitmap);
    nv.drawBitmap = this.mask;
  }

  /** Takes the last stroke back and shows where it was; false where there is none. */
  undo() {
    const stroke = this.done.pop();
    if (!stroke) return false;
    for (const place of stroke.flipped) this.mask[place] = 1 - this.mask[place];
    this.refreshSlice(stroke.slice);
    this.viewer.setSlice(this.viewer.grid.turnSlice(stroke.slice));
    this.onChange();
    return true;
  }

  /** The mask as the bytes of a NIfTI file on the study's grid. */
  encode() {
    return this.viewer.main.nv.saveImage({ filename: '', isSaveDrawing: true, volumeByIndex: 0 });
  }

  /** Forgets the strokes; another mask has to be loaded then. */
  drop() {
    this.done = [];
    this.onChange();
  }

  /** Takes note that the server has all strokes up to the `count` first. */
  sent(count) {
    this.done.splice(0, count);
    this.onChange();
  }

  refreshSlice(slice) {
    const { grid } = this.viewer;
    const bytes = cutMask(this.mask, grid, slice);
    for (const { nv } of this.viewer.loaded) uploadPlane(nv.gl, nv.gl.TEXTURE7, nv.drawTexture, nv.gl.RED, grid, slice, bytes);
    this.viewer.redraw();
  }
}
