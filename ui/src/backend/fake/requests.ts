import type { Answer, Drive, Found, Looked, Request, Standing, Status } from '../../contract';
import { driveKind } from '../../pages/drives/standing';
import { folder, place } from './samples';
import { withSetting } from './settings';

/** How the fake's program is changed. */
export interface Changes {
  status(to: (status: Status) => Status): void;
  ticks(count: number): Promise<void>;
}

const HOME = '/home/ann';

/** Whether the question of `cellar` was answered. */
let isLoggedIn = false;

/** What is on the fake's disk besides the folders that are kept. */
const DISK: Record<string, Omit<Found, 'path'>> = {
  [`${HOME}/Pictures`]: { what: 'directory', files: 1_204 },
  [`${HOME}/Everything`]: { what: 'directory', files: null },
  [`${HOME}/Code`]: { what: 'git', files: 63 },
  [`${HOME}/Library`]: { what: 'annex', files: 8_120 },
  '/etc': { what: { unusable: 'you may not write there' }, files: null },
};

/** What the fake's program answers; it is then as the program would make it. */
export async function answer(status: () => Status, request: Request, changes: Changes): Promise<Answer> {
  if (request === 'suggest') {
    const kept = status().folders.map((one) => one.path);
    return { suggested: [`${HOME}/Library`].filter((one) => !kept.includes(one)) };
  }
  if (request === 'computers') {
    return { computers: ['desk', 'nas'] };
  }
  if (request === 'make-key') {
    return { key: "mkdir -p -m 700 ~/.ssh && echo 'ssh-ed25519 AAAAC3Nza ann@laptop' >> ~/.ssh/authorized_keys" };
  }
  if ('look' in request) {
    await changes.ticks(1);
    return { looked: look(request.look.address) };
  }
  if ('answer-login' in request) {
    isLoggedIn = request['answer-login'].yes;
    return { done: 'it is answered' };
  }
  if ('add-computer' in request) {
    const { folder: of, address } = request['add-computer'];
    await changes.ticks(1);
    addPlace(changes, of, address.split(':')[0] ?? address);
    return { done: `${address} was made for ${of}; Anabranch is bringing it up to date` };
  }
  if ('clone-from' in request) {
    await changes.ticks(1);
    return add(status(), request['clone-from'].path, changes);
  }
  if ('inspect' in request) {
    return { found: inspect(status(), request.inspect.path) };
  }
  if ('add' in request) {
    return add(status(), request.add.path, changes);
  }
  if ('clone-to' in request) {
    const { folder: of, path } = request['clone-to'];
    const found = inspect(status(), path);
    if (found.what !== 'nothing') {
      return { refused: `something is at ${found.path} already` };
    }
    addPlace(changes, of, found.path.split('/').at(-1) ?? 'clone');
    return { done: `copies of ${of} are kept in ${found.path} from now on` };
  }
  if ('leave' in request) {
    const { folder: left } = request.leave;
    changes.status((now) => ({
      ...now,
      folders: now.folders.filter((one) => one.path !== left),
      refused: now.refused.filter((one) => one.path !== left),
      problems: now.problems.filter(({ action }) => !(action instanceof Object && 'leave' in action && action.leave.folder === left)),
    }));
    return { done: `Anabranch no longer syncs ${left}; its files stay as they are` };
  }
  if ('set' in request) {
    changes.status((now) => ({ ...now, settings: withSetting(now.settings, request.set) }));
    return { done: 'the setting is in force' };
  }
  return onDrive(status, request, changes);
}

type OfDrive = 'use-drive' | 'decline-drive' | 'reconsider-drive' | 'eject' | 'keep-drive';
type DriveRequest = { [Name in OfDrive]: Extract<Request, Record<Name, unknown>> }[OfDrive];

async function onDrive(status: () => Status, request: DriveRequest, changes: Changes): Promise<Answer> {
  const [{ drive: id }] = Object.values(request) as [{ drive: string }];
  const drive = (): Drive | undefined => status().drives.find((one) => one.id === id);
  const asked = drive();
  if ('reconsider-drive' in request) {
    forget(changes, id);
    return { done: 'you are asked about it again' };
  }
  if ('keep-drive' in request) {
    if (!asked) {
      return { done: 'the drive is not mounted any more; plug it in again to use it' };
    }
    if (driveKind(asked.standing) === 'ejecting') {
      // Whoever ejects it sees this, and puts back what it was.
      stand(changes, id, 'new');
    }
    return { done: 'the drive stays' };
  }
  if (!asked) {
    return { refused: 'this drive is not plugged in' };
  }
  if ('decline-drive' in request) {
    stand(changes, id, 'declined');
    changes.status((now) => {
      const declined = [...now.settings.declined, { id, name: asked.name }];
      return { ...now, settings: { ...now.settings, declined } };
    });
    return { done: `${asked.name} is not used` };
  }
  if ('use-drive' in request) {
    const { folder: of } = request['use-drive'];
    await changes.ticks(2);
    forget(changes, id);
    const before = typeof asked.standing === 'object' && 'in-use' in asked.standing ? asked.standing['in-use'].places : [];
    stand(changes, id, { 'in-use': { places: [...before, { folder: of, place: asked.name }], up_to_date: false } });
    addPlace(changes, of, asked.name);
    return { done: `${asked.name} has copies of ${of} from now on` };
  }
  return eject(asked, drive, changes);
}

async function eject(asked: Drive, now: () => Drive | undefined, changes: Changes): Promise<Answer> {
  const { id, name, standing } = asked;
  const isUpToDate = typeof standing === 'object' && 'in-use' in standing && standing['in-use'].up_to_date;
  stand(changes, id, { ejecting: { what: isUpToDate ? 'unmounting' : '213 files (19 GB) left to copy' } });
  for (let left = isUpToDate ? 4 : 400; left > 0; left -= 1) {
    await changes.ticks(1);
    const is = now()?.standing;
    if (is === 'new') {
      stand(changes, id, standing);
      return { refused: 'the drive stays, as you asked' };
    }
  }
  changes.status((status) => ({ ...status, drives: status.drives.filter((one) => one.id !== id) }));
  return { done: `${name} can be unplugged now` };
}

/** The computer `away` does not answer, `nas` refuses the login, `cellar` asks first, and others have all that is needed. */
function look(address: string): Looked {
  if (address.startsWith('cellar') && !isLoggedIn) {
    const text = 'cellar wants the password of ann.';
    return {
      checks: [
        { check: 'reach', verdict: 'passed', words: '' },
        { check: 'login', verdict: 'asking', words: '' },
      ],
      there: null,
      free: null,
      question: { id: 'login-1', text, yes: 'Log in', no: "Don't log in", typed: 'secret' },
    };
  }
  const failed = address.startsWith('away') ? 'reach' : address.startsWith('nas') ? 'login' : null;
  const words = { reach: 'away does not answer. Is it on, and in this network?', login: 'nas refused the login.' };
  const order = ['reach', 'login', 'git', 'annex', 'place', 'room'] as const;
  const end = failed === null ? order.length : order.indexOf(failed);
  return {
    checks: order.map((check, at) => ({
      check,
      verdict: at < end ? 'passed' : at === end ? 'failed' : 'not-reached',
      words: at === end && failed !== null ? words[failed] : '',
    })),
    there: failed !== null ? null : address.endsWith('Photos') ? 'repository' : 'nothing',
    free: failed === null ? 210_000_000_000 : null,
    question: null,
  };
}

function stand(changes: Changes, id: string, standing: Standing): void {
  changes.status((now) => ({
    ...now,
    drives: now.drives.map((one) => (one.id === id ? { ...one, standing } : one)),
  }));
}

function forget(changes: Changes, id: string): void {
  changes.status((now) => ({
    ...now,
    drives: now.drives.map((one) => (one.id === id && one.standing === 'declined' ? { ...one, standing: 'new' } : one)),
    settings: { ...now.settings, declined: now.settings.declined.filter((one) => one.id !== id) },
  }));
}

function inspect(status: Status, typed: string): Found {
  const path = typed.replace(/^~(?=\/|$)/, HOME).replace(/(?<=.)\/+$/, '');
  if (status.folders.some((one) => one.path === path)) {
    return { path, what: 'kept', files: null };
  }
  return { path, ...(DISK[path] ?? { what: path.startsWith('/') ? 'nothing' : { unusable: 'this is no whole path' }, files: 0 }) };
}

function add(status: Status, typed: string, changes: Changes): Answer {
  const { path, what, files } = inspect(status, typed);
  if (typeof what === 'object' || what === 'kept') {
    return { refused: `${path} cannot be added: ${what === 'kept' ? 'Anabranch syncs it already' : what.unusable}` };
  }
  const added = folder(path, { keys: files ?? 5_000, bytes: (files ?? 5_000) * 2_000_000, places: [], recent: [] });
  changes.status((now) => ({ ...now, folders: [...now.folders, added] }));
  return { done: `Anabranch syncs ${path} from now on` };
}

function addPlace(changes: Changes, of: string, name: string): void {
  changes.status((now) => ({
    ...now,
    folders: now.folders.map((one) =>
      one.path === of
        ? { ...one, places: [...one.places, place(name, { wants: one.keys, wants_bytes: one.bytes })] }
        : one,
    ),
  }));
}
