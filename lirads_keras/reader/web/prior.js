// The earlier size of a lesion, from which threshold growth is judged.

import { byId } from './dom.js';

const GROWTH_WORDS = { absent: 'no threshold growth', present: 'threshold growth', proposed: 'threshold growth is proposed, not counted' };

export class Prior {
  /** `set(value)` takes the earlier size, or null. */
  constructor(set) {
    byId('prior-set').addEventListener('click', () => {
      const fields = [byId('prior-diameter'), byId('prior-days')];
      if (fields.every((field) => field.reportValidity())) {
        set({
          diameter_mm: fields[0].valueAsNumber, days: fields[1].valueAsNumber, modality: byId('prior-modality').value,
          same_untreated: byId('prior-same').checked,
        });
      }
    });
    byId('prior-clear').addEventListener('click', () => set(null));
  }

  show({ lesion_id: lesionId, prior, growth }) {
    byId('prior-growth').textContent = GROWTH_WORDS[growth] ?? '';
    // What is being typed stays.
    const key = `${lesionId} ${JSON.stringify(prior)}`;
    if (key === this.shown) return;
    this.shown = key;
    byId('prior-diameter').value = prior?.diameter_mm ?? '';
    byId('prior-days').value = prior?.days ?? '';
    byId('prior-modality').value = prior?.modality ?? 'MR';
    byId('prior-same').checked = prior?.same_untreated ?? false;
    byId('prior').open = Boolean(prior);
  }
}
