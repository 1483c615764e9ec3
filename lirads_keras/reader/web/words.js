// How numbers, categories and names are written.

export const PHASE_WORDS = { arterial: 'Arterial', portal_venous: 'Portal venous', delayed: 'Delayed', transitional: 'Transitional' };

export const FEATURE_WORDS = { aphe: 'APHE', washout: 'Washout', capsule: 'Capsule' };

/** The pairs between which a reader may be undecided; `lirads.steps.TIES` has the same. */
export const TIES = [['LR-1', 'LR-2'], ['LR-2', 'LR-3'], ['LR-3', 'LR-4'], ['LR-4', 'LR-5'], ['LR-4', 'LR-M'], ['LR-5', 'LR-M']];

/** Rounded down to 0.1 mm, as in the reasons: a size never seems to stand in the next column of the table. */
export const writeDiameter = (diameter) => `${(Math.floor(diameter * 10) / 10).toFixed(1)} mm`;

export const writeVolume = (volume) => `${volume.toFixed(volume < 1 ? 2 : 1)} ml`;

export const writeProbability = (probability) => (probability === null ? 'not assessed' : probability.toFixed(2));

/** A time of the server (UTC, ISO) as the reader's clock shows it; the day is left out today. */
export function writeTime(when) {
  const time = new Date(when);
  if (Number.isNaN(time.getTime())) return when;
  const clock = time.toLocaleTimeString([], { hour: '2-digit', minute: '2-digit', hour12: false });
  return time.toDateString() === new Date().toDateString() ? clock : `${time.toLocaleDateString()} ${clock}`;
}

export const count = (number, one, many = `${one}s`) => `${number} ${number === 1 ? one : many}`;

/** "A and B", "A, B and C". */
export function joinAnd(parts) {
  return parts.length < 2 ? parts.join('') : `${parts.slice(0, -1).join(', ')} and ${parts.at(-1)}`;
}

/** The class that colours a category. */
export const categoryClass = (category) => `category ${/^LR-\w+$/.test(category) ? category.toLowerCase() : 'not-given'}`;

/** An error of the server in words: its message, and every problem behind it. */
export function writeError(error) {
  const problems = (error.problems ?? []).map((problem) => `${problem.where}: expected ${problem.expected}, found ${problem.found}`);
  return [error.message, ...problems.filter((problem) => !String(error.message).includes(problem))].filter(Boolean).join(' · ');
}
