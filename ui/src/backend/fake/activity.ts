import type { Activity, Deed, Folder } from '../../contract';
import { hex } from '../../common/path';
import { deed, now } from './samples';

/** As many as the engine gives at the most. */
const AT_MOST = 500;

/** What was done by turns; a folder has a third as many as files. */
const DEEDS: Pick<Deed, 'who' | 'added' | 'changed' | 'renamed' | 'deleted'>[] = [
  { who: 'Ann', added: 3, changed: 0, renamed: 0, deleted: 0 },
  { who: 'Ben', added: 1_204, changed: 1, renamed: 0, deleted: 0 },
  { who: 'آن', added: 0, changed: 1, renamed: 0, deleted: 0 },
  { who: 'Ann', added: 0, changed: 0, renamed: 2, deleted: 1 },
];

/** A part of who did what in a folder: always the same for the same number. */
export function activity(folder: Folder, skip: number, count: number): Activity {
  const total = Math.ceil(folder.keys / 3);
  const end = Math.min(total, skip + Math.min(count, AT_MOST));
  const deeds = Array.from({ length: Math.max(0, end - skip) }, (_, at) => done(skip + at));
  return { deeds, next: end < total ? end : null };
}

function done(at: number): Deed {
  const by = DEEDS[at % DEEDS.length];
  const files = by ? by.added + by.changed + by.renamed + by.deleted : 0;
  const names = Array.from({ length: Math.min(files, 3) }, (_, file) => `2026/11/IMG_${String(at * 3 + file).padStart(5, '0')}.jpg`);
  return deed({
    ...by,
    commit: at.toString(16).padStart(40, '0'),
    at: now() - 40 - at * 5_400,
    names: names.map((shown) => ({ shown, bytes: hex(shown) })),
  });
}
