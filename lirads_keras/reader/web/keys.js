// Keyboard shortcuts: one table for what the keys do and for what the help says of them.

import { byId, element } from './dom.js';

const KEY = 'lirads-reader-shortcuts';

/** Controls that have a use of their own for letters, digits and arrows. */
const typesInto = (node) => node?.matches?.('input[type=text], input[type=number], select, textarea') ?? false;
const usesArrows = (node) => typesInto(node) || (node?.matches?.('input[type=range], input[type=radio], ol, ul') ?? false);

const SCROLLING = ['ArrowUp', 'ArrowDown', 'ArrowLeft', 'ArrowRight', 'PageUp', 'PageDown'];

export class Keys {
  /** `table` has rows `[keys, description, action]`; `keys` are values of KeyboardEvent.key, shown as they are. `first` may take a key before. */
  constructor(table, first) {
    this.actions = new Map(table.flatMap(([keys, , action]) => keys.map((key) => [key, action])));
    this.first = first;
    byId('help-keys').append(...table.map(([keys, description]) => element(
      'tr', {}, element('td', {}, ...keys.flatMap((key, i) => [i ? ' ' : '', element('kbd', {}, key)])), element('td', {}, description))));
    const enabled = byId('shortcuts');
    enabled.checked = localStorage.getItem(KEY) !== 'off';
    enabled.addEventListener('change', () => localStorage.setItem(KEY, enabled.checked ? 'on' : 'off'));
    document.addEventListener('keydown', (event) => this.press(event));
  }

  press(event) {
    const { key, target } = event;
    if (event.defaultPrevented || event.altKey || event.metaKey || document.querySelector('dialog[open]')) return;
    if (this.first(event)) {
      event.preventDefault();
      return;
    }
    const name = this.name(event);
    const action = this.actions.get(name);
    if (!action || typesInto(target) || (SCROLLING.includes(key) && usesArrows(target))) return;
    if (name.length === 1 && !byId('shortcuts').checked) return;
    event.preventDefault();
    action(event);
  }

  name(event) {
    const key = event.key.length === 1 ? event.key.toUpperCase() : event.key;
    return event.ctrlKey ? `Ctrl+${key}` : key;
  }
}
