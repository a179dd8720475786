import type { State } from '../../contract';

/** A sign in the tray, by the name of its picture. */
export type Sign = 'needs-you' | 'stopped' | 'paused' | 'sending' | 'receiving' | 'working' | 'waiting' | 'safe';

/** The words of the page Help. */
export const help = {
  hint: 'A file that you save in one folder appears in every copy of the folder: at once on this computer, on a drive when it is plugged in.',
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
    'needs-you': 'A question waits for you, or something is wrong.',
    stopped: 'Starting: the first look has not ended. Or no folder is kept.',
    paused: 'Nothing is sent or received.',
    working: 'Sending, receiving, or both; taking in changes too.',
    waiting: 'Something waits, mostly for a place that is away.',
    safe: 'Everything is wherever it is wanted.',
  } satisfies Record<State, string>,
  signsHint: 'Of several folders, the one that is highest in this list counts.',
  happens: 'What happens when you…',
  cases: [
    [
      'save a file',
      'It is copied to every place that wants it, as the rules allow, and checked on arrival. The version before stays in the history of the folder, and git can bring it back.',
    ],
    [
      'delete a file',
      'It goes from every copy of the folder; what was in it stays in the history. If more than half of a folder is gone at once, and at least five files, or more than 500 files, you are asked first.',
    ],
    ['edit a file in two places', 'When the two meet, both versions are kept, each under a name of its own. Resolve it on the page Conflicts.'],
    [
      'take out a drive',
      'Nothing is lost, and nothing is taken for deleted. What is still to come goes on when the drive is back. “Eject when done” waits until all is on it.',
    ],
    [
      'cancel a transfer, or press “Next” beside a file that waits',
      'What was cancelled keeps what has arrived of it. It goes on an hour later, or at once with “Sync now” or “Next”; where the other end keeps the folder in sync too, that may fetch it before. “Next” lets a file travel before all others for as long as Anabranch runs.',
    ],
    ['have no room', 'What does not fit waits where it is, and is tried again. Nothing is removed to make room, and you are told.'],
  ],
  look: 'Look closer',
  why: 'tells where a file is, and what it waits for',
  problems: 'what does not go away by waiting',
  rules: 'what may travel where, and what is kept there. The rules of a folder are written in this file in it:',
  rulesFile: '.git/anabranch/policy.toml',
  settings: 'speed, notifications, look, copies and space. Those of the program are written in',
  noSettings: 'speed, notifications, look, copies and space. This program was started without a file for its own.',
  edit: 'You may edit these files: they hold from the moment you save them.',
  commands: 'In a terminal',
  program: 'anabranch',
  followed: 'followed by one of these:',
  commandsHint: 'After “why” comes the path of a file; after the others that of a folder, unless you are in it. “anabranch help” tells of all.',
  command: [
    ['status', 'how things are, and why something waits'],
    ['why', 'where a file is, and where it still has to go'],
    ['sync', 'everything once, then say what is still waiting'],
    ['pause', 'until “resume”'],
    ['answer yes', 'the answer to a question; or “no”'],
  ],
  leave: 'You can leave any day',
  leaveHint:
    'Each folder is an ordinary git repository, in which git-annex, a free program, keeps track of large files. Both can work in it at any moment, also without Anabranch. Settings lets a folder go: its files and all copies stay.',
};
