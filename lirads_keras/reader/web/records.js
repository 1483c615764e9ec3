// Lists around the images: studies, history, notices, saved results, other readers.

import { byId, element, showText } from './dom.js';
import { count, joinAnd, writeTime } from './words.js';

const STAGE_WORDS = { new: 'new', segmented: 'segmented', mask_edited: 'mask edited', characterised: 'read' };

/** Replaces a list only when its content has changed, so that whoever stands in it stays there. */
function replaceList(list, content, build) {
  const key = JSON.stringify(content);
  if (list.dataset.key === key) return;
  list.dataset.key = key;
  const focused = document.activeElement?.dataset?.item;
  list.replaceChildren(...content.map(build));
  if (focused) list.querySelector(`[data-item="${CSS.escape(focused)}"]`)?.focus();
}

export function showStudies(studies, openId, open) {
  const list = byId('studies');
  replaceList(list, studies, (study) => {
    const row = element(
      'button', { type: 'button', dataset: { item: study.study_id } },
      element('span', { class: 'id' }, study.label),
      element('span', {}, study.opening || (STAGE_WORDS[study.stage] ?? study.stage)),
      element('span', { class: 'number' }, study.stage === 'characterised' ? count(study.lesions, 'lesion') : ''));
    row.addEventListener('click', () => open(study.study_id));
    return element('li', {}, row);
  });
  for (const row of list.querySelectorAll('button')) {
    if (row.dataset.item === openId) row.setAttribute('aria-current', 'true');
    else row.removeAttribute('aria-current');
  }
  if (!studies.length) list.replaceChildren(element('li', {}, 'No study was found.'));
}

/** Newest first; an edit that was set aside can be applied from here as long as it is among `waiting`. */
export function showHistory(history, waiting, apply) {
  const newestFirst = history.map((event) => ({ ...event, waits: waiting.includes(event.event_id) })).reverse();
  replaceList(byId('history'), newestFirst, (event) => {
    const item = element(
      'li', { class: event.undone ? 'undone' : '' },
      element('span', { class: 'when' }, writeTime(event.when)), ` ${event.who}: ${event.summary}`, event.undone ? ' (undone)' : '');
    if (event.waits) {
      const button = element('button', { type: 'button', dataset: { item: `event-${event.event_id}` } }, 'Apply');
      button.setAttribute('aria-label', `Apply what was set aside: ${event.summary}`);
      button.addEventListener('click', () => apply(event.event_id));
      item.append(' ', button);
    }
    return item;
  });
}

export function showNotices(notices) {
  replaceList(byId('notices'), notices.length ? notices : ['None.'], (notice) => element('li', {}, notice));
}

/** Which series is read as each phase, and what is not read. */
export function showRead({ read, contrast_agent: agent, left_out: leftOut }) {
  const lines = [...read.map((series) => series.text), agent, ...leftOut.map((line) => `Not read: ${line}`)];
  replaceList(byId('read'), lines, (line) => element('li', {}, line));
}

export function showSaved(saved, url) {
  replaceList(byId('saved'), [...saved].reverse(), (save) => element(
    'li', {},
    element('span', { class: 'when' }, writeTime(save.when)), ` ${save.who}, in ${save.where}: `,
    ...save.files.flatMap((name, i) => [
      i ? ', ' : '', element('a', { href: url(save.save_id, name), download: name, dataset: { item: `${save.save_id}/${name}` } }, name)]),
    describeStored(save)));
}

function describeStored(save) {
  if (save.store_error) return `. Not stored in the PACS: ${save.store_error}`;
  return save.stored ? `. Stored in the PACS: ${save.stored}` : '';
}

export function showReaders(readers, own) {
  const others = readers.filter((name) => name !== own);
  showText(byId('readers'), others.length ? `Also here: ${joinAnd(others)}` : '');
}
