/** The words of the page Why? */
export const why = {
  hint: 'Find out where a file has copies, and why other places don’t have it yet.',
  folder: 'Folder',
  file: 'File',
  example: 'A part of its name, or its whole path.',
  ask: 'Ask',
  matches: 'Files of that name',
  noFolder: 'No folder yet.',
  outside: 'This path is not in the folder.',
  has: 'Has a copy',
  missing: 'Lacks a copy',
  checkedHint: 'A check reads some or all files of a place; git-annex doesn’t record which.',
};
