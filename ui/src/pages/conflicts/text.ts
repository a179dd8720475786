import { plural } from '../../common/format';

/** The words of the page Conflicts. */
export const conflicts = {
  hint: 'These files were changed in two places at the same time. All versions are kept until you choose.',
  none: 'No conflicts.',
  looking: 'Looking for conflicts…',
  version: (who: string | null): string => (who === null ? 'A version, nobody knows whose' : `From ${who}`),
  when: 'Changed',
  size: 'Size',
  name: 'Kept as',
  away: 'Its content is not here now.',
  unknown: 'Not known',
  keepThis: 'Keep this',
  keepThisOf: (who: string | null, file: string): string =>
    `Keep this version of ${file}${who === null ? '' : `, from ${who}`}`,
  keepBoth: (count: number): string => (count === 2 ? 'Keep both' : 'Keep all'),
  keepBothOf: (count: number, file: string): string => `${conflicts.keepBoth(count)}: ${file}`,
  single: 'It was changed in one place and deleted in the other, or you took its other versions away.',
  nameBack: 'Give it its name back',
  nameBackOf: (file: string): string => `${conflicts.nameBack}: ${file}`,
  deleteIt: 'Delete it',
  deleteItOf: (file: string): string => `${conflicts.deleteIt}: ${file}`,
  history: 'What is not kept stays in the history of the folder.',
  more: (count: number): string =>
    plural(count, { one: '# more is shown when these are resolved.', other: '# more are shown when these are resolved.' }),
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
