/** The words of the page Why? */
export const why = {
  hint: 'Where are the copies of a file, and what does it wait for?',
  folder: 'Folder',
  file: 'File',
  example: 'A part of its name, or its whole path.',
  ask: 'Ask',
  matches: 'Files of that name',
  noFolder: 'No folder yet.',
  outside: 'This path is not in the folder.',
  has: 'Has a copy',
  missing: 'Lacks a copy',
  checkedHint: 'A check looks at all or some of what a place has; at which files is not recorded.',
};
