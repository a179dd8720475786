import type { State } from '../../contract';

/** A sign in the tray, by the name of its picture. */
export type Sign = 'needs-you' | 'stopped' | 'paused' | 'sending' | 'receiving' | 'working' | 'waiting' | 'safe';

/** The words of the page Help. */
export const help = {
  hint: 'A file that you save in one folder appears in every copy of the folder: at once on this computer, or when you plug in its drive.',
  signs: 'The sign in the tray',
  sign: {
    'needs-you': 'Exclamation mark',
    stopped: 'Empty circle',
    paused: 'Two bars',
    sending: 'Arrow up',
    receiving: 'Arrow down',
    working: 'Both arrows',
    waiting: 'Dot in a circle',
    safe: 'A river and its arm',
  } satisfies Record<Sign, string>,
  means: {
    'needs-you': 'Anabranch asks you a question, or something is wrong.',
    stopped: 'Anabranch is still scanning, or syncs no folder yet.',
    paused: 'Anabranch sends and receives nothing.',
    working: 'Anabranch is sending, receiving, or scanning for changes.',
    waiting: 'Some files wait, usually for a place that is not connected.',
    safe: 'All files are up to date in all places.',
  } satisfies Record<State, string>,
  signsHint: 'With several folders, the tray shows the sign that is highest in this list.',
  happens: 'What happens when you…',
  cases: [
    [
      'save a file',
      'Anabranch copies it to every place that wants it, as the rules allow, and checks it on arrival. The previous version stays in the history of the folder, and git can restore it.',
    ],
    [
      'delete a file',
      'Anabranch deletes it in every copy of the folder; the history keeps its content. If more than half of a folder disappears at once (at least five files), or more than 500 files do, Anabranch asks you first.',
    ],
    ['edit a file in two places', 'Anabranch keeps both versions, each under a name of its own. Resolve the conflict on the page Conflicts.'],
    [
      'unplug a drive',
      'Nothing is lost, and nothing is deleted elsewhere. Transfers resume when you plug it in again. “Eject when done” waits until all files are on it.',
    ],
    [
      'cancel a transfer, or press “Copy first” beside a file that waits',
      'A cancelled transfer resumes after an hour, or as soon as you press “Sync now” or “Copy first”; it continues where it stopped. If Anabranch also runs at the other end, that may fetch the file earlier. “Copy first” moves a file to the front of the queue until you quit Anabranch.',
    ],
    ['run out of space', 'Files that do not fit wait where they are, and Anabranch tries again. It removes nothing to make space, and tells you.'],
  ],
  look: 'Look closer',
  why: 'shows where a file is, and what it waits for',
  problems: 'lists the things that need you',
  rules: 'shows which files go where. Each folder has its rules in this file:',
  rulesFile: '.git/anabranch/policy.toml',
  settings: 'has speed, notifications, look, copies and space. Anabranch writes its own settings into',
  noSettings: 'has speed, notifications, look, copies and space. This program was started without a settings file.',
  edit: 'You may edit these files: changes take effect as soon as you save them.',
  commands: 'In a terminal',
  program: 'anabranch',
  followed: 'followed by one of these:',
  commandsHint: 'After “why” comes the path of a file; after the others that of a folder, unless you are in it. “anabranch help” lists all.',
  command: [
    ['status', 'show the state of a folder, and why files wait'],
    ['why', 'show where a file is, and where it still has to go'],
    ['sync', 'sync once, then show what is still waiting'],
    ['pause', 'pause until “resume”'],
    ['answer yes', 'answer a question, with “yes” or “no”'],
  ],
  leave: 'You can stop any day',
  leaveHint:
    'Each folder is an ordinary git repository, in which git-annex, a free program, keeps track of large files. Both can work in it at any moment, also without Anabranch. In Settings you can stop syncing a folder; its files and all copies stay.',
};
