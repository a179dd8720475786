import { plural } from '../../shared/format';

const files = (count: number): string => plural(count, { one: '# file is there', other: '# files are there' });

/** The words of the first run, and of adding a folder later. */
export const first = {
  title: 'Which folder is to be kept safe?',
  hint: 'Its files stay where they are, as they are. Nothing is sent anywhere before you say where to.',
  path: 'Folder',
  example: 'A path, such as ~/Photos.',
  keep: 'Keep this folder',
  keeping: 'Making it ready…',
  suggested: 'Already kept in sync by another program on this computer:',
  found: {
    nothing: 'Nothing is there yet: an empty folder is made.',
    directory: (count: number | null): string =>
      count === null ? 'A folder with many files. They stay as they are.' : `${files(count)}. They stay as they are.`,
    git: (count: number | null): string =>
      `A folder with a history${count === null ? '' : `; ${files(count)}`}. Both stay as they are.`,
    annex: (count: number | null): string =>
      `A folder with a history and with places of its own${count === null ? '' : `; ${files(count)}`}. It is taken over as it is.`,
    kept: 'This folder is kept already.',
    clone: 'Nothing is there yet: a folder is made for the copies.',
    cloneTaken: 'Something is there already. Choose a path where nothing is, or an empty folder.',
  },
  where: (folder: string): string => `Where do copies of ${folder} live?`,
  whereHint: 'Choose one or more. Nothing is sent anywhere else.',
  drives: 'Drives that are plugged in now',
  noDrives: 'None is plugged in. One that you plug in appears here at once.',
  another: 'Another folder on this computer',
  anotherHint: 'For example on a second disk.',
  anotherPath: (folder: string): string => `Path for the copies of ${folder}`,
  anotherMake: 'Keep copies there',
  anotherMaking: 'Making it…',
  later: 'Later',
  finish: 'Done',
  back: 'Do not keep this folder after all',
  add: 'Add a folder…',
  addTitle: 'Add a folder',
  cancel: 'Cancel',
  addPlace: 'Add a folder for copies…',
  addPlaceFor: 'Copies of',
};
