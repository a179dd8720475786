import type { Deed } from '../../contract';
import { list, plural } from '../../common/format';

/** What a deed may have done to files, each with its words. */
const DONE = [
  ['added', { one: 'added # file', other: 'added # files' }],
  ['changed', { one: 'changed # file', other: 'changed # files' }],
  ['renamed', { one: 'renamed # file', other: 'renamed # files' }],
  ['deleted', { one: 'deleted # file', other: 'deleted # files' }],
] as const;

/** The words of the page Activity. */
export const activity = {
  hint: 'Who did what in your folders, newest first.',
  history: 'Who did what',
  looking: 'Looking…',
  noHistory: 'No files were added yet.',
  somebody: 'Somebody',
  did: (deed: Deed): string =>
    list(DONE.filter(([what]) => deed[what] > 0).map(([what, forms]) => plural(deed[what], forms))),
  /** How many more files a deed was about than it names; empty if none. */
  more: (deed: Deed): string => {
    const more = DONE.reduce((sum, [what]) => sum + deed[what], -deed.names.length);
    return more > 0 ? plural(more, { one: 'and # more', other: 'and # more' }) : '';
  },
  here: 'On this computer since the start',
  hereHint: 'Everything that Anabranch did here since it was started, newest first.',
  none: 'Nothing has happened yet.',
  list: 'Changes',
};
