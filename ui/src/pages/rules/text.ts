import type { Allow, Purpose } from '../../contract';
import { bytes, files, list } from '../../common/format';

/** The words of the page Rules. */
export const rules = {
  hint: 'What may travel between each folder and each of its places, and what is kept there. Nothing changes before you apply it.',
  none: 'No folder has a place yet, so there is nothing to rule.',
  written: 'Written to',
  allow: {
    everything: '⇄ Everything',
    'content-up': '→ Only from here',
    'content-down': '← Only to here',
    'git-only': 'Names only',
    nothing: 'Nothing',
  } satisfies Record<Allow, string>,
  means: {
    everything: (place: string): string => `Files travel both ways between this folder and ${place}.`,
    'content-up': (place: string): string => `Files go from this folder to ${place}; none come from it.`,
    'content-down': (place: string): string => `Files come from ${place} to this folder; none go to it.`,
    'git-only': (place: string): string => `The names of files are known to ${place}; their contents stay where they are.`,
    nothing: (place: string): string => `Nothing travels between this folder and ${place}, not even names.`,
  } satisfies Record<Allow, (place: string) => string>,
  kept: 'Kept there',
  keeps: {
    backup: 'Everything',
    'only-new': 'Only new files',
    archive: 'Archive there',
    carry: 'What passes through',
  } satisfies Record<Purpose, string>,
  keepsMeans: {
    backup: (place: string): string => `Every file of this folder belongs in ${place} (git-annex’s group backup).`,
    'only-new': (place: string): string =>
      `Files that no place that was set to “Everything” and no other place of this kind has belong in ${place} (git-annex’s group incrementalbackup).`,
    archive: (place: string): string =>
      `Files that no other archive has belong in ${place} (git-annex’s group archive).`,
    carry: (place: string): string =>
      `Files that are still on their way to another computer belong in ${place} (git-annex’s group transfer).`,
  } satisfies Record<Purpose, (place: string) => string>,
  unchosen: { all: 'Everything, by default', own: 'As set with git-annex' },
  keepsAll: (place: string): string =>
    `Every file of this folder belongs in ${place}, as nothing else was chosen.`,
  keepsOwn: (wanted: string, groups: string[]): string => {
    const what = wanted === '' ? 'only what is required there' : wanted;
    return groups.length > 0 ? `As set with git-annex: ${what} (in ${list(groups)}).` : `As set with git-annex: ${what}.`;
  },
  except: (place: string): string => `Directories that differ with ${place}`,
  choose: 'Choose directories…',
  fewer: 'Done choosing',
  tree: (place: string): string => `Directories whose contents travel to or from ${place}`,
  whole: 'The whole folder',
  ticked: 'What you tick travels',
  open: (directory: string): string => `Show the directories in ${directory}`,
  close: (directory: string): string => `Hide the directories in ${directory}`,
  notText: 'Its name is not text, so no rule can name it.',
  noDirectories: 'This folder has no directories.',
  remove: 'Remove',
  removeNamed: (directory: string, place: string): string => `Remove what differs for ${directory} with ${place}`,
  unsupported: 'Not supported yet, and left alone.',
  reading: 'Reading the rules…',
  unknownPlaces: 'Rules about places that this folder does not know. They stay as they are:',
  unknownPlace: (place: string, directory: string | null, allow: string): string =>
    directory === null ? `${place}: ${allow}` : `${place}, ${directory}: ${allow}`,
  mistake: 'The rules file has a mistake. Correct it in an editor; until then the rules below are in force and cannot be changed here.',
  preview: {
    title: 'What would change',
    looking: 'Working out what would change…',
    up: (count: number, size: number, place: string): string => `${files(count)} (${bytes(size)}) would go to ${place}`,
    down: (count: number, size: number, place: string): string => `${files(count)} (${bytes(size)}) would come from ${place}`,
    held: (count: number, size: number, place: string): string =>
      `${files(count)} (${bytes(size)}) would be held back at ${place}`,
    stays: 'Nothing is removed: what a place keeps no more and has already stays there.',
    still: 'Nothing would be left to travel.',
    copies: (copies: number, count: number): string =>
      `Fewest copies of a file when all that has travelled: ${copies} (${files(count)}).`,
    one: 'A file with one copy is lost if that copy is.',
  },
  apply: 'Apply',
  discard: 'Discard',
  applied: 'The rules are in force.',
  undo: 'Undo',
  undone: 'The rules are as they were before.',
  reread: 'Read them again',
};
