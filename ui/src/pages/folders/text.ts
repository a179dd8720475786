import type { State } from '../../contract';
import { bytes, plural } from '../../common/format';
import { common } from '../../common/text';

const files = (count: number): string => plural(count, { one: '# file', other: '# files' });

/** The words of the page Folders, of the first run, and of adding a folder later. */
export const folders = {
  overall: {
    none: 'Anabranch syncs no folder yet.',
    safe: (count: number): string =>
      plural(count, { one: 'Your folder is safe.', other: 'All # folders are safe.' }),
    some: (count: number, states: string[]): string =>
      `${plural(count, { one: '# folder', other: '# folders' })}: ${states.join(', ')}.`,
    state: (count: number, state: State): string =>
      state === 'needs-you' ? common.needYou(count) : `${count} ${common.state[state].toLowerCase()}`,
  },
  safe: 'Up to date.',
  problems: (count: number): string => plural(count, { one: '1 problem', other: '# problems' }),
  conflicts: (count: number): string =>
    plural(count, { one: '# conflict', other: '# conflicts' }),
  notKept: 'Anabranch does not sync this folder now, but tries again by itself.',
  waiting: (count: number): string => plural(count, { one: '# reason for waiting', other: '# reasons for waiting' }),
  filesHere: 'Waiting to download',
  places: 'Places',
  noPlaces: 'No other place has copies of this folder yet.',
  place: {
    bar: (name: string): string => `Copied to ${name}`,
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
        one: `# file was cancelled and resumes at ${when}. “Sync now” or “Copy first” resumes it at once.`,
        other: `# files were cancelled and resume from ${when} on. “Sync now” or “Copy first” resumes them at once.`,
      }),
  },
  pause: {
    button: 'Pause…',
    resume: 'Resume',
    title: (folder: string): string => `Pause ${folder} for`,
    for: { 'half-hour': '30 minutes', hour: '1 hour', tomorrow: 'Until tomorrow', open: 'Until I resume' },
    open: 'Paused until you resume.',
    until: (when: string): string => `Paused until ${when}.`,
    battery: 'Paused while this computer runs on battery.',
  },
  autostart: {
    title: 'Start Anabranch when you log in?',
    hint: 'Then Anabranch always syncs your folders. You can change this in Settings.',
    yes: 'Yes, start it',
    no: 'No',
  },
  add: {
    button: 'Add a folder…',
    title: 'Add a folder',
    cancel: 'Cancel',
    path: 'Folder',
    keep: 'Protect this folder',
    keeping: 'Preparing…',
    suggested: 'Another program on this computer syncs these already:',
    found: {
      nothing: 'Nothing is there yet. Anabranch makes an empty folder.',
      directory: (count: number | null): string =>
        count === null ? 'A folder with many files. They stay as they are.' : `A folder with ${files(count)}. They stay as they are.`,
      git: (count: number | null): string =>
        `A folder with a history${count === null ? '' : `; ${files(count)}`}. Both stay as they are.`,
      annex: (count: number | null): string =>
        `A folder with a history and with places of its own${count === null ? '' : `; ${files(count)}`}. Anabranch uses it as it is.`,
      kept: 'Anabranch syncs this folder already.',
    },
  },
  firstRun: {
    title: 'Choose a folder to protect',
    hint: 'Its files stay where they are, as they are. Anabranch sends nothing anywhere until you choose a place.',
    where: (folder: string): string => `Where should copies of ${folder} be kept?`,
    whereHint: 'Choose one or more. Anabranch sends nothing anywhere else.',
    drives: 'Connected drives',
    noDrives: 'No drive is connected. Plug one in, and it appears here.',
    another: 'Another folder on this computer',
    anotherHint: 'For example on a second disk.',
    computer: 'Another computer',
    computerHint: 'One that you reach by ssh.',
    later: 'Later',
    finish: 'Done',
    back: 'Don’t protect this folder',
  },
};
