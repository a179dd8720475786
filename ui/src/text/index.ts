import type { State } from '../contract';
import { bytes, list, plural } from './format';

const files = (count: number): string => plural(count, { one: '# file', other: '# files' });

/** Every word of the window, but for what the engine says. */
export const text = {
  app: 'Anabranch',
  skip: 'Skip to content',
  pages: {
    label: 'Pages',
    folders: 'Folders',
    places: 'Places',
    activity: 'Activity',
    problems: 'Problems',
    why: 'Why?',
  },
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
    safe: (count: number): string =>
      plural(count, { one: 'Your folder is safe.', other: 'All # folders are safe.' }),
    some: (count: number, states: string[]): string =>
      `${plural(count, { one: '# folder', other: '# folders' })}: ${states.join(', ')}.`,
    state: (count: number, state: State): string =>
      state === 'needs-you' ? text.needYou(count) : `${count} ${text.state[state].toLowerCase()}`,
  },
  headline: {
    paused: 'Nothing is sent or received until you resume.',
    safe: 'Everything is wherever it is wanted.',
  },
  size: (count: number, size: number): string => `${files(count)} · ${bytes(size)}`,
  folder: {
    sync: 'Sync now',
    syncing: 'Syncing…',
    pause: 'Pause',
    resume: 'Resume',
    named: (action: string, folder: string): string => `${action}: ${folder}`,
    places: 'Places',
    noPlaces: 'No other place has copies of this folder yet.',
    problems: (count: number): string => plural(count, { one: 'See the problem', other: 'See # problems' }),
    waiting: (count: number): string => plural(count, { one: '# thing is waiting', other: '# things are waiting' }),
    noAnswer: 'It could not be asked:',
  },
  question: { title: 'A question for you', yes: 'Yes', no: 'No' },
  contact: {
    unknown: 'Being looked for',
    here: 'Here',
    away: 'Away',
    unsupported: 'Not supported yet',
  },
  place: {
    wants: (count: number, size: number): string => `${files(count)} (${bytes(size)}) still to come`,
    lacksChanges: 'The newest changes still to come',
    complete: 'Has everything that it wants',
    bar: (name: string): string => `Already at ${name}`,
    of: 'for the folder',
  },
  places: {
    hint: 'Where the copies of your folders are.',
    none: 'No place yet. Clone a folder to a drive or to another folder, and it appears here.',
  },
  transfer: {
    sending: 'Sending',
    receiving: 'Receiving',
    amount: (done: number, total: number): string => `${bytes(done)} of ${bytes(total)}`,
    bar: (what: string): string => `Progress of ${what}`,
  },
  activity: {
    hint: 'What happened in your folders since Anabranch started, newest first.',
    none: 'Nothing has happened yet.',
    list: 'Changes',
  },
  problems: {
    hint: 'What does not go away by waiting alone. Places that are away are no problem.',
    none: 'No problems.',
    question: 'A question waits for your answer, on the page Folders.',
    lost: 'Is anything lost?',
    next: 'What happens next by itself',
    remedy: 'What you can do',
  },
  why: {
    hint: 'Where are the copies of a file, and what does it wait for?',
    folder: 'Folder',
    file: 'File',
    example: 'Its path in the folder, or the whole path.',
    ask: 'Ask',
    outside: 'This path is not in the folder.',
    unknown:
      'This file is not watched over, as last looked: it may be new, left out on purpose, kept with the history of the folder, or not there.',
    nowhere: 'No place is known to have a copy.',
    complete: (copies: number): string =>
      `${plural(copies, { one: '# copy', other: '# copies' })}: wherever it is wanted, it is.`,
    missing: (copies: number, places: string[]): string =>
      `${plural(copies, { one: '# copy', other: '# copies' })}; still on its way to ${list(places)}.`,
    has: 'Has a copy',
    wants: 'Waits for a copy',
  },
  first: {
    title: 'No folder yet',
    hint: 'Choose a folder that is to be kept safe, and tell Anabranch of it in a terminal:',
    init: 'Make the folder ready. Your files stay as they are:',
    initCommand: 'anabranch init ~/Photos',
    start: 'Quit Anabranch, and start it again with the folder’s path behind its name.',
    after: 'The folder then appears here. Nothing is sent anywhere but to the places that the folder has.',
  },
};
