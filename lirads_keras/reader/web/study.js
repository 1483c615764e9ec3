// One study as the server has it: what is shown, changes one after another, other readers, a connection that fails.

import { Conflict, Unreachable } from './api.js';

const POLL_MS = 3000;
const POLL_JOB_MS = 400;
const RETRY_MS = 1500;

const pause = (milliseconds) => new Promise((resolve) => { setTimeout(resolve, milliseconds); });

/** Whether a job works that stands in the way of edits. */
export const isBusy = (state) => ['run', 'next'].includes(state?.job?.kind) && state.job.state !== 'failed';

export class Study {
  /**
   * `page` is told what happens: `show(state, before)`, `setConnection(lost)`, `meetConflict(conflict)`, `fail(message)`;
   * `page.name()` is the reader's name.
   */
  constructor(api, page) {
    Object.assign(this, { api, page, studyId: null, state: null, shown: null, conflict: null, queue: Promise.resolve(), changes: 0, lost: false });
  }

  /** Opens a study; resolves when its state is there, or another study is opened. */
  async open(studyId) {
    this.close();
    this.studyId = studyId;
    try {
      const state = await this.untilReached(() => this.api.study(studyId), () => this.studyId === studyId);
      if (this.studyId !== studyId) return;
      this.accept(state);
      this.schedule();
    } catch (error) {
      if (this.studyId !== studyId) return;
      // So that it can be tried again.
      this.close();
      throw error;
    }
  }

  close() {
    clearTimeout(this.timer);
    Object.assign(this, { studyId: null, state: null, shown: null, conflict: null });
  }

  /** Takes a state of the server, unless a newer one has come before. */
  accept(state) {
    if (state.study_id !== this.studyId || state.revision < (this.state?.revision ?? -1)) return;
    const before = this.state;
    this.state = state;
    // Most answers say what is on the page already.
    const content = JSON.stringify(state);
    if (content !== this.shown) this.page.show(state, before);
    this.shown = content;
  }

  schedule() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.poll(), this.state?.job && this.state.job.state !== 'failed' ? POLL_JOB_MS : POLL_MS);
  }

  async poll() {
    const { studyId, changes } = this;
    try {
      const state = await this.api.study(studyId);
      this.setLost(false);
      // An answer that a change has overtaken is old. In a conflict the page shows what the refused edit was made on until the reader has decided.
      if (changes === this.changes && !this.conflict) this.accept(state);
    } catch (error) {
      this.notice(error);
    }
    if (this.studyId === studyId) this.schedule();
  }

  notice(error) {
    if (error instanceof Unreachable) this.setLost(true);
    else {
      this.setLost(false);
      this.page.fail(error.message);
    }
  }

  setLost(lost) {
    if (lost !== this.lost) this.page.setConnection(lost);
    this.lost = lost;
  }

  /** Asks again until the server answers, as long as the answer is still wanted. */
  async untilReached(send, wanted) {
    for (;;) {
      try {
        const answer = await send();
        this.setLost(false);
        return answer;
      } catch (error) {
        const lost = error instanceof Unreachable;
        this.setLost(lost);
        if (!lost || !wanted()) throw error;
        await pause(RETRY_MS);
      }
    }
  }

  /**
   * Changes the study, after the changes before it. `send(revision)` is asked again while the server is not reached, always with the revision
   * that the reader saw at first, so that nothing is done twice. Resolves to the answer, whose state is then shown, or to null if the change was
   * refused or is set aside.
   */
  change(send, chooseRevision = () => this.state.revision) {
    const { studyId } = this;
    const turn = this.queue.then(async () => {
      if (this.studyId !== studyId || this.conflict) return null;
      const revision = chooseRevision();
      let tries = 0;
      try {
        return this.take(studyId, await this.untilReached(() => {
          tries += 1;
          return send(revision);
        }, () => true));
      } catch (error) {
        if (this.studyId !== studyId) return null;
        // The first try had arrived after all: only its answer was lost.
        if (error instanceof Conflict && tries > 1 && error.by === this.page.name()) return this.take(studyId, error.state);
        if (error instanceof Conflict) this.meet(error);
        else this.page.fail(error.message);
        return null;
      }
    });
    this.queue = turn;
    return turn;
  }

  take(studyId, answer) {
    if (this.studyId !== studyId) return null;
    this.changes += 1;
    this.accept(answer.state ?? answer);
    this.schedule();
    return answer;
  }

  /** Resolves when no job of a kind works any more. */
  async jobEnd(kind) {
    while (this.state?.job?.kind === kind && this.state.job.state !== 'failed') await pause(POLL_JOB_MS / 2);
  }

  meet(conflict) {
    this.conflict = conflict;
    this.page.meetConflict(conflict);
  }

  /** Shows what the other reader has made; one's own edit stays on the server. */
  seeTheirs() {
    const { state } = this.conflict;
    this.conflict = null;
    this.accept(state);
  }

  /** Puts the edit that was set aside on top of what the other reader has made. */
  async applyMine() {
    const { setAside, state } = this.conflict;
    this.conflict = null;
    return this.applySetAside(setAside, state.revision);
  }

  applySetAside(eventId, revision = this.state.revision) {
    return this.change((seen) => this.api.change(this.studyId, `set-aside/${encodeURIComponent(eventId)}/apply`, seen), () => revision);
  }
}
