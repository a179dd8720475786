import type { Folder } from '../contract';

/** What a folder is called: the last part of its path. */
export function folderName(path: string): string {
  return path.split('/').filter(Boolean).at(-1) ?? path;
}

/** Another one whenever something happened in a folder: times are whole seconds, in which several things may happen. */
export function changeStamp({ recent }: Folder): string {
  const last = recent.filter((change) => change.at === recent[0]?.at);
  return last.map((change) => `${change.at} ${change.what}`).join('\n');
}
