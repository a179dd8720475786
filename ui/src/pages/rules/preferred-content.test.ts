import { describe, expect, it } from 'vitest';

import { place } from '../../backend/fake/samples';
import type { Keeping, Keeps, Purpose } from '../../contract';
import { choiceOf, rebased, reversed, unconfirmed, withChoice } from './preferred-content';

const ALL: Keeps = { all: { groups: [] } };
const OWN: Keeps = { own: { groups: [], wanted: 'include=*.jpg' } };

function keeps(purpose: Purpose): Keeps {
  return { for: purpose };
}

function change(name: string, before: Keeps, after: Keeps): Keeping {
  return { place: name, before, after };
}

describe('a choice', () => {
  it('is what is kept, or what cannot be chosen', () => {
    expect([ALL, OWN, keeps('archive')].map(choiceOf)).toEqual(['all', 'own', 'archive']);
  });

  it('is a change of what was seen when it was chosen, and none when it is chosen back', () => {
    const one = withChoice([], 'a', OWN, 'archive');
    expect(one).toEqual([change('a', OWN, keeps('archive'))]);
    const two = withChoice(withChoice(one, 'b', ALL, 'backup'), 'a', ALL, 'carry');
    expect(two).toEqual([change('b', ALL, keeps('backup')), change('a', ALL, keeps('carry'))]);
    expect(withChoice(two, 'a', OWN, 'own')).toEqual([change('b', ALL, keeps('backup'))]);
    expect(withChoice([], 'a', keeps('carry'), 'carry')).toEqual([]);
  });
});

describe('changes that were set', () => {
  const set = [change('a', OWN, keeps('archive')), change('b', ALL, keeps('backup'))];

  it('are taken back by their reverse', () => {
    expect(reversed(set)).toEqual([change('a', keeps('archive'), OWN), change('b', keeps('backup'), ALL)]);
  });

  it('are untold until something else is told', () => {
    const told = (a: Keeps | null): Keeping[] => unconfirmed(set, [place('a', { keeps: a })]);
    expect([told(OWN), told(keeps('archive')), told(ALL), told(null)].map((all) => all.length)).toEqual([1, 0, 0, 0]);
  });

  it('leave what was chosen meanwhile, as a change of them', () => {
    expect(rebased(set, set)).toEqual([]);
    // Another choice for a, and b as it was; c was not among them.
    const chosen = [change('a', OWN, keeps('carry')), change('c', ALL, keeps('archive'))];
    expect(rebased(chosen, set)).toEqual([
      change('a', keeps('archive'), keeps('carry')),
      change('c', ALL, keeps('archive')),
      change('b', keeps('backup'), ALL),
    ]);
  });
});
