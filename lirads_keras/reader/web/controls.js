// Buttons, sliders and keys: what they do, and when they can.

import { announce, byId, showText } from './dom.js';
import { Keys } from './keys.js';
import { isBusy } from './study.js';
import { PHASE_WORDS, count } from './words.js';

const ZOOM_STEP = 1.15;
const LARGEST_PEN = 31;

/** A control that cannot be used now stays where the focus is: it is marked, says why, and does nothing. */
function setUsable(button, usable, otherwise = '') {
  button.setAttribute('aria-disabled', String(!usable));
  button.title = usable ? '' : otherwise;
}

const isUsable = (button) => button.getAttribute('aria-disabled') !== 'true';

export class Controls {
  constructor(page) {
    this.page = page;
    Object.assign(this, { study: page.study, viewer: page.viewer, strokes: page.strokes, gestures: page.gestures });
    this.listen();
    this.keys = new Keys(this.listKeys(), (event) => this.gestures.pressKey(event));
  }

  listen() {
    const { page, viewer } = this;
    const click = (id, action) => byId(id).addEventListener('click', () => this.press(id, action));
    click('run', () => page.run());
    click('next', () => page.next());
    click('save', () => page.save());
    click('undo', () => page.change(() => page.post('undo')));
    click('job-cancel', () => page.cancelJob());
    click('stroke-undo', () => this.undoStroke());
    click('mask-store', () => page.mask.store());
    click('conflict-theirs', () => page.seeTheirs());
    click('conflict-mine', () => page.applyMine());
    click('error-close', () => page.dismissError());
    click('identity-toggle', () => page.identity.toggle());
    click('help-open', () => byId('help-dialog').showModal());
    click('zoom-in', () => viewer.zoom(ZOOM_STEP));
    click('zoom-out', () => viewer.zoom(1 / ZOOM_STEP));
    click('view-reset', () => viewer.resetView());
    for (const radio of document.querySelectorAll('[name=tool]')) radio.addEventListener('change', () => this.setTool(radio.value));
    byId('fill').addEventListener('change', (event) => { this.strokes.filled = event.target.checked; });
    byId('pen-size').addEventListener('change', (event) => this.setPenSize(event.target));
    byId('slice').addEventListener('input', (event) => viewer.setSlice(event.target.valueAsNumber - 1));
    for (const id of ['opacity', 'overlay']) byId(id).addEventListener('input', () => this.setOpacity());
    window.addEventListener('beforeunload', (event) => { if (this.strokes.unsent) event.preventDefault(); });
  }

  /** Does what a button is for, or says why not. */
  press(id, action) {
    const button = byId(id);
    if (isUsable(button)) this.page.attempt(Promise.resolve(action()));
    else announce(button.title);
  }

  undoStroke() {
    if (this.strokes.locked || !this.strokes.undo()) announce('There is no stroke to take back. Undo takes back what is stored.');
  }

  setTool(tool) {
    this.strokes.tool = tool;
    document.querySelector(`[name=tool][value=${tool}]`).checked = true;
    byId('phases').dataset.tool = tool;
    if (tool === 'move') this.gestures.dropCursor();
  }

  setPenSize(field) {
    const size = Math.min(Math.max(Math.round(field.valueAsNumber || 1), 1), LARGEST_PEN);
    // NiiVue draws squares around a voxel: the width is odd.
    this.strokes.size = size - (1 - (size % 2));
    field.value = this.strokes.size;
  }

  setOpacity() {
    this.viewer.setMaskOpacity(byId('overlay').checked ? byId('opacity').value / 100 : 0);
  }

  /** Goes to a phase; from there, shows it alone or all again. */
  focusPhase(number) {
    const { viewer } = this;
    const panel = viewer.panels[number];
    if (document.activeElement === panel.canvas) viewer.alone(viewer.single ? null : panel.phase);
    else if (viewer.single) viewer.alone(panel.phase);
    panel.canvas.focus();
  }

  /** Which steps can be taken in a state of the study. */
  show() {
    const { state, conflict } = this.study;
    const strokes = this.strokes.unsent;
    const free = Boolean(state) && !isBusy(state) && !conflict;
    const wait = state ? 'A job or a decision is waited for.' : 'Choose a study first.';
    setUsable(byId('run'), free, wait);
    setUsable(byId('next'), free && (strokes > 0 || (state.mask && state.stage !== 'characterised')), free ? 'The mask has not changed.' : wait);
    setUsable(byId('save'), free && state.stage === 'characterised' && !strokes, free ? 'Save comes after Run, or after Next on a changed mask.' : wait);
    setUsable(byId('stroke-undo'), strokes > 0, 'There is no stroke to take back.');
    setUsable(byId('mask-store'), free && strokes > 0, free ? 'All strokes are stored.' : wait);
    setUsable(byId('undo'), free && state.can_undo && !strokes, strokes ? 'Take back or store the strokes first.' : 'There is nothing to undo.');
    setUsable(byId('identity-toggle'), Boolean(state), wait);
    setUsable(byId('explain'), Boolean(state) && (!state.job || state.job.state === 'failed'), wait);
    byId('undo').textContent = state?.can_undo && state.undo_summary ? `Undo: ${state.undo_summary}` : 'Undo';
    byId('undo').title ||= byId('undo').textContent;
    showText(byId('strokes'), strokes ? `${count(strokes, 'stroke')} not stored` : '');
  }

  /** What the canvases show: slice, zoom, window. */
  showView() {
    const { viewer } = this;
    if (!viewer.complete) return;
    const slider = byId('slice');
    const text = viewer.describeSlice();
    slider.disabled = false;
    slider.max = viewer.grid.slices;
    slider.value = viewer.slice + 1;
    slider.setAttribute('aria-valuetext', text);
    byId('slice-text').textContent = text;
    byId('zoom-text').textContent = `${Math.round(viewer.view[3] * 100)} %`;
    byId('window-text').textContent = `Window ${viewer.window.map((value) => Number(value.toPrecision(3))).join(' … ')}`;
    for (const panel of viewer.panels) panel.canvas.setAttribute('aria-label', `${PHASE_WORDS[panel.phase]} phase, slice ${text}`);
  }

  listKeys() {
    const { viewer } = this;
    const scroll = (step) => () => viewer.setSlice(viewer.slice + step);
    const press = (id) => () => byId(id).click();
    return [
      [['ArrowUp', 'ArrowRight', 'PageUp'], 'next slice (up); with Pen or Eraser on an image, arrows move a cross and Space presses', scroll(1)],
      [['ArrowDown', 'ArrowLeft', 'PageDown'], 'slice before (down)', scroll(-1)],
      [['+', '='], 'zoom in', press('zoom-in')],
      [['-'], 'zoom out', press('zoom-out')],
      [['0'], 'reset zoom and window', press('view-reset')],
      [['['], 'narrower window', () => viewer.changeWindow(0.9, 0)],
      [[']'], 'wider window', () => viewer.changeWindow(1 / 0.9, 0)],
      [['{'], 'brighter', () => viewer.changeWindow(1, -0.05)],
      [['}'], 'darker', () => viewer.changeWindow(1, 0.05)],
      [['1', '2', '3'], 'go to a phase; again: that phase alone', (event) => this.focusPhase(Number(event.key) - 1)],
      [['M'], 'move', () => this.setTool('move')],
      [['P'], 'pen', () => this.setTool('pen')],
      [['E'], 'eraser', () => this.setTool('eraser')],
      [['F'], 'filled strokes', press('fill')],
      [['Ctrl+Z'], 'undo the last stroke', press('stroke-undo')],
      [['O'], 'mask on or off', press('overlay')],
      [['R'], 'Run', press('run')],
      [['N'], 'Next', press('next')],
      [['S'], 'Save', press('save')],
      [['?'], 'this help', press('help-open')],
    ];
  }
}
