import type { Allow, Purpose } from '../../contract';
import { bytes, files, list, plural } from '../../common/format';

/** The words of the page Rules. */
export const rules = {
  hint: 'Choose which files go to each place, and which files it keeps. Nothing changes until you apply it.',
  none: 'No folder has a place yet, so rules have no use.',
  written: 'Written to',
  allow: {
    everything: '⇄ Everything',
    'content-up': '→ Only from here',
    'content-down': '← Only to here',
    'git-only': 'List files, don’t copy them',
    nothing: 'Nothing',
  } satisfies Record<Allow, string>,
  means: {
    everything: (place: string): string => `Files travel both ways between this folder and ${place}.`,
    'content-up': (place: string): string => `Files go from this folder to ${place}; none come from it.`,
    'content-down': (place: string): string => `Files come from ${place} to this folder; none go to it.`,
    'git-only': (place: string): string => `${place} knows the names of files, but gets no content.`,
    nothing: (place: string): string => `Nothing travels between this folder and ${place}, not even names.`,
  } satisfies Record<Allow, (place: string) => string>,
  kept: 'Kept there',
  keeps: {
    backup: 'Everything',
    'only-new': 'Only new files',
    archive: 'Archive copy',
    carry: 'Files on their way to other computers',
  } satisfies Record<Purpose, string>,
  keepsMeans: {
    backup: (place: string): string => `${place} keeps every file of this folder (git-annex’s group backup).`,
    'only-new': (place: string): string =>
      `${place} keeps files that no full copy and no other “only new files” place has yet (git-annex’s group incrementalbackup).`,
    archive: (place: string): string =>
      `${place} keeps files that no other archive has (git-annex’s group archive).`,
    carry: (place: string): string =>
      `${place} keeps files until they have reached the other computers (git-annex’s group transfer).`,
  } satisfies Record<Purpose, (place: string) => string>,
  unchosen: { all: 'Everything, by default', own: 'As set with git-annex' },
  keepsAll: (place: string): string =>
    `${place} keeps every file of this folder, because you chose nothing else.`,
  keepsOwn: (wanted: string, groups: string[]): string => {
    const what = wanted === '' ? 'only required content' : wanted;
    return groups.length > 0 ? `As set with git-annex: ${what} (in ${list(groups)}).` : `As set with git-annex: ${what}.`;
  },
  except: (place: string): string => `Directories with other rules for ${place}`,
  choose: 'Choose directories…',
  fewer: 'Done choosing',
  tree: (place: string): string => `Directories to sync with ${place}`,
  whole: 'The whole folder',
  ticked: 'For the directories that you tick',
  open: (directory: string): string => `Show the directories in ${directory}`,
  close: (directory: string): string => `Hide the directories in ${directory}`,
  notText: 'Its name is not text, so no rule can name it.',
  noDirectories: 'This folder has no directories.',
  remove: 'Remove',
  removeNamed: (directory: string, place: string): string => `Remove the rule for ${directory} with ${place}`,
  unsupported: 'Not supported yet.',
  reading: 'Reading the rules…',
  unknownPlaces: 'Rules about places that this folder does not know. They stay as they are:',
  unknownPlace: (place: string, directory: string | null, allow: string): string =>
    directory === null ? `${place}: ${allow}` : `${place}, ${directory}: ${allow}`,
  mistake: 'The rules file has a mistake. Correct it in an editor; until then the rules below apply, and you cannot change them here.',
  preview: {
    title: 'Preview',
    looking: 'Preparing the preview…',
    up: (count: number, size: number, place: string): string => `${files(count)} (${bytes(size)}) would go to ${place}`,
    down: (count: number, size: number, place: string): string => `${files(count)} (${bytes(size)}) would come from ${place}`,
    held: (count: number, size: number, place: string): string =>
      `${files(count)} (${bytes(size)}) would no longer travel to or from ${place}`,
    stays:
      'Nothing is removed at once. A computer where Anabranch or git-annex runs, this one too, removes what it no longer keeps when enough other places have it.',
    still: 'Nothing would be left to copy.',
    copies: (copies: number, count: number): string =>
      plural(copies, {
        one: `Afterwards every file has at least # copy (${files(count)} with only that many).`,
        other: `Afterwards every file has at least # copies (${files(count)} with only that many).`,
      }),
    one: 'If you lose the only copy of a file, the file is lost.',
  },
  apply: 'Apply',
  discard: 'Discard',
  applied: 'The rules apply now.',
  undo: 'Undo',
  undone: 'The rules are as they were before.',
  reread: 'Read them again',
};
