// Single slices on the graphics card. NiiVue prepares a whole volume anew, with gradients for a 3D view, at each change of window or mask:
// seconds for 512 × 512 × 48 voxels. A reader sees one slice at a time.

/** Replaces one slice (NiiVue's number) of a 3D texture; `bytes` has its voxels, x before y before z. */
export function uploadPlane(gl, unit, texture, format, grid, slice, bytes) {
  const offset = [0, 0, 0];
  const size = [...grid.shape];
  offset[grid.axis] = slice;
  size[grid.axis] = 1;
  gl.activeTexture(unit);
  gl.bindTexture(gl.TEXTURE_3D, texture);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  gl.texSubImage3D(gl.TEXTURE_3D, 0, ...offset, ...size, format, gl.UNSIGNED_BYTE, bytes);
}

/** One slice of a mask in NiiVue's order. */
export function cutMask(mask, grid, slice) {
  const bytes = new Uint8Array(grid.voxels / grid.slices);
  let n = 0;
  grid.visitSlice(slice, (place) => {
    bytes[n] = mask[place];
    n += 1;
  });
  return bytes;
}

/** One slice of an image in greys, RGBA, from black at `low` to white at `high`. */
export function cutGreys(image, grid, slice, [low, high]) {
  const { img, img2RASstart: start, img2RASstep: step } = image;
  const scale = 255 / (high - low);
  const [slope, intercept] = [image.hdr.scl_slope || 1, image.hdr.scl_inter || 0];
  const bytes = new Uint8ClampedArray((grid.voxels / grid.slices) * 4);
  const [columns, rows] = grid.shape;
  let n = 0;
  grid.visitSlice(slice, (place) => {
    const [x, y, z] = [place % columns, Math.floor(place / columns) % rows, Math.floor(place / (columns * rows))];
    const value = img[start[0] + start[1] + start[2] + x * step[0] + y * step[1] + z * step[2]];
    const grey = (value * slope + intercept - low) * scale;
    bytes[n] = grey;
    bytes[n + 1] = grey;
    bytes[n + 2] = grey;
    bytes[n + 3] = 255;
    n += 4;
  });
  return new Uint8Array(bytes.buffer);
}
