import type { State } from '../../contract';
import { bytes, plural } from '../../common/format';
import { common } from '../../common/text';

const files = (count: number): string => plural(count, { one: '# file is there', other: '# files are there' });

/** The words of the page Folders, of the first run, and of adding a folder later. */
export const folders = {
  overall: {
    none: 'No folder is kept in sync.',
    safe: (count: number): string =>
      plural(count, { one: 'Your folder is safe.', other: 'All # folders are safe.' }),
    some: (count: number, states: string[]): string =>
      `${plural(count, { one: '# folder', other: '# folders' })}: ${states.join(', ')}.`,
    state: (count: number, state: State): string =>
      state === 'needs-you' ? common.needYou(count) : `${count} ${common.state[state].toLowerCase()}`,
  },
  safe: 'Everything is wherever it is wanted.',
  problems: (count: number): string => plural(count, { one: 'See the problem', other: 'See # problems' }),
  conflicts: (count: number): string =>
    plural(count, { one: 'See the file of which several versions were kept', other: 'See # files of which several versions were kept' }),
  notKept: 'Nothing is kept in sync here. It is tried again by itself.',
  waiting: (count: number): string => plural(count, { one: '# thing is waiting', other: '# things are waiting' }),
  filesHere: 'Files that wait to come here',
  places: 'Places',
  noPlaces: 'No other place has copies of this folder yet.',
  place: {
    bar: (name: string): string => `Already at ${name}`,
    andLeft: (lacks: string, left: string): string => `${lacks}, ${left}`,
  },
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
  pause: {
    button: 'Pause…',
    resume: 'Resume',
    title: (folder: string): string => `Pause ${folder} for`,
    for: { 'half-hour': '30 minutes', hour: '1 hour', tomorrow: 'Until tomorrow', open: 'Until I resume' },
    open: 'Nothing is sent or received until you resume.',
    until: (when: string): string => `Nothing is sent or received until ${when}.`,
    battery: 'Nothing is sent or received while this computer runs on battery.',
  },
  autostart: {
    title: 'Start Anabranch when you log in?',
    hint: 'Your folders are then kept in sync without a thought. You can change this in Settings.',
    yes: 'Yes, start it',
    no: 'No',
  },
  add: {
    button: 'Add a folder…',
    title: 'Add a folder',
    cancel: 'Cancel',
    path: 'Folder',
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
    },
  },
  firstRun: {
    title: 'Which folder is to be kept safe?',
    hint: 'Its files stay where they are, as they are. Nothing is sent anywhere before you say where to.',
    where: (folder: string): string => `Where do copies of ${folder} live?`,
    whereHint: 'Choose one or more. Nothing is sent anywhere else.',
    drives: 'Drives that are plugged in now',
    noDrives: 'None is plugged in. One that you plug in appears here at once.',
    another: 'Another folder on this computer',
    anotherHint: 'For example on a second disk.',
    computer: 'Another computer',
    computerHint: 'One that you reach by ssh.',
    later: 'Later',
    finish: 'Done',
    back: 'Do not keep this folder after all',
  },
};
