import { vi } from 'vitest';

import type { Backend } from '../backend';
import { status } from '../backend/fake/samples';
import type { Answer, AtPlace, Command, File, Reply, Request } from '../contract';
import { hex } from '../common/path';

/** A program that answers as a test tells it. */
export function stubBackend(
  reply: (command: Command) => Reply | Promise<Reply>,
  answer: (request: Request) => Promise<Answer> = () => Promise.reject(new Error('nobody asks this here')),
): Backend & { ask: ReturnType<typeof vi.fn<Backend['ask']>>; request: ReturnType<typeof vi.fn<Backend['request']>> } {
  return {
    status: () => Promise.resolve(status([])),
    ask: vi.fn<Backend['ask']>((_, command) => Promise.resolve(reply(command))),
    request: vi.fn<Backend['request']>(answer),
    show: vi.fn<Backend['show']>(() => Promise.resolve()),
    watch: () => Promise.resolve(() => undefined),
  };
}

export const unreachable = (): Promise<never> => Promise.reject(new Error('gone'));

export function file(name: string): File {
  return { path: { shown: name, bytes: hex(name) }, bytes: 1, is_here: true, copies: 1 };
}

/** A program that says what is at a place when it is told to, and does all else. */
export function slowBackend(): { backend: ReturnType<typeof stubBackend>; say: (what: AtPlace) => void; asked: () => Request[] } {
  const ends: ((what: AtPlace) => void)[] = [];
  const backend = stubBackend(unreachable, (request) => {
    if (request === 'suggest') {
      return Promise.resolve({ suggested: [] });
    }
    return typeof request === 'object' && 'inspect' in request
      ? new Promise((end) => ends.push((what) => end({ found: { path: `/full${request.inspect.path}`, what, files: 0 } })))
      : Promise.resolve({ done: 'it is done' });
  });
  return {
    backend,
    say: (what) => ends.splice(0).forEach((end) => end(what)),
    asked: () => backend.request.mock.calls.map(([one]) => one).filter((one) => one !== 'suggest' && !('inspect' in Object(one))),
  };
}
