import type { Keeping, Keeps, Place, Purpose } from '../../contract';

/** What a place is shown to keep. Everything because nothing is set, and what was set with git-annex, cannot be chosen. */
export type ContentChoice = Purpose | Unchosen;
export type Unchosen = 'all' | 'own';

/** What that is shown as. */
export function choiceOf(keeps: Keeps): ContentChoice {
  if ('for' in keeps) {
    return keeps.for;
  }
  return 'all' in keeps ? 'all' : 'own';
}

/** Of the changes that were set, those that the status does not tell yet. */
export function unconfirmed(set: Keeping[], places: Place[]): Keeping[] {
  return set.filter(({ place, before }) =>
    places.some(({ name, keeps }) => name === place && keeps !== null && isSame(before, keeps)),
  );
}

/** Changes with this choice for a place among them; what cannot be chosen is what it keeps already. */
export function withChoice(changes: Keeping[], place: string, now: Keeps, to: ContentChoice): Keeping[] {
  const others = changes.filter((one) => one.place !== place);
  return to === 'all' || to === 'own' || to === choiceOf(now)
    ? others
    : [...others, { place, before: now, after: { for: to } }];
}

/** The changes that take these back. */
export function reversed(changes: Keeping[]): Keeping[] {
  return changes.map(({ place, before, after }) => ({ place, before: after, after: before }));
}

/** What is left of the changes that are chosen when others have been set meanwhile. */
export function rebased(chosen: Keeping[], set: Keeping[]): Keeping[] {
  const of = (place: string, all: Keeping[]): Keeping | undefined => all.find((one) => one.place === place);
  const kept = chosen.map((one) => ({ ...one, before: of(one.place, set)?.after ?? one.before }));
  const taken = reversed(set).filter(({ place }) => !of(place, chosen));
  return [...kept, ...taken].filter(({ before, after }) => !isSame(before, after));
}

function isSame(one: Keeps, other: Keeps): boolean {
  return JSON.stringify(one) === JSON.stringify(other);
}
