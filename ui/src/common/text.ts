import type { State } from '../contract';
import { bytes, files, plural } from './format';

/** The words that several pages use. */
export const common = {
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
  loading: 'Looking…',
  question: 'A question for you',
  answer: 'Your answer',
  needYou: (count: number): string => plural(count, { one: '# needs you', other: '# need you' }),
  state: {
    'needs-you': 'Needs you',
    stopped: 'Not ready',
    paused: 'Paused',
    working: 'Working',
    waiting: 'Waiting',
    safe: 'Safe',
  } satisfies Record<State, string>,
  /** A button, for those who hear it without what stands around it. */
  named: (action: string, name: string): string => `${action}: ${name}`,
  sync: 'Sync now',
  syncing: 'Syncing…',
  size: (count: number, size: number): string => `${files(count)} · ${bytes(size)}`,
  fewCopies: (count: number): string =>
    plural(count, { one: '# file has fewer copies than this folder is to have', other: '# files have fewer copies than this folder is to have' }),
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
  },
  checked: (when: string | null): string => (when === null ? 'No check known' : `Last check: ${when}`),
  files: {
    show: 'Show files',
    hide: 'Hide files',
    of: (place: string): string => `Files that ${place} waits for`,
    looking: 'Looking…',
    none: 'None.',
    copies: (count: number): string => plural(count, { one: '# copy', other: '# copies' }),
    isHere: 'here',
    isAway: 'not here',
    unknownSize: 'size not known',
    next: 'Next',
    said: (file: string, words: string): string => `${file}: ${words}`,
  },
  pathExample: 'A path, such as ~/Photos.',
  leave: {
    button: 'Stop keeping…',
    named: (name: string): string => `Stop keeping ${name}…`,
    title: (name: string): string => `Stop keeping ${name} in sync?`,
    hint: 'Its files stay where they are, and so do all copies. You can add it again at any time.',
    yes: 'Stop keeping it',
    no: 'Keep it',
  },
};
