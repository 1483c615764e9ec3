// The page: brings the server's state, the canvases and the controls together.

import { Api } from './api.js';
import { Controls } from './controls.js';
import { announce, ask, byId, showText } from './dom.js';
import { Gestures } from './gestures.js';
import { Identity } from './identity.js';
import { Lesions, showExplanation } from './lesions.js';
import { MaskSync } from './mask_sync.js';
import { hideConflict, showConflict, showConnection, showError, showJob } from './messages.js';
import { Population } from './population.js';
import { ReaderName } from './reader_name.js';
import { showHistory, showNotices, showRead, showReaders, showSaved, showStudies } from './records.js';
import { Strokes } from './strokes.js';
import { Study, isBusy } from './study.js';
import { Viewer } from './viewer.js';
import { count } from './words.js';

const STUDIES_MS = 15000;
const OPENING_MS = 1000;
const RUN_QUESTION = 'Run draws the mask anew and reads its lesions; features that readers switched are the network\'s again. Undo brings all back.';

class Page {
  constructor() {
    this.reader = new ReaderName();
    this.api = new Api(() => this.reader.name);
    this.study = new Study(this.api, this);
    this.viewer = new Viewer(document.querySelectorAll('.phase'), () => this.controls.showView());
    this.strokes = new Strokes(this.viewer, () => this.controls?.show());
    this.mask = new MaskSync(this.api, this.study, this.strokes, this);
    this.gestures = new Gestures(this.viewer, this.strokes, announce);
    this.identity = new Identity(this.api, this.study);
    this.lesions = new Lesions(this);
    this.population = new Population(this);
    this.controls = new Controls(this);
    this.studies = [];
    this.controls.show();
  }

  async start() {
    const reached = (send) => this.study.untilReached(send, () => true);
    const session = await reached(() => this.api.session());
    byId('notice').textContent = session.notice;
    showText(byId('cohort'), session.cohort);
    this.reader.suggest(session.reader);
    this.lesions.setOverrides(session.overrides);
    await reached(() => this.listStudies());
    await this.viewer.start();
    this.controls.setOpacity();
    this.ready = true;
    setInterval(() => this.listStudies().catch((error) => this.study.notice(error)), STUDIES_MS);
    const wanted = this.wanted ?? decodeURIComponent(window.location.hash.slice(1));
    if (this.studies.some((study) => study.study_id === wanted)) await this.open(wanted);
    else announce('Choose a study.');
  }

  // Studies

  async listStudies() {
    this.studies = (await this.api.studies()).studies;
    this.showStudies();
  }

  showStudies() {
    showStudies(this.studies, this.study.studyId, (studyId) => this.attempt(this.open(studyId)));
  }

  async open(studyId) {
    // A study that is chosen while the canvases are still made is opened then.
    this.wanted = studyId;
    if (!this.ready || studyId === this.study.studyId) return;
    if (this.strokes.unsent && !await ask(`${count(this.strokes.unsent, 'stroke')} on the mask not stored yet will be lost.`, 'Open the other study')) return;
    this.identity.hide();
    hideConflict();
    this.viewer.clear();
    this.mask.forget();
    this.lesions.chosen = null;
    window.history.replaceState(null, '', `#${encodeURIComponent(studyId)}`);
    announce('Opening the study…');
    // A PACS takes its time; the list says how far it is.
    const progress = setInterval(() => this.listStudies().catch(() => {}), OPENING_MS);
    await this.study.open(studyId).finally(() => clearInterval(progress));
    if (this.study.state?.study_id === studyId) await this.load(studyId);
  }

  /** Fetches the images of the open study, then its mask. */
  async load(studyId) {
    const wanted = () => this.study.studyId === studyId;
    const fetchVolume = (phase) => this.study.untilReached(() => this.api.volume(studyId, phase), wanted);
    this.setBusy(true);
    try {
      if (!await this.viewer.open(this.study.state.phases, fetchVolume)) return;
      await this.mask.follow(this.study.state);
    } finally {
      if (wanted()) this.setBusy(false);
    }
    this.choose(this.lesions.chosen, false);
    announce(`${this.study.state.label} is open.`);
  }

  /** Takes the state of the open study; called by `Study`. */
  show(state, before) {
    byId('study-label').textContent = state.label;
    this.lesions.show(state, before, !isBusy(state));
    showHistory(state.history, state.set_aside, (eventId) => this.attempt(this.change(() => this.study.applySetAside(eventId))));
    showNotices([...state.notices, ...state.population]);
    showRead(state);
    this.viewer.nameSeries(state.read);
    this.population.show(state, !isBusy(state));
    showSaved(state.saved, (saveId, name) => this.api.savedUrl(state.study_id, saveId, name));
    showReaders(state.readers, this.reader.name);
    showJob(state.job, before?.job);
    this.controls.show();
    this.markLesion();
    this.tellChanges(state, before);
    const listed = this.studies.find((study) => study.study_id === state.study_id);
    if (listed) Object.assign(listed, { stage: state.stage, lesions: state.lesions.length });
    this.showStudies();
    if (!this.viewer.complete) return;
    this.attempt(this.mask.follow(state));
    if (before && !before.lesions.length) this.choose(this.lesions.chosen, false);
  }

  /** Says which categories are new, for those who do not see the list. */
  tellChanges(state, before) {
    if (!before) return;
    const old = new Map(before.lesions.map((lesion) => [lesion.lesion_id, lesion.category]));
    const changed = state.lesions.filter((lesion) => old.get(lesion.lesion_id) !== lesion.category);
    const told = changed.map(({ lesion_id: id, category }) => (old.has(id) ? `${id}: ${old.get(id)} to ${category}` : `${id}: ${category}`));
    if (told.length) announce(told.join(', '));
    else if (isBusy(before) && !state.job) announce(`${count(state.lesions.length, 'lesion')}.`);
  }

  // Lesions

  choose(lesionId, tell = true) {
    this.lesions.chosen = lesionId;
    const { state } = this.study;
    const lesion = this.lesions.find(state);
    if (!lesion) return;
    this.lesions.show(state, state, !isBusy(state));
    this.viewer.goTo(lesion.centroid_zyx, lesion.largest_slice);
    this.markLesion();
    if (tell) announce(`${lesionId}: ${lesion.category}. ${lesion.reasons}`);
  }

  markLesion() {
    const lesion = this.lesions.find(this.study.state);
    this.viewer.setMark(lesion ? { text: lesion.lesion_id, zyx: lesion.centroid_zyx, diameter_mm: lesion.diameter_mm } : null);
  }

  async edit(lesionId, field, value) {
    const done = await this.change(() => this.post('edits', { lesion_id: lesionId, field, value }));
    const { state, conflict } = this.study;
    // What was refused is shown as it still is.
    if (!done && state && !conflict) {
      this.lesions.show(state, state, !isBusy(state));
      this.population.show(state, !isBusy(state));
    }
  }

  async explain(lesionId) {
    const { studyId } = this.study;
    if (!this.lesions.find(this.study.state).explanation) {
      if (!await this.change(() => this.post(`lesions/${encodeURIComponent(lesionId)}/explanation`))) return;
      await this.study.jobEnd('explanation');
    }
    const { state } = this.study;
    const lesion = state?.lesions.find((other) => other.lesion_id === lesionId);
    if (this.study.studyId === studyId && lesion?.explanation) showExplanation(lesion, this.api.explanationUrl(studyId, lesionId, state.revision));
  }

  // Changes

  post(action, body) {
    const { studyId } = this.study;
    return this.study.change((revision) => this.api.change(studyId, action, revision, body));
  }

  /** Makes a change in the name of the reader; resolves to whether it was made. */
  async change(make) {
    return Boolean(this.study.state && await this.reader.require() && await make());
  }

  async run() {
    if (this.study.state.mask && !await ask(RUN_QUESTION, 'Run')) return;
    // Strokes that were not stored go into the history first.
    if (this.strokes.unsent && !await this.mask.store()) return;
    await this.change(() => this.post('run'));
  }

  async next() {
    if (this.strokes.unsent && !await this.mask.store()) return;
    await this.change(() => this.post('next'));
  }

  cancelJob() {
    const { studyId } = this.study;
    return this.change(() => this.study.change(() => this.api.cancelJob(studyId)));
  }

  async save() {
    const { length } = this.study.state.saved;
    if (!await this.change(() => this.post('save'))) return;
    const { saved } = this.study.state;
    if (saved.at(-1)?.store_error) this.fail(`Saved, but not stored in the PACS: ${saved.at(-1).store_error}`);
    if (saved.length > length) announce(`Saved in ${saved.at(-1).where}: ${saved.at(-1).files.join(', ')}`);
  }

  // What `Study` tells

  name() {
    return this.reader.name;
  }

  setConnection(lost) {
    showConnection(lost, this.strokes.unsent);
  }

  meetConflict(conflict) {
    showConflict(conflict, this.reader.name);
    byId('editing').disabled = true;
    this.controls.show();
  }

  seeTheirs() {
    hideConflict();
    this.mask.dropRefused();
    this.study.seeTheirs();
    this.controls.show();
    announce('Your edit can be applied from the history.');
  }

  async applyMine() {
    hideConflict();
    this.mask.dropRefused();
    await this.change(() => this.study.applyMine());
  }

  fail(message) {
    showError(message);
  }

  /** Whether images or a mask are on their way. */
  setBusy(busy) {
    byId('phases').setAttribute('aria-busy', String(busy));
  }

  /** Puts an error away, and on the server the job that failed with it. */
  async dismissError() {
    byId('error').hidden = true;
    if (this.study.state?.job?.state === 'failed') await this.cancelJob();
  }

  /** Shows what goes wrong in something that nobody waits for. */
  attempt(promise) {
    promise.catch((error) => this.fail(error.message));
  }
}

const page = new Page();
page.attempt(page.start());
