import type { Look, Origin } from '../../contract';
import type { FolderSettingError, LimitError } from './parse';

/** The key of a setting, and where it is written. */
export interface Written {
  key: string;
  where: string;
}

const UNCLEAR =
  'The comma could mark thousands or a fraction, so nothing was changed. Write it with a point, or without the comma.';

const file = (key: string): Written => ({ key, where: '' });
const ofGit = (key: string): Written => ({ key, where: 'in .git/config.' });

/** The words of the page Settings. */
export const settings = {
  hint: 'Each change takes effect at once.',
  file: 'Anabranch writes its settings into',
  fileHint: 'You may edit that file too.',
  noFile: 'This program was started without a settings file, so changes last until it ends.',
  general: 'In general',
  autostart: 'Start when I log in',
  notifications: 'Show notifications',
  notificationsHint: 'Anabranch always shows those about danger.',
  speed: 'Speed and times',
  limitUp: 'Send at most',
  limitDown: 'Receive at most',
  unit: 'MB a second',
  limitHint: 'All folders together. Empty: no limit.',
  limitErrors: {
    'not-a-limit': 'This is not a number above zero, so nothing was changed.',
    unclear: UNCLEAR,
  } satisfies Record<LimitError, string>,
  battery: 'Pause while this computer runs on battery',
  metered: 'Don’t sync with other computers while the network costs money',
  looks: 'Look',
  look: { system: 'As the desktop', light: 'Light', dark: 'Dark' } satisfies Record<Look, string>,
  declined: 'Unused drives',
  declinedHint: 'Anabranch doesn’t ask about them again.',
  reconsider: 'Ask again',
  reconsiderNamed: (name: string): string => `Ask again about ${name}`,
  written: {
    autostart: file('autostart'),
    notifications: file('notifications'),
    'limit-up': file('limits.upload'),
    'limit-down': file('limits.download'),
    'pause-on-battery': file('pause.on-battery'),
    'pause-on-metered': file('pause.on-metered'),
    look: file('look'),
    copies: { key: 'numcopies', where: 'on the git-annex branch: the same for all clones.' },
    reserve: ofGit('annex.diskreserve'),
    unlocked: ofGit('annex.addunlocked'),
    quick_git: ofGit('core.fsmonitor'),
  },
  keeping: 'Copies and space:',
  copies: 'Copies to keep of each file',
  reserve: 'Leave free on this disk',
  reserveUnit: 'Such as 500 MB. Empty: not set.',
  unlocked: 'Add new files unlocked',
  unlockedHint: 'Then they are ordinary files instead of links.',
  quickGit: 'Make git faster',
  quickGitHint: "Anabranch tells git which files have changed, so 'git status' doesn't look at all of them.",
  expression: 'An expression decides which new files are added unlocked:',
  origin: (origin: Origin): string => {
    if (origin === 'here') {
      return '';
    }
    if (origin === 'default') {
      return 'Not set; this is git-annex’s default.';
    }
    return 'weaker' in origin
      ? `Set by ${origin.weaker}. Your setting here overrides it.`
      : `Set by ${origin.stronger}, which overrides this setting. Change it there.`;
  },
  folderErrors: {
    'not-copies': 'This is not a whole number above zero, so nothing was changed.',
    'no-unit': 'A size needs a unit, such as MB or GB, so nothing was changed.',
    unclear: UNCLEAR,
  } satisfies Record<FolderSettingError, string>,
  folders: 'Folders',
  changed: 'Changed.',
  undo: 'Undo',
};
