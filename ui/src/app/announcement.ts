import type { Status } from '../contract';
import { folderName } from '../common/folder';
import { text } from '../text';

/** What a screen reader is told: the folders whose state is another one. Progress is not news. */
export function announcement(before: Status | null, after: Status): string {
  const states = new Map(before?.folders.map((folder) => [folder.path, folder.state]));
  return after.folders
    .filter((folder) => states.has(folder.path) && states.get(folder.path) !== folder.state)
    .map((folder) => text.app.changed(folderName(folder.path), text.state[folder.state]))
    .join(', ');
}
