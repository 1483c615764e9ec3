// From the voxels of a file to those of NiiVue and back. NiiVue turns every volume to the order right, anterior, superior (RAS); files
// count along the slices of the acquisition, and so does this page: slice 0 is the file's first, whichever way NiiVue shows it.

const DIRECTIONS = [['L', 'R'], ['P', 'A'], ['I', 'S']];

export class Grid {
  /** `image` is an NVImage. */
  constructor(image) {
    this.shape = image.dimsRAS.slice(1, 4);
    this.turned = image.permRAS;
    /** The axis of NiiVue along which the slices of the file lie: 2 axial, 1 coronal, 0 sagittal. */
    this.axis = this.turned.findIndex((axis) => Math.abs(axis) === 3);
    this.slices = this.shape[this.axis];
    this.strides = [1, this.shape[0], this.shape[0] * this.shape[1]];
    this.voxels = this.shape[0] * this.shape[1] * this.shape[2];
  }

  /** The voxel of NiiVue, [x, y, z], of a voxel (z, y, x) of the file. */
  fromFile(zyx) {
    const xyz = [zyx[2], zyx[1], zyx[0]];
    return this.turned.map((axis, i) => (axis > 0 ? xyz[axis - 1] : this.shape[i] - 1 - xyz[-axis - 1]));
  }

  /** Turns a number of a slice: the file's to NiiVue's, or NiiVue's to the file's. */
  turnSlice(slice) {
    return this.turned[this.axis] > 0 ? slice : this.slices - 1 - slice;
  }

  /** Position of a slice in the patient, such as "S 34.5 mm"; `mm` is NiiVue's [right, anterior, superior]. */
  writePosition(mm) {
    const value = mm[this.axis];
    return `${DIRECTIONS[this.axis][value < 0 ? 0 : 1]} ${Math.abs(value).toFixed(1)} mm`;
  }

  /** Calls `visit` with the place in the array of each voxel of one slice (NiiVue's number). */
  visitSlice(slice, visit) {
    const [inner, outer] = [0, 1, 2].filter((axis) => axis !== this.axis);
    for (let j = 0; j < this.shape[outer]; j += 1) {
      const row = slice * this.strides[this.axis] + j * this.strides[outer];
      for (let i = 0; i < this.shape[inner]; i += 1) visit(row + i * this.strides[inner]);
    }
  }
}
