import type { Change, Status } from '../../contract';

/** Something that happened, and in which folder. */
export interface FolderChange extends Change {
  folder: string;
}

/** What happened in all folders, newest first. */
export function recentChanges({ folders }: Status): FolderChange[] {
  const all = folders.flatMap((folder) => folder.recent.map((change) => ({ ...change, folder: folder.path })));
  return all.sort((one, other) => other.at - one.at);
}
