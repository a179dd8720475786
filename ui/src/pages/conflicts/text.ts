import { plural } from '../../common/format';

/** The words of the page Conflicts. */
export const conflicts = {
  hint: 'These files were changed in two places at the same time. Anabranch keeps all versions until you choose.',
  none: 'No conflicts.',
  looking: 'Looking for conflicts…',
  version: (who: string | null): string => (who === null ? 'A version of unknown origin' : `From ${who}`),
  when: 'Changed',
  size: 'Size',
  name: 'Kept as',
  away: 'This folder doesn’t have its content.',
  unknown: 'Unknown',
  keepThis: 'Keep this',
  keepThisOf: (who: string | null, file: string): string =>
    `Keep this version of ${file}${who === null ? '' : `, from ${who}`}`,
  keepBoth: (count: number): string => (count === 2 ? 'Keep both' : 'Keep all'),
  keepBothOf: (count: number, file: string): string => `${conflicts.keepBoth(count)}: ${file}`,
  single: 'One place changed it and another deleted it, or you removed its other versions.',
  nameBack: 'Restore its name',
  nameBackOf: (file: string): string => `${conflicts.nameBack}: ${file}`,
  deleteIt: 'Delete it',
  deleteItOf: (file: string): string => `${conflicts.deleteIt}: ${file}`,
  history: 'Versions that you don’t keep stay in the history of the folder.',
  more: (count: number): string =>
    plural(count, { one: 'Resolve these to see # more.', other: 'Resolve these to see # more.' }),
  all: 'Keep both versions of all…',
  allTitle: (count: number): string =>
    plural(count, { one: 'Keep both versions of # file?', other: 'Keep both versions of # files?' }),
  allHint: 'Each version gets a name of its own. Nothing is deleted.',
  allYes: 'Keep both of all',
  cancel: 'Cancel',
  resolved: (count: number): string => plural(count, { one: '# conflict resolved.', other: '# conflicts resolved.' }),
  undo: 'Undo',
  undone: (count: number): string =>
    plural(count, { one: 'All versions of # file are back.', other: 'All versions of # files are back.' }),
};
