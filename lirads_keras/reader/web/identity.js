// Who the patient is: asked of the server each time it is to be seen, and nowhere kept.

import { byId } from './dom.js';

export class Identity {
  constructor(api, study) {
    Object.assign(this, { api, study });
  }

  async toggle() {
    if (!byId('identity').hidden) {
      this.hide();
      return;
    }
    const { studyId } = this.study;
    const identity = await this.api.identity(studyId);
    if (this.study.studyId === studyId) this.show(Object.values(identity).filter(Boolean).join(' · ') || 'no identity in the files');
  }

  hide() {
    this.show('');
  }

  show(text) {
    byId('identity').textContent = text;
    byId('identity').hidden = !text;
    byId('identity-toggle').textContent = text ? 'Hide identity' : 'Show identity';
    byId('identity-toggle').setAttribute('aria-expanded', String(Boolean(text)));
  }
}
