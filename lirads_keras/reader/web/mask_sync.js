// Which mask of the server lies under the strokes, and how strokes get there.

import { Strokes } from './strokes.js';

export class MaskSync {
  constructor(api, study, strokes, page) {
    Object.assign(this, { api, study, strokes, page });
    this.forget();
  }

  /** No study, no mask. */
  forget() {
    Object.assign(this, { base: null, refused: false, loading: null });
    this.strokes.forget();
  }

  /** Drops the strokes if it was they that the server set aside; its mask is taken with the next state. */
  dropRefused() {
    if (!this.refused) return;
    this.refused = false;
    this.base = { maskId: undefined, revision: -1 };
    this.strokes.drop();
  }

  /** Takes the state's mask, unless strokes would be lost by it: they stay, on the mask they were drawn on, until they are sent. */
  async follow(state) {
    const maskId = state.mask?.mask_id ?? null;
    if (this.base?.maskId === maskId) {
      this.base.revision = state.revision;
      return;
    }
    const { study } = this;
    if (this.strokes.begun || this.loading === state.study_id) return;
    this.loading = state.study_id;
    this.page.setBusy(true);
    try {
      const nifti = maskId && await study.untilReached(() => this.api.mask(state.study_id, maskId), () => study.studyId === state.study_id);
      const image = await Strokes.decode(nifti);
      // Who began to draw meanwhile keeps what is drawn; nothing is awaited from here on.
      if (study.studyId !== state.study_id || this.strokes.begun) return;
      this.strokes.take(image);
      this.base = { maskId, revision: state.revision };
    } finally {
      if (this.loading === state.study_id) {
        this.loading = null;
        this.page.setBusy(false);
      }
    }
    // A newer state may have come while the mask was on its way.
    if (study.state && study.state !== state) await this.follow(study.state);
  }

  /** Sends the mask with its strokes; resolves to whether the server has it. */
  async store() {
    const { studyId } = this.study;
    const { strokes } = this;
    strokes.locked = true;
    try {
      return await this.page.change(async () => {
        const number = strokes.unsent;
        const nifti = await strokes.encode();
        // On another mask than the one shown by now, the strokes are refused as those of a study that has changed.
        const answer = await this.study.change((revision) => this.api.sendMask(studyId, revision, nifti), () => this.base.revision);
        if (answer) {
          this.base = { maskId: answer.mask.mask_id, revision: answer.revision };
          strokes.sent(number);
        }
        this.refused = !answer && this.study.conflict !== null;
        return answer;
      });
    } finally {
      strokes.locked = false;
    }
  }
}
