// Whom LI-RADS is for, and what else belongs to the study: the reader's answers.

import { byId, showText } from './dom.js';

const ANSWERS = { '': null, yes: true, no: false };
const ASKED = { 'high-risk': 'high_risk', untreated: 'untreated' };
const CHECKED = { 'despite-age': 'despite_age', 'tumor-in-vein': 'tumor_in_vein' };

const toText = (answer) => Object.keys(ANSWERS).find((text) => ANSWERS[text] === answer);

export class Population {
  /** `page.edit(null, field, value)` is asked for changes. */
  constructor(page) {
    for (const [id, field] of Object.entries(ASKED)) {
      byId(id).addEventListener('change', (event) => page.edit(null, field, ANSWERS[event.target.value]));
    }
    for (const [id, field] of Object.entries(CHECKED)) {
      byId(id).addEventListener('change', (event) => page.edit(null, field, event.target.checked));
    }
  }

  show(state, editable) {
    for (const [id, field] of Object.entries(ASKED)) byId(id).value = toText(state[field]);
    for (const [id, field] of Object.entries(CHECKED)) byId(id).checked = state[field];
    byId('population').disabled = !editable;
    showText(byId('population-note'), state.population.filter((sentence) => /^(Categories|The categories|The patient|LR-TIV)/.test(sentence)).join(' '));
  }
}
