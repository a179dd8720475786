import type { State } from './contract';
import { activity } from './pages/activity/text';
import { conflicts } from './pages/conflicts/text';
import { drives } from './pages/drives/text';
import { first } from './pages/folders/text';
import { help } from './pages/help/text';
import { rules } from './pages/rules/text';
import { settings } from './pages/settings/text';
import { bytes, files, plural } from './shared/format';

/** Every word of the window, but for what the engine says. */
export const text = {
  app: 'Anabranch',
  skip: 'Skip to content',
  pages: {
    label: 'Pages',
    folders: 'Folders',
    places: 'Places',
    drives: 'Drives',
    rules: 'Rules',
    activity: 'Activity',
    problems: 'Problems',
    conflicts: 'Conflicts',
    why: 'Why?',
    settings: 'Settings',
    help: 'Help',
  },
  noAnswer: 'Anabranch could not be asked:',
  needYou: (count: number): string => plural(count, { one: '# needs you', other: '# need you' }),
  loading: 'Looking…',
  failed: {
    title: 'Anabranch does not answer',
    hint: 'Your files are as they were. Try again, or close this window and open it anew.',
    again: 'Try again',
  },
  state: {
    'needs-you': 'Needs you',
    stopped: 'Not ready',
    paused: 'Paused',
    working: 'Working',
    waiting: 'Waiting',
    safe: 'Safe',
  } satisfies Record<State, string>,
  changed: (folder: string, state: string): string => `${folder}: ${state}`,
  overall: {
    none: 'No folder is kept in sync.',
    safe: (count: number): string =>
      plural(count, { one: 'Your folder is safe.', other: 'All # folders are safe.' }),
    some: (count: number, states: string[]): string =>
      `${plural(count, { one: '# folder', other: '# folders' })}: ${states.join(', ')}.`,
    state: (count: number, state: State): string =>
      state === 'needs-you' ? text.needYou(count) : `${count} ${text.state[state].toLowerCase()}`,
  },
  headline: {
    safe: 'Everything is wherever it is wanted.',
  },
  size: (count: number, size: number): string => `${files(count)} · ${bytes(size)}`,
  folder: {
    sync: 'Sync now',
    syncing: 'Syncing…',
    pause: 'Pause…',
    resume: 'Resume',
    named: (action: string, folder: string): string => `${action}: ${folder}`,
    places: 'Places',
    noPlaces: 'No other place has copies of this folder yet.',
    problems: (count: number): string => plural(count, { one: 'See the problem', other: 'See # problems' }),
    conflicts: (count: number): string =>
      plural(count, { one: 'See the file of which several versions were kept', other: 'See # files of which several versions were kept' }),
    fewCopies: (count: number): string =>
      plural(count, { one: '# file has fewer copies than this folder is to have', other: '# files have fewer copies than this folder is to have' }),
    fewCopiesTitle: 'Fewer copies than wanted',
    fewCopiesFiles: (folder: string): string => `Files of ${folder} with fewer copies than wanted`,
    notKept: 'Nothing is kept in sync here. It is tried again by itself.',
    waiting: (count: number): string => plural(count, { one: '# thing is waiting', other: '# things are waiting' }),
    files: 'Show files',
    filesOf: (place: string): string => `Files that ${place} waits for`,
    at: (place: string, folder: string): string => `${place}, ${folder}`,
    hide: 'Hide files',
    filesHere: 'Files that wait to come here',
  },
  pause: {
    for: { 'half-hour': '30 minutes', hour: '1 hour', tomorrow: 'Until tomorrow', open: 'Until I resume' },
    title: (folder: string): string => `Pause ${folder} for`,
    open: 'Nothing is sent or received until you resume.',
    until: (when: string): string => `Nothing is sent or received until ${when}.`,
    battery: 'Nothing is sent or received while this computer runs on battery.',
  },
  files: {
    looking: 'Looking…',
    none: 'None.',
    copies: (count: number): string => plural(count, { one: '# copy', other: '# copies' }),
    isHere: 'here',
    isAway: 'not here',
    unknownSize: 'size not known',
    next: 'Next',
    said: (file: string, words: string): string => `${file}: ${words}`,
  },
  autostart: {
    title: 'Start Anabranch when you log in?',
    hint: 'Your folders are then kept in sync without a thought. You can change this in Settings.',
    yes: 'Yes, start it',
    no: 'No',
  },
  question: { title: 'A question for you' },
  contact: {
    unknown: 'Being looked for',
    here: 'Here',
    away: 'Away',
    unsupported: 'Not supported yet',
  },
  place: {
    wants: (count: number, size: number): string => `${files(count)} (${bytes(size)}) still to come`,
    andLeft: (lacks: string, left: string): string => `${lacks}, ${left}`,
    lacksChanges: 'The newest changes still to come',
    complete: 'Has everything that it wants',
    bar: (name: string): string => `Already at ${name}`,
    of: 'for the folder',
  },
  places: {
    drives: 'Use a drive',
    hint: 'Where the copies of your folders are.',
    none: 'No place yet. Use a drive, or add another folder for copies.',
  },
  checked: (when: string | null): string => (when === null ? 'No check known' : `Last check: ${when}`),
  transfer: {
    sending: 'Sending',
    receiving: 'Receiving',
    amount: (done: number, total: number): string => `${bytes(done)} of ${bytes(total)}`,
    bar: (what: string): string => `Progress of ${what}`,
    cancel: 'Cancel',
    held: (count: number, when: string): string =>
      plural(count, {
        one: `# file was cancelled and goes on at ${when}. “Sync now” or “Next” brings it at once.`,
        other: `# files were cancelled and go on from ${when}. “Sync now” or “Next” brings them at once.`,
      }),
  },
  activity,
  problems: {
    hint: 'What does not go away by waiting alone. Places that are away are no problem.',
    none: 'No problems.',
    program: 'Anabranch itself',
    question: 'A question waits for your answer, on the page Folders.',
    lost: 'Is anything lost?',
    next: 'What happens next by itself',
    remedy: 'What you can do',
    drives: 'See the drives',
    show: 'Show it',
  },
  why: {
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
  },
  conflicts,
  drives,
  first,
  help,
  rules,
  settings,
};
