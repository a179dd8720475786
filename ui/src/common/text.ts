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
  noAnswer: 'Anabranch did not answer:',
  loading: 'Loading…',
  question: 'A question for you',
  answer: 'Your answer',
  needYou: (count: number): string => plural(count, { one: '# needs you', other: '# need you' }),
  state: {
    'needs-you': 'Needs you',
    stopped: 'Scanning',
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
    plural(count, { one: '# file has too few copies', other: '# files have too few copies' }),
  contact: {
    unknown: 'Connecting…',
    here: 'Connected',
    away: 'Not connected',
    unsupported: 'Not supported yet',
  },
  place: {
    wants: (count: number, size: number): string => `${files(count)} (${bytes(size)}) left to copy`,
    lacksChanges: 'Does not have the latest changes yet',
    complete: 'Up to date',
    distance: (milliseconds: number): string => (milliseconds < 1 ? 'Less than 1 ms away' : `${milliseconds} ms away`),
    otherWay: {
      here: (name: string): string => `Also connected as ${name}`,
      unknown: (name: string): string => `Connecting as ${name}…`,
      away: (name: string, why: string): string => `Not connected as ${name}: ${why}`,
    },
  },
  checked: (when: string | null): string => (when === null ? 'Never checked' : `Last check: ${when}`),
  files: {
    show: 'Show files',
    hide: 'Hide files',
    of: (place: string): string => `Files left to copy to ${place}`,
    looking: 'Loading…',
    none: 'None.',
    copies: (count: number): string => plural(count, { one: '# copy', other: '# copies' }),
    isHere: 'in this folder',
    isAway: 'not in this folder',
    unknownSize: 'unknown size',
    next: 'Copy first',
    said: (file: string, words: string): string => `${file}: ${words}`,
  },
  pathExample: 'A path, such as ~/Photos.',
  leave: {
    button: 'Stop syncing…',
    named: (name: string): string => `Stop syncing ${name}…`,
    title: (name: string): string => `Stop syncing ${name}?`,
    hint: 'Its files and all copies stay where they are. You can add it again at any time.',
    yes: 'Stop syncing it',
    no: 'Keep syncing',
  },
};
