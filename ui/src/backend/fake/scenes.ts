import type { Change, Folder, Place, Status } from '../../contract';

const GB = 1_000_000_000;

function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** A folder in which all is well, with what differs. */
export function folder(path: string, differs: Partial<Folder> = {}): Folder {
  return {
    path,
    uuid: `00000000-0000-4000-8000-${String(path.length).padStart(12, '0')}`,
    description: 'laptop',
    state: 'safe',
    headline: 'everything is in step (388 files)',
    keys: 388,
    bytes: 4.2 * GB,
    places: [place('desktop'), place('backup disk')],
    transfers: [],
    question: null,
    problems: [],
    damaged: 0,
    conflicts: 0,
    full: [],
    waiting: [],
    recent: changes(6),
    ...differs,
  };
}

/** A place that is here and has everything, with what differs. */
export function place(name: string, differs: Partial<Place> = {}): Place {
  return { name, contact: 'here', has_commits: true, wants: 0, wants_bytes: 0, ...differs };
}

function changes(count: number): Change[] {
  const whats = ['files here: 3 added or changed', 'sent 12 files to backup disk', 'received 4 files from desktop'];
  return Array.from({ length: count }, (_, at) => ({
    at: now() - 40 - at * 5_400,
    what: whats[at % whats.length] ?? '',
  }));
}

const away: Partial<Folder> = {
  state: 'waiting',
  headline: '213 files for backup disk: it is away (not plugged in, not mounted, or moved)',
  waiting: ['213 files for backup disk: it is away (not plugged in, not mounted, or moved)'],
  places: [
    place('desktop'),
    place('backup disk', {
      contact: { away: 'not plugged in, not mounted, or moved' },
      wants: 213,
      wants_bytes: 1.9 * GB,
    }),
  ],
};

const transfers: Partial<Folder> = {
  state: 'working',
  headline: 'transferring 217 files',
  keys: 12_408,
  bytes: 61 * GB,
  places: [
    place('desktop'),
    place('backup disk', { wants: 213, wants_bytes: 19 * GB, has_commits: false }),
  ],
  transfers: [
    { place: 'desktop', direction: 'receiving', what: '2026/11/harbour at dusk.mov', done: 0.3 * GB, total: 0.7 * GB },
    { place: 'backup disk', direction: 'sending', what: '64 files', done: 0.8 * GB, total: 1.9 * GB },
  ],
};

const question: Partial<Folder> = {
  state: 'needs-you',
  headline: 'a question waits for your answer',
  question: {
    text: "640 of 900 files are gone from this folder. Were they deleted on purpose? Nothing was deleted anywhere else. 'anabranch answer yes' deletes them everywhere, 'anabranch answer no' brings them back",
  },
};

const problems: Partial<Folder> = {
  state: 'needs-you',
  headline: 'The content of letters/1998.pdf in backup disk is damaged; it was set aside there.',
  problems: [
    {
      what: 'The content of letters/1998.pdf in backup disk is damaged; it was set aside there.',
      lost: 'Nothing is lost: laptop has it.',
      next: 'It will be fetched again from laptop.',
      remedy: '',
    },
    {
      what: 'Changes in /home/ann/Papers/scans are noticed only every 30 seconds: the limit of watched directories (fs.inotify.max_user_watches) is reached.',
      lost: 'Nothing is lost.',
      next: 'It will be looked at again by itself.',
      remedy: 'Raise the limit or make it readable.',
    },
  ],
};

const SCENES: Record<string, () => Folder[]> = {
  empty: () => [],
  everyday: () => [
    folder('/home/ann/Photos', transfers),
    folder('/home/ann/Music', away),
    folder('/home/ann/Notes', { keys: 1, bytes: 2_048, places: [place('origin')] }),
    folder('/home/ann/Films', {
      state: 'paused',
      headline: 'paused',
      places: [
        place('archive', { contact: { unsupported: 'special remotes (this one is of type S3) are not supported yet' } }),
        place('attic', { contact: 'unknown' }),
      ],
    }),
  ],
  many: () => Array.from({ length: 50 }, (_, at) => folder(`/home/ann/Projects/Project ${at + 1}`, at % 7 ? {} : away)),
  away: () => [folder('/home/ann/Music', away)],
  question: () => [folder('/home/ann/Papers', question), folder('/home/ann/Notes')],
  problems: () => [folder('/home/ann/Papers', problems), folder('/home/ann/Notes', question)],
  transfers: () => [folder('/home/ann/Photos', transfers)],
  // Ten thousand files came; each is told of.
  large: () => [
    folder('/home/ann/Photos', {
      keys: 10_000,
      recent: Array.from({ length: 10_000 }, (_, at) => ({ at: now() - at * 7, what: `received IMG_${at}.jpg` })),
    }),
  ],
  names: () => [
    folder('/home/ann/صور العائلة', {
      ...transfers,
      places: [place('קרן הארכיון', { wants: 1, wants_bytes: 100_000 }), place('backup disk')],
      transfers: [
        { place: 'קרן הארכיון', direction: 'sending', what: 'صور/رحلة البحر (2026).jpg', done: 40_000, total: 100_000 },
      ],
    }),
    folder(`/home/ann/${'a-very-long-name-without-any-blank-'.repeat(6)}end`, {
      places: [place('the-backup-disk-'.repeat(9), { wants: 3, wants_bytes: GB })],
    }),
    folder(`/home/ann/${'a long name made of words '.repeat(7)}`, problems),
  ],
};

/** The names of all scenes. */
export const scenes = Object.keys(SCENES);

/** A scene by its name; empty if there is none of that name. */
export function scene(name: string): Status {
  return { folders: SCENES[name]?.() ?? [] };
}
