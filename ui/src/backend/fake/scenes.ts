import type { Conflict, Folder, Rules, Status } from '../../contract';
import { hex } from '../../common/path';
import { drive, folder, folderSettings, GB, now, place, problem, refusing, settings, status } from './samples';

const away: Partial<Folder> = {
  state: 'waiting',
  headline: '213 files left to copy to backup disk: it is not connected (its drive or folder is missing)',
  waiting: ['213 files left to copy to backup disk: it is not connected (its drive or folder is missing)'],
  places: [
    place('desktop'),
    place('backup disk', {
      contact: { away: 'its drive or folder is missing' },
      wants: 213,
      wants_bytes: 1.9 * GB,
    }),
  ],
};

const transfers: Partial<Folder> = {
  settings: folderSettings({
    copies: { value: '2', origin: 'here' },
    reserve: { value: '5 GB', origin: { weaker: 'your settings of git (git config --global)' } },
    unlocked: { value: 'include=*.txt', origin: 'here' },
  }),
  state: 'working',
  headline: 'transferring 217 files',
  keys: 12_408,
  bytes: 61 * GB,
  places: [
    place('desktop', { checked: now() - 86_400 * 3 }),
    place('backup disk', {
      wants: 213,
      wants_bytes: 19 * GB,
      has_commits: false,
      checked: now() - 86_400 * 400,
      keeps: { for: 'archive' },
    }),
  ],
  transfers: [
    { id: '1', place: 'desktop', direction: 'receiving', what: '2026/11/harbour at dusk.mov', done: 0.3 * GB, total: 0.7 * GB },
    { id: '2', place: 'backup disk', direction: 'sending', what: '64 files', done: 0.8 * GB, total: 1.9 * GB },
  ],
};

const question: Partial<Folder> = {
  state: 'needs-you',
  headline: 'a question waits for your answer',
  question: {
    id: 'removed',
    text: '640 of 900 files are gone from this folder. Did you delete them on purpose? Nothing was deleted anywhere else.',
    yes: 'Delete them',
    no: 'Bring them back',
    typed: null,
  },
};

const password: Partial<Folder> = {
  state: 'needs-you',
  headline: 'a question waits for your answer',
  question: {
    id: 'login-1',
    text: 'desk wants the password of ann@desk.',
    yes: 'Log in',
    no: "Don't log in",
    typed: 'secret',
  },
};

const problems: Partial<Folder> = {
  state: 'needs-you',
  headline: 'The content of letters/1998.pdf in backup disk is damaged. Anabranch moved it aside there.',
  problems: [
    problem('The content of letters/1998.pdf in backup disk is damaged. Anabranch moved it aside there.', {
      lost: 'Nothing is lost: laptop has it.',
      next: 'Anabranch fetches it again from laptop.',
      action: { sync: { folder: '/home/ann/Papers' } },
    }),
    problem('This folder has a problem: the index is locked.', {
      next: 'Anabranch tries again by itself.',
      action: { sync: { folder: '/home/ann/Papers' } },
    }),
  ],
};

const stick = drive('STICK', {
  file_system: 'vfat',
  bytes: 31 * GB,
  free: 12 * GB,
  notes: ['It can hold no file larger than 4 GB.', 'It holds no links, so you cannot open its files as a folder.'],
});

const disk = drive('backup disk', {
  bytes: 2_000 * GB,
  free: 1_310 * GB,
  standing: { 'in-use': { places: [{ folder: '/home/ann/Photos', place: 'backup disk' }], up_to_date: false } },
});

const drives = [
  stick,
  disk,
  drive('PHOTOS-2', {
    standing: { 'in-use': { places: [{ folder: '/home/ann/Notes', place: 'origin' }], up_to_date: true } },
  }),
  drive('CARD', { standing: { unusable: 'It can only be read: its lock is on, or its file system is damaged.' } }),
  drive('RECOVERY', { standing: 'declined', can_eject: false }),
];

function conflict(name: string, others: { who: string | null; bytes: number; is_here?: boolean }[]): Conflict {
  const path = (shown: string): Conflict['path'] => ({ shown, bytes: hex(shown) });
  const [, stem = name, end = ''] = /^(.*?)(\.[^.]*)?$/.exec(name) ?? [];
  return {
    path: path(name),
    versions: others.map(({ who, bytes, is_here = true }, at) => ({
      path: path(`${stem}.variant-${(0x9a3f + at * 0x1c7).toString(16)}${end}`),
      bytes,
      who,
      at: who === null ? null : now() - 3_600 * (at + 1),
      is_here,
    })),
  };
}

const conflicts = {
  '/home/ann/Notes': [
    conflict('letters/to the editor.odt', [
      { who: 'Ann on laptop', bytes: 48_200 },
      { who: 'Ben on desktop', bytes: 51_900 },
    ]),
    conflict('plan.txt', [
      { who: 'Ann on laptop', bytes: 1_204 },
      { who: null, bytes: 1_377, is_here: false },
    ]),
    conflict('recipes/plum cake.md', [{ who: 'Ben on desktop', bytes: 2_610 }]),
  ],
};

const rules: Record<string, Rules> = {
  '/home/ann/Photos': {
    rules: [
      { place: 'backup disk', directory: null, allow: 'content-up' },
      { place: 'desktop', directory: 'raw', allow: 'git-only' },
      { place: 'old laptop', directory: null, allow: 'nothing' },
    ],
    mistake: null,
  },
};

/** What a fake shows: the status, and what is only asked for. */
export interface Scene {
  status: Status;
  rules?: Record<string, Rules>;
  conflicts?: Record<string, Conflict[]>;
}

const notes = folder('/home/ann/Notes', { keys: 1, bytes: 2_048, places: [place('origin', { keeps: { own: { groups: ['client'], wanted: 'standard' } } })] });

const SCENES: Record<string, () => Scene> = {
  empty: () => ({ status: status([], { drives: [stick], settings: settings({ autostart: null }) }) }),
  // The first folder is there, and nobody said yet whether to start with the desktop.
  asked: () => ({ status: status([notes], { settings: settings({ autostart: null }) }) }),
  everyday: () => ({
    status: status(
      [
        folder('/home/ann/Photos', transfers),
        folder('/home/ann/Music', away),
        notes,
        folder('/home/ann/Films', {
          state: 'paused',
          headline: 'paused',
          pause: { reason: 'battery', until: null },
          settings: folderSettings({
            reserve: { value: 'lots', origin: { stronger: 'a file that .git/config includes' } },
            unlocked: { value: 'false', origin: { stronger: 'a file that .git/config includes' } },
          }),
          places: [
            place('archive', {
              contact: { unsupported: 'special remotes (this one is of type S3) are not supported yet' },
              keeps: null,
            }),
            place('attic', { contact: 'unknown', keeps: null }),
          ],
        }),
      ],
      { drives, settings: settings({ limit_up: 2_500_000, declined: [{ id: 'RECOVERY-1A2B', name: 'RECOVERY' }] }) },
    ),
    rules,
    conflicts,
  }),
  refused: () => ({
    status: refusing(status([folder('/home/ann/Notes', { few_copies: 3, keys: 3 })]), [
      { path: '/media/ann/STICK/Films', why: 'it is not there' },
      { path: '/home/ann/Notes/old', why: 'it lies inside /home/ann/Notes, and Anabranch can sync only one of two such folders' },
    ]),
  }),
  many: () => ({
    status: status(
      Array.from({ length: 50 }, (_, at) =>
        folder(`/home/ann/Projects/Project ${at + 1}`, [away, transfers][at % 7] ?? {}),
      ),
    ),
  }),
  away: () => ({ status: status([folder('/home/ann/Music', away)]) }),
  password: () => ({ status: status([folder('/home/ann/Papers', password)]) }),
  question: () => ({ status: status([folder('/home/ann/Papers', question), folder('/home/ann/Notes')]) }),
  problems: () => ({
    status: status([folder('/home/ann/Papers', problems), folder('/home/ann/Notes', question)], {
      problems: [
        problem('The settings file has a mistake in line 3: "look" is none of system, light, dark.', {
          next: 'The previous settings apply.',
          remedy: 'Correct the file.',
          action: { show: { path: '/home/ann/.config/anabranch/settings.toml' } },
        }),
        problem('/media/ann/ONE and /media/ann/TWO are the same repository at several places at once.', {
          next: 'Anabranch syncs neither as long as both are connected.',
          remedy: 'Unplug one of them.',
          action: 'see-drives',
        }),
      ],
    }),
    rules: {
      '/home/ann/Papers': {
        rules: [{ place: null, directory: 'raw', allow: 'content-up' }],
        mistake: '/home/ann/Papers/.git/anabranch/policy.toml: line 7: "sometimes" is none of the five words',
      },
    },
    conflicts,
  }),
  transfers: () => ({ status: status([folder('/home/ann/Photos', transfers)], { drives: [disk] }) }),
  // Ten thousand files came; each is told of. Ten thousand wait.
  large: () => ({
    status: status([
      folder('/home/ann/Photos', {
        state: 'waiting',
        headline: '10000 files left to copy to backup disk: it is not connected',
        keys: 10_000,
        places: [place('backup disk', { contact: { away: 'not plugged in' }, wants: 10_000, wants_bytes: 42 * GB })],
        recent: Array.from({ length: 10_000 }, (_, at) => ({ at: now() - at * 7, what: `received IMG_${at}.jpg` })),
      }),
    ]),
  }),
  names: () => ({
    status: status(
      [
        folder('/home/ann/صور العائلة', {
          ...transfers,
          places: [place('קרן הארכיון', { wants: 1, wants_bytes: 100_000 }), place('backup disk')],
          transfers: [
            {
              id: '1',
              place: 'קרן הארכיון',
              direction: 'sending',
              what: 'صور/رحلة البحر (2026).jpg',
              done: 40_000,
              total: 100_000,
            },
          ],
        }),
        folder(`/home/ann/${'a-very-long-name-without-any-blank-'.repeat(6)}end`, {
          places: [place('the-backup-disk-'.repeat(9), { wants: 3, wants_bytes: GB })],
          settings: folderSettings({ unlocked: { value: 'include=*.a-very-long-ending'.repeat(9), origin: 'here' } }),
        }),
        folder(`/home/ann/${'a long name made of words '.repeat(7)}`, problems),
      ],
      { drives: [drive('كتاب الصور'), drive('A-DRIVE-OF-A-VERY-LONG-NAME-'.repeat(4), { standing: 'declined' })] },
    ),
    rules: {
      '/home/ann/صور العائلة': {
        rules: [{ place: 'קרן הארכיון', directory: 'رحلة البحر', allow: 'content-down' }],
        mistake: null,
      },
    },
    conflicts: {
      '/home/ann/صور العائلة': [
        conflict('رحلة البحر.jpg', [
          { who: 'آن', bytes: 48_200 },
          { who: 'a very long name of a computer '.repeat(4), bytes: 51_900 },
        ]),
      ],
    },
  }),
};

/** The names of all scenes. */
export const scenes = Object.keys(SCENES);

/** A scene by its name; empty if there is none of that name. */
export function scene(name: string): Scene {
  return SCENES[name]?.() ?? { status: status([]) };
}
