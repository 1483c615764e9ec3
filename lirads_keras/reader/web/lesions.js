// The list of lesions, and the features and category of the one that is chosen.

import { byId, element, showText } from './dom.js';
import { Prior } from './prior.js';
import { FEATURE_WORDS, TIES, categoryClass, writeDiameter, writeProbability, writeVolume } from './words.js';

const SWITCH = { network: null, present: true, absent: false };
const CHECKS = ['rim_aphe', 'threshold_growth', 'ancillary_malignant', 'ancillary_benign'];
const PAPER_NOTE = 'Table 3 of the paper does not count what stands below the three features; LI-RADS v2018 does.';

/** Shows where the networks looked: a picture of the server. */
export function showExplanation({ lesion_id: lesionId, category }, url) {
  byId('explanation-title').textContent = `${lesionId}: ${category}`;
  byId('explanation-box').replaceChildren(element('img', { src: url, alt: `Class-activation maps of lesion ${lesionId}` }));
  byId('explanation-dialog').showModal();
}

export class Lesions {
  /** `page` is asked for changes: `choose(lesion)`, `edit(lesionId, field, value)`, `explain(lesionId)`. */
  constructor(page) {
    this.page = page;
    this.form = byId('detail');
    this.form.addEventListener('submit', (event) => event.preventDefault());
    this.form.addEventListener('change', (event) => this.change(event.target));
    byId('rules').addEventListener('change', (event) => page.edit(null, 'rules', event.target.value));
    byId('explain').addEventListener('click', (event) => { if (event.target.ariaDisabled !== 'true') page.attempt(page.explain(this.chosen)); });
    byId('tie').append(new Option('no two', ''), ...TIES.map((pair) => new Option(pair.join(' and '), pair.join('|'))));
    this.chosen = null;
    this.prior = new Prior((value) => page.edit(this.chosen, 'prior', value));
  }

  /** The categories that a reader may give, as the server lists them. */
  setOverrides(overrides) {
    byId('overrides').append(...overrides.map((category) => element(
      'label', { class: 'check' }, element('input', { type: 'checkbox', name: 'overrides', value: category }), element('span', {}, category))));
  }

  change(control) {
    const { name, value, checked } = control;
    if (name in FEATURE_WORDS) this.page.edit(this.chosen, name, SWITCH[value]);
    else if (CHECKS.includes(name)) this.page.edit(this.chosen, name, checked);
    else if (name === 'overrides') {
      this.page.edit(this.chosen, name, [...this.form.querySelectorAll('[name=overrides]:checked')].map((box) => box.value));
    } else if (control.id === 'tie') this.page.edit(this.chosen, 'tie', value ? value.split('|') : null);
  }

  find(state) {
    return state?.lesions.find((lesion) => lesion.lesion_id === this.chosen);
  }

  /** Shows the state; `before` is the one that was shown, from which a category's change is told. */
  show(state, before, editable) {
    if (!this.find(state)) this.chosen = state.lesions[0]?.lesion_id ?? null;
    this.showList(state);
    byId('rules').value = state.rules;
    byId('rules').disabled = !editable || !state.rules;
    byId('editing').disabled = !editable;
    const lesion = this.find(state);
    this.form.hidden = !lesion;
    if (lesion) this.showDetail(lesion, state, before);
  }

  showList(state) {
    const focused = document.activeElement?.dataset?.lesion;
    byId('lesions').replaceChildren(...state.lesions.map((lesion) => this.buildRow(lesion)));
    if (focused) byId('lesions').querySelector(`[data-lesion="${CSS.escape(focused)}"]`)?.focus();
    const ignored = state.components_ignored;
    const dropped = ignored ? ` ${ignored} smaller part${ignored > 1 ? 's' : ''} of the mask not counted.` : '';
    showText(byId('lesions-note'), this.describeList(state) + dropped);
  }

  describeList(state) {
    if (!state.mask) return 'Run finds the lesions.';
    if (state.stage !== 'characterised') return 'The mask has changed since: Next measures it and reads its lesions.';
    return state.lesions.length ? '' : 'No lesion in the mask.';
  }

  buildRow(lesion) {
    const row = element(
      'button', { type: 'button', dataset: { lesion: lesion.lesion_id } },
      element('span', { class: 'id' }, lesion.lesion_id),
      element('span', { class: 'number' }, writeDiameter(lesion.diameter_mm)),
      element('span', { class: 'number' }, writeVolume(lesion.volume_ml)),
      element('span', { class: 'changed' }, lesion.changed ? 'changed' : ''),
      element('span', { class: categoryClass(lesion.category) }, lesion.category));
    if (lesion.lesion_id === this.chosen) row.setAttribute('aria-current', 'true');
    row.addEventListener('click', () => this.page.choose(lesion.lesion_id));
    return element('li', {}, row);
  }

  showDetail(lesion, state, before) {
    byId('detail-title').textContent = `${lesion.lesion_id}: ${writeDiameter(lesion.diameter_mm)}, ${writeVolume(lesion.volume_ml)}`;
    byId('detail-category').textContent = lesion.category;
    byId('detail-category').className = categoryClass(lesion.category);
    byId('detail-before').textContent = this.describeBefore(lesion, before);
    byId('detail-reasons').textContent = lesion.reasons;
    for (const row of this.form.querySelectorAll('.feature')) this.showFeature(row, lesion.features[row.dataset.feature]);
    for (const name of CHECKS) this.form.elements[name].checked = lesion[name];
    for (const box of this.form.querySelectorAll('[name=overrides]')) box.checked = lesion.overrides.includes(box.value);
    byId('tie').value = lesion.tie ? (TIES.find((pair) => lesion.tie.every((category) => pair.includes(category))) ?? []).join('|') : '';
    this.prior.show(lesion);
    showText(byId('rules-note'), state.rules === 'paper' ? PAPER_NOTE : '');
  }

  describeBefore(lesion, before) {
    const last = before?.lesions.find((other) => other.lesion_id === lesion.lesion_id);
    if (last && last.category !== lesion.category) this.was = { lesionId: lesion.lesion_id, from: last.category, to: lesion.category };
    const parts = [];
    if (this.was?.lesionId === lesion.lesion_id && this.was.to === lesion.category) parts.push(`was ${this.was.from}`);
    if (lesion.machine_category !== lesion.category) parts.push(`the machine's: ${lesion.machine_category}`);
    return parts.join(' · ');
  }

  showFeature(row, feature) {
    const { probability, present, by } = feature;
    row.querySelector('.level').style.width = `${(probability ?? 0) * 100}%`;
    row.querySelector('.probability').textContent = writeProbability(probability);
    const chosen = by === 'reader' ? (present ? 'present' : 'absent') : 'network';
    for (const radio of row.querySelectorAll('input')) radio.checked = radio.value === chosen;
    const value = present === null ? 'not assessed' : present ? 'present' : 'absent';
    row.querySelector('.by').textContent = `${value}, by the ${by}`;
    row.classList.toggle('by-reader', by === 'reader');
  }
}
