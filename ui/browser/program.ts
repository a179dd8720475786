/** Runs in the page before the window's own script: what Tauri would put there, with the fake behind it. */
import { mockIPC } from '@tauri-apps/api/mocks';

import { fake } from '../src/backend/fake';
import { difference } from '../src/backend/fake/difference';
import type { Command, News, Request, Status } from '../src/contract';

interface Internals {
  runCallback(id: number, message: { index: number; message: News }): void;
}

const backend = fake(new URLSearchParams(location.search).get('scene') ?? 'everyday');

mockIPC((command, payload) => {
  const given = payload as { folder: string; command: Command; request: Request; channel: { id: number } };
  if (command === 'status') {
    return backend.status();
  }
  if (command === 'ask') {
    return backend.ask(given.folder, given.command);
  }
  if (command === 'request') {
    return backend.request(given.request);
  }
  if (command === 'watch') {
    let index = 0;
    let sent: Status | null = null;
    const { runCallback } = (window as unknown as { __TAURI_INTERNALS__: Internals }).__TAURI_INTERNALS__;
    return backend.watch((status) => {
      const message = structuredClone(difference(sent, status));
      sent = status;
      runCallback(given.channel.id, { index: index++, message });
    });
  }
  throw new Error(`there is no command ${command}`);
});
