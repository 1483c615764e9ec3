// Who reads: kept in this browser, asked for before the first change.

import { byId } from './dom.js';

const KEY = 'lirads-reader-name';

export class ReaderName {
  constructor() {
    this.field = byId('reader-name');
    this.dialog = byId('name-dialog');
    this.field.value = localStorage.getItem(KEY) ?? '';
    this.field.addEventListener('change', () => this.keep(this.field.value));
    byId('name-cancel').addEventListener('click', () => this.dialog.close(''));
  }

  get name() {
    return this.field.value.trim();
  }

  keep(name) {
    this.field.value = name.trim();
    localStorage.setItem(KEY, this.name);
  }

  /** Fills in a name where this browser knows none. */
  suggest(name) {
    if (name && !this.name) this.keep(name);
  }

  /** Asks for the name if there is none; resolves to whether there is one now. */
  async require() {
    if (this.name) return true;
    this.asking ??= this.ask().finally(() => { this.asking = null; });
    return this.asking;
  }

  ask() {
    const entry = byId('name-entry');
    entry.value = '';
    this.dialog.returnValue = '';
    this.dialog.showModal();
    entry.focus();
    return new Promise((resolve) => {
      this.dialog.addEventListener('close', () => {
        if (this.dialog.returnValue === 'ok') this.keep(entry.value);
        resolve(Boolean(this.name));
      }, { once: true });
    });
  }
}
