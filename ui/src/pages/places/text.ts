/** The words of the page Places, and of making a folder for copies. */
export const places = {
  hint: 'Where the copies of your folders are.',
  none: 'No place yet. Use a drive, or add another folder for copies.',
  drives: 'Use a drive',
  of: 'for the folder',
  at: (place: string, folder: string): string => `${place}, ${folder}`,
  fewCopies: 'Fewer copies than wanted',
  fewCopiesFiles: (folder: string): string => `Files of ${folder} with fewer copies than wanted`,
  add: 'Add a folder for copies…',
  addFor: 'Copies of',
  copy: {
    path: (folder: string): string => `Path for the copies of ${folder}`,
    make: 'Keep copies there',
    making: 'Making it…',
    nothing: 'Nothing is there yet: a folder is made for the copies.',
    taken: 'Something is there already. Choose a path where nothing is, or an empty folder.',
  },
};
