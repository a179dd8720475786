import type { Activity, Deed } from '../../contract';

/** What is known of who did what in a folder, newest first. */
export interface FolderHistory extends Activity {
  /** Why no more is known; empty if nothing went wrong. */
  trouble: string;
}

/** A deed, and in which folder it was done. */
export interface HistoryRow extends Deed {
  folder: string;
}

/** A history with a further part of it. What was committed meanwhile moves a part, so that some of it may be known. */
export function withPart(history: FolderHistory, part: Activity): FolderHistory {
  const known = new Set(history.deeds.map(({ commit }) => commit));
  return { deeds: [...history.deeds, ...part.deeds.filter(({ commit }) => !known.has(commit))], next: part.next, trouble: '' };
}

/**
 * What was done in all folders, newest first, as far back as it is known of all of them; and the folders of which more must
 * be known to go on.
 */
export function merged(histories: ReadonlyMap<string, FolderHistory>): { rows: HistoryRow[]; behind: string[] } {
  const open = [...histories].filter(([, { next }]) => next !== null);
  const reach = open.map(([folder, { deeds }]) => ({ folder, from: Math.min(...deeds.map(({ at }) => at)) }));
  const from = Math.max(...reach.map((one) => one.from));
  const all = [...histories].flatMap(([folder, { deeds }]) => deeds.map((deed) => ({ ...deed, folder })));
  return {
    rows: all.filter(({ at }) => at >= from).sort((one, other) => other.at - one.at),
    behind: reach.filter((one) => one.from === from).map(({ folder }) => folder),
  };
}
