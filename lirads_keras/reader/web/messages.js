// What the page tells above the images: a lost connection, a conflict, an error, and the progress of a job.

import { announce, byId, showText } from './dom.js';
import { count, writeError } from './words.js';

export function showConnection(lost, unsentStrokes) {
  const kept = unsentStrokes ? ` ${count(unsentStrokes, 'stroke')} on the mask kept in this page.` : '';
  showText(byId('connection'), lost ? `The server is not reached; trying again. Nothing is lost.${kept}` : '');
  if (!lost) announce('The server is reached again.');
}

export function showConflict({ by, message, setAside }, ownName) {
  const who = by === ownName ? 'You, in another window, have' : `${by || 'Another reader'} has`;
  const kept = setAside === null ? 'nothing else was done' : 'your edit is kept';
  byId('conflict-text').textContent = `${who} changed this study meanwhile; ${kept} (${message}).`;
  byId('conflict-mine').hidden = setAside === null;
  byId('conflict').hidden = false;
  byId('conflict-theirs').focus();
}

export function hideConflict() {
  byId('conflict').hidden = true;
}

export function showError(message) {
  byId('error-text').textContent = message;
  byId('error').hidden = false;
}

function describeFailure(job) {
  const reason = typeof job.error === 'string' ? job.error : writeError(job.error ?? { message: job.message });
  return `${job.kind} failed: ${reason}`;
}

/** Shows a job at work; one that failed is told once. */
export function showJob(job, before) {
  const failed = job?.state === 'failed';
  byId('job').hidden = !job || failed;
  if (failed && !(before?.job_id === job.job_id && before.state === 'failed')) showError(describeFailure(job));
  if (!job || failed) return;
  const bar = byId('job-progress');
  if (job.fraction === null) bar.removeAttribute('value');
  else bar.value = job.fraction;
  byId('job-message').textContent = job.message || job.state;
  if (job.message && job.message !== before?.message) announce(job.message);
}
