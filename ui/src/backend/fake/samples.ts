import type { Change, Deed, Drive, Folder, FolderSettings, Place, Problem, Settings, Status } from '../../contract';
import { hex } from '../../common/path';

export const GB = 1_000_000_000;

/** Seconds since the epoch. */
export function now(): number {
  return Math.floor(Date.now() / 1000);
}

/** A folder in which all is well, with what differs. */
export function folder(path: string, differs: Partial<Folder> = {}): Folder {
  return {
    path,
    uuid: `00000000-0000-4000-8000-${String(path.length).padStart(12, '0')}`,
    description: 'laptop',
    state: 'safe',
    headline: 'up to date (388 files)',
    has_looked: true,
    work: 'nothing',
    keys: 388,
    bytes: 4.2 * GB,
    settings: folderSettings(),
    places: [place('desktop'), place('backup disk')],
    held: null,
    transfers: [],
    pause: null,
    question: null,
    problems: [],
    damaged: 0,
    conflicts: 0,
    few_copies: 0,
    full: [],
    waiting: [],
    notes: [],
    recent: changes(6),
    ...differs,
  };
}

/** A place that is here and has everything, with what differs. */
export function place(name: string, differs: Partial<Place> = {}): Place {
  return {
    name,
    contact: 'here',
    has_commits: true,
    takes_nothing: null,
    wants: 0,
    wants_bytes: 0,
    checked: null,
    keeps: { all: { groups: [] } },
    held: null,
    round_trip: null,
    other_ways: [],
    ...differs,
  };
}

function changes(count: number): Change[] {
  const whats = ['you added or changed 3 files', 'sent 12 files to backup disk', 'received 4 files from desktop'];
  return Array.from({ length: count }, (_, at) => ({
    at: now() - 40 - at * 5_400,
    what: whats[at % whats.length] ?? '',
  }));
}

/** Something wrong in which nothing is lost, with what differs. */
export function problem(what: string, differs: Partial<Problem> = {}): Problem {
  return {
    what,
    lost: 'Nothing is lost.',
    next: 'Anabranch tries again by itself.',
    remedy: '',
    action: null,
    ...differs,
  };
}

/** A status with folders that cannot be kept, as the program tells of them. */
export function refusing(before: Status, refused: Status['refused']): Status {
  const problems = refused.map(({ path, why }) =>
    problem(`Anabranch does not sync ${path}: ${why}.`, {
      remedy: 'If you no longer want it, stop syncing it.',
      action: { leave: { folder: path } },
    }),
  );
  return { ...before, refused, problems: [...problems, ...before.problems] };
}

/** What somebody did to one file, with what differs. */
export function deed(differs: Partial<Deed> = {}): Deed {
  const [shown, nothing] = ['2026/11/harbour.jpg', { added: 0, changed: 0, renamed: 0, deleted: 0 }];
  return { commit: 'c0ffee', who: 'Ann', at: now() - 40, ...nothing, names: [{ shown, bytes: hex(shown) }], ...differs };
}

/** A drive that nobody has said anything about, with what differs. */
export function drive(name: string, differs: Partial<Drive> = {}): Drive {
  return {
    id: `${name}-1A2B`,
    name,
    path: `/media/ann/${name}`,
    file_system: 'ext4',
    bytes: 64 * GB,
    free: 41 * GB,
    standing: 'new',
    notes: [],
    can_eject: true,
    ...differs,
  };
}

/** The settings of somebody who has answered what is asked once, with what differs. */
export function settings(differs: Partial<Settings> = {}): Settings {
  return {
    file: '/home/ann/.config/anabranch/settings.toml',
    autostart: true,
    notifications: true,
    limit_up: null,
    limit_down: null,
    pause_on_battery: false,
    pause_on_metered: true,
    look: 'system',
    declined: [],
    ...differs,
  };
}

/** The settings of a folder of which nobody has set any, with what differs. */
export function folderSettings(differs: Partial<FolderSettings> = {}): FolderSettings {
  return {
    copies: { value: '1', origin: 'default' },
    reserve: { value: '100 MB', origin: 'default' },
    unlocked: { value: 'false', origin: 'default' },
    quick_git: { value: 'false', origin: 'here' },
    ...differs,
  };
}

/** A status of these folders, with what differs. */
export function status(folders: Folder[], differs: Partial<Status> = {}): Status {
  return { folders, refused: [], drives: [], problems: [], settings: settings(), ...differs };
}
