import { describe, expect, it } from 'vitest';

import { deed } from '../../backend/fake/samples';
import { type FolderHistory, merged, withPart } from './history';
import { activity } from './text';

describe('who did what', () => {
  const history = (next: number | null, ...at: number[]): FolderHistory => ({
    deeds: at.map((one) => deed({ at: one, commit: `${one}` })),
    next,
    trouble: '',
  });
  const seen = (histories: Record<string, FolderHistory>): [string[], string[]] => {
    const { rows, behind } = merged(new Map(Object.entries(histories)));
    return [rows.map(({ folder, at }) => `${folder}${at}`), behind];
  };

  it('is mixed as far back as it is known of all folders', () => {
    expect(seen({})).toEqual([[], []]);
    expect(seen({ a: history(null, 9, 3), b: history(null, 7, 1) })).toEqual([['a9', 'b7', 'a3', 'b1'], []]);
    expect(seen({ a: history(2, 9, 5), b: history(2, 7, 1) })).toEqual([['a9', 'b7', 'a5'], ['a']]);
    expect(seen({ a: history(2, 9, 5), b: history(2, 7, 5) })).toEqual([['a9', 'b7', 'a5', 'b5'], ['a', 'b']]);
    expect(seen({ a: history(2, 9, 5), b: history(null) })).toEqual([['a9', 'a5'], ['a']]);
  });

  it('goes on without what is known already', () => {
    const more = withPart({ ...history(2, 9, 8), trouble: 'gone' }, history(null, 8, 7));
    expect([more.deeds.map(({ at }) => at), more.next, more.trouble]).toEqual([[9, 8, 7], null, '']);
  });

  it('is told in words', () => {
    const did = deed({ added: 1, changed: 2, renamed: 1, deleted: 1_204 });
    expect(activity.did(did)).toBe('added 1 file, changed 2 files, renamed 1 file and deleted 1,204 files');
    expect(activity.more(did)).toBe('and 1,207 more');
    expect(activity.more(deed({ added: 1 }))).toBe('');
  });
});
