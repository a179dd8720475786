import type { Folder, Status } from '../../contract';
import type { Backend } from '..';
import { type Known, reply } from './commands';
import { answer } from './requests';
import { scene } from './scenes';

/** How often transfers move: as often as the program itself would tell. */
const TICK = 250;

/** A program in memory that shows a scene and obeys, for browsers and tests. */
export function fake(name: string): Backend {
  const shown = scene(name);
  let status = shown.status;
  const known = new Map<string, Known>();
  const watchers = new Set<(status: Status) => void>();

  function change(to: (status: Status) => Status): void {
    status = to(status);
    watchers.forEach((tell) => tell(status));
  }

  function changeFolder(path: string, to: (folder: Folder) => Folder): void {
    change((now) => ({ ...now, folders: now.folders.map((one) => (one.path === path ? to(one) : one)) }));
  }

  function knownOf(path: string): Known {
    const nothing = { rules: [], mistake: null };
    const conflicts = shown.conflicts?.[path] ?? [];
    return known.get(path) ?? { rules: shown.rules?.[path] ?? nothing, conflicts, resolved: [] };
  }

  function ticks(count: number): Promise<void> {
    return new Promise((end) => setTimeout(end, count * TICK));
  }

  function move(): void {
    const isMoving = (folder: Folder): boolean => folder.state !== 'paused' && folder.transfers.length > 0;
    const moved = (folder: Folder): Folder => ({
      ...folder,
      transfers: folder.transfers.map((one) => ({ ...one, done: Math.round(one.done + one.total / 200) % one.total })),
    });
    if (status.folders.some(isMoving)) {
      change((now) => ({ ...now, folders: now.folders.map((one) => (isMoving(one) ? moved(one) : one)) }));
    }
  }

  return {
    status: () => Promise.resolve(status),
    ask: (path, command) => {
      const folder = status.folders.find((one) => one.path === path);
      if (!folder) {
        return Promise.resolve({ refused: `${path} is not one of the folders` });
      }
      return reply(folder, knownOf(path), command, {
        folder: (to) => changeFolder(path, to),
        known: (to) => known.set(path, { ...knownOf(path), ...to }),
        ticks,
      });
    },
    request: (request) => answer(() => status, request, { status: change, ticks }),
    // A browser has no file manager to show it with.
    show: () => Promise.resolve(),
    watch: (onStatus) => {
      watchers.add(onStatus);
      onStatus(status);
      const moving = setInterval(move, TICK);
      return Promise.resolve(() => {
        clearInterval(moving);
        watchers.delete(onStatus);
      });
    },
  };
}
