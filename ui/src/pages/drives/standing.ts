import type { Drive, Folder, Standing } from '../../contract';
import { lacks } from '../../common/place';
import { text } from '../../text';

export type DriveKind = keyof typeof text.drives.standing;

/** What a drive is to the program, without the details. */
export function driveKind(standing: Standing): DriveKind {
  if (typeof standing === 'string') {
    return standing;
  }
  if ('unusable' in standing) {
    return 'unusable';
  }
  return 'in-use' in standing ? 'in-use' : 'ejecting';
}

/** The folders that a drive holds no copies of. */
export function notOn({ standing }: Drive, folders: Folder[]): Folder[] {
  const places = typeof standing === 'object' && 'in-use' in standing ? standing['in-use'].places : [];
  return folders.filter((folder) => places.every((one) => one.folder !== folder.path));
}

/** What is still to come to or from a drive, folder by folder, in words. */
export function driveMissing({ standing }: Drive, folders: Folder[]): { folder: string; what: string }[] {
  if (typeof standing === 'string' || !('in-use' in standing)) {
    return [];
  }
  return standing['in-use'].places.flatMap(({ folder, place }) => {
    const known = folders.find((one) => one.path === folder);
    const found = known?.places.find((one) => one.name === place);
    if (!known || !found) {
      return [];
    }
    const isReceiving = known.transfers.some((one) => one.place === place && one.direction === 'receiving');
    const hasAll = found.wants === 0 && found.has_commits;
    if (hasAll && !isReceiving) {
      return known.work === 'nothing' ? [] : [{ folder, what: text.drives.unsure }];
    }
    return { folder, what: hasAll ? text.drives.receiving : lacks(found) };
  });
}
