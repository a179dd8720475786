import type { Command, Folder, Reply, Status } from '../../contract';
import type { Backend } from '..';
import { scene } from './scenes';

/** How often transfers move: as often as the program itself would tell. */
const TICK = 250;

/** A program in memory that shows a scene and obeys, for browsers and tests. */
export function fake(name: string): Backend {
  let status = scene(name);
  const watchers = new Set<(status: Status) => void>();

  function change(folder: string, to: (folder: Folder) => Folder): void {
    status = { folders: status.folders.map((one) => (one.path === folder ? to(one) : one)) };
    watchers.forEach((tell) => tell(status));
  }

  function move(): void {
    const isMoving = (folder: Folder): boolean => folder.state !== 'paused' && folder.transfers.length > 0;
    status.folders.filter(isMoving).forEach(({ path }) =>
      change(path, (folder) => ({
        ...folder,
        transfers: folder.transfers.map((one) => ({ ...one, done: Math.round(one.done + one.total / 200) % one.total })),
      })),
    );
  }

  return {
    status: () => Promise.resolve(status),
    ask: (path, command) => {
      const folder = status.folders.find((one) => one.path === path);
      if (!folder) {
        return Promise.resolve({ refused: `${path} is not one of the folders` });
      }
      return answer(folder, command, (to) => change(path, to));
    },
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

async function answer(
  folder: Folder,
  command: Command,
  change: (to: (folder: Folder) => Folder) => void,
): Promise<Reply> {
  if (command === 'status') {
    return { status: folder };
  }
  if (command === 'pause') {
    change((one) => ({ ...one, state: 'paused', headline: 'paused' }));
    return 'done';
  }
  if (command === 'resume') {
    change((one) => ({ ...one, state: 'safe', headline: 'everything is in step' }));
    return 'done';
  }
  if (command === 'sync') {
    await new Promise((end) => setTimeout(end, 2 * TICK));
    return folder.state === 'paused' ? { refused: 'it is paused' } : { status: folder };
  }
  if ('answer' in command) {
    change((one) => ({ ...one, question: null, state: 'safe', headline: 'everything is in step' }));
    return 'done';
  }
  return { why: why(folder, command.why.path) };
}

function why(folder: Folder, hex: string): Extract<Reply, { why: unknown }>['why'] {
  const bytes = (hex.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  const path = new TextDecoder().decode(new Uint8Array(bytes));
  if (path.startsWith('unknown')) {
    return { path, key: null, have: [], want: [], sentence: `${path} is not known` };
  }
  const places = folder.places.map((place) => place.name);
  return {
    path,
    key: 'SHA256E-s3--abc.jpg',
    have: [folder.description, ...places.slice(0, 1)],
    want: [folder.description, ...places],
    sentence: `${path}: its content is here`,
  };
}
