import { expect, it } from 'vitest';
import type { Status } from '../contract';

import { difference } from './fake/difference';
import { drive, folder, problem, refusing, settings, status } from './fake/samples';
import { updated } from './update';

const [a, b, changed, c] = [folder('/a'), folder('/b'), folder('/b', { keys: 7 }), folder('/c')];

/** Each with something in common with the others: folders added, changed, gone, in another order, and all else. */
const STATUSES: Status[] = [
  status([]),
  status([a, b, c]),
  status([a, changed, c]),
  status([c, a]),
  status([c, b, a, folder('/d')]),
  status([a, a]),
  status([a, b, c], { drives: [drive('STICK')], problems: [problem('it')] }),
  refusing(status([a, b, c]), [{ path: '/gone', why: 'it is not there' }]),
  status([a, b, c], { settings: settings({ look: 'dark' }) }),
];

it('news of each status leads to it from each other', () => {
  for (const before of STATUSES) {
    for (const after of STATUSES) {
      expect(updated(before, structuredClone(difference(before, after)))).toEqual(after);
    }
    expect(updated(null, difference(null, before))).toEqual(before);
  }
});

it('news of one folder holds no other, and leaves the others as they are', () => {
  const before = status([a, b, c]);
  const told = difference(before, status([a, changed, c]));
  expect(told).toEqual({
    changed: { folders: [{ same: 0 }, { new: changed }, { same: 2 }], refused: null, drives: null, problems: null, settings: null },
  });
  const after = updated(before, told);
  expect([after.folders[0] === a, after.folders[2] === c, after.settings === before.settings]).toEqual([true, true, true]);
});
