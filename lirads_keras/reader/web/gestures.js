// Mouse, pen and wheel on the canvases, and drawing with the keyboard.

const ZOOM_STEP = 1.15;
/** A wheel that reports pixels scrolls a slice for so many of them; a notch of a mouse is 100 or 120. */
const PIXELS_PER_SLICE = 50;
const WINDOW_PER_PIXEL = 0.005;

const ARROWS = { ArrowLeft: [1, 0], ArrowRight: [-1, 0], ArrowUp: [0, 1], ArrowDown: [0, -1] };

export class Gestures {
  constructor(viewer, strokes, announce) {
    Object.assign(this, { viewer, strokes, announce, cursor: null, wheel: 0 });
    for (const panel of viewer.panels) this.listen(panel);
  }

  listen(panel) {
    const { canvas } = panel;
    canvas.addEventListener('contextmenu', (event) => event.preventDefault());
    canvas.addEventListener('wheel', (event) => this.turnWheel(panel, event), { passive: false });
    canvas.addEventListener('pointerdown', (event) => this.press(panel, event));
    canvas.addEventListener('dblclick', () => this.strokes.drawing || this.viewer.alone(this.viewer.single ? null : panel.phase));
    canvas.addEventListener('blur', () => this.dropCursor());
  }

  turnWheel(panel, event) {
    if (!panel.loaded) return;
    event.preventDefault();
    if (event.ctrlKey) {
      this.viewer.zoom(event.deltaY < 0 ? ZOOM_STEP : 1 / ZOOM_STEP, panel.pointAt(event));
      return;
    }
    this.wheel += event.deltaMode === WheelEvent.DOM_DELTA_PIXEL ? event.deltaY / PIXELS_PER_SLICE : event.deltaY;
    const whole = Math.trunc(this.wheel);
    if (!whole) return;
    this.wheel = 0;
    this.viewer.setSlice(this.viewer.slice - Math.sign(whole));
  }

  press(panel, event) {
    if (!panel.loaded || this.held) return;
    // A press that is kept from its default would take no focus.
    panel.canvas.focus();
    event.preventDefault();
    this.dropCursor();
    const gesture = this.choose(panel, event);
    if (!gesture) return;
    this.held = true;
    const { canvas } = panel;
    // With the pointer captured, a stroke that leaves the canvas goes on and ends as any other.
    canvas.setPointerCapture(event.pointerId);
    const move = (moved) => moved.getCoalescedEvents().concat(moved).forEach((point) => gesture.move(point));
    const end = () => {
      canvas.removeEventListener('pointermove', move);
      canvas.removeEventListener('lostpointercapture', end);
      this.held = false;
      gesture.end?.();
    };
    canvas.addEventListener('pointermove', move);
    canvas.addEventListener('lostpointercapture', end);
  }

  choose(panel, event) {
    if (event.button === 2) return this.windowing(event);
    if (event.button === 0 && this.strokes.drawing && !event.shiftKey) return this.drawing(panel, event);
    return event.button === 0 || event.button === 1 ? this.panning(panel, event) : null;
  }

  drawing(panel, event) {
    const voxel = panel.voxelAt(event);
    if (!voxel || this.strokes.locked) return null;
    this.strokes.begin(panel, voxel);
    return {
      move: (point) => {
        const next = panel.voxelAt(point);
        if (next) this.strokes.extend(next);
      },
      end: () => this.strokes.end(),
    };
  }

  panning(panel, event) {
    let last = event;
    return {
      move: (point) => {
        const [from, to] = [panel.pointAt(last), panel.pointAt(point)];
        last = point;
        if (from && to) this.viewer.pan(from, to);
      },
    };
  }

  windowing(event) {
    let last = event;
    return {
      move: (point) => {
        this.viewer.changeWindow(Math.exp((point.clientX - last.clientX) * WINDOW_PER_PIXEL), (point.clientY - last.clientY) * WINDOW_PER_PIXEL);
        last = point;
      },
    };
  }

  /** Arrow keys move a cross and the space bar presses the pen there; false if the key is none of these. */
  pressKey(event) {
    const panel = this.viewer.panels.find((candidate) => candidate.canvas === document.activeElement);
    if (!panel?.loaded || !this.strokes.drawing || this.strokes.locked || event.ctrlKey) return false;
    const { grid } = this.viewer;
    if (event.key === ' ') {
      this.moveCursor([0, 0]);
      this.strokes.begin(panel, this.cursor);
      this.strokes.end();
      return true;
    }
    if (!(event.key in ARROWS)) return false;
    const [across, up] = ARROWS[event.key];
    const step = event.shiftKey ? 10 : 1;
    // In radiological convention the patient's right is on the left; sagittal slices show anterior on the left.
    this.moveCursor([grid.axis === 0 ? -across * step : across * step, up * step]);
    return true;
  }

  moveCursor([across, up]) {
    const { grid, slice } = this.viewer;
    const [inner, outer] = [0, 1, 2].filter((axis) => axis !== grid.axis);
    const cursor = this.cursor ?? grid.shape.map((size) => Math.floor(size / 2));
    cursor[grid.axis] = grid.turnSlice(slice);
    cursor[inner] = Math.min(Math.max(cursor[inner] + across, 0), grid.shape[inner] - 1);
    cursor[outer] = Math.min(Math.max(cursor[outer] + up, 0), grid.shape[outer] - 1);
    this.cursor = cursor;
    this.viewer.showCursor(cursor);
    this.announce(`Cursor at column ${cursor[inner]}, row ${cursor[outer]}`);
  }

  dropCursor() {
    if (!this.cursor) return;
    this.cursor = null;
    this.viewer.showCursor(null);
  }
}
