import { Channel, invoke } from '@tauri-apps/api/core';

import type { Answer, Reply, Status } from '../contract';
import type { Backend } from '.';

/** The program that this window is part of. */
export const tauri: Backend = {
  status: () => invoke<Status>('status'),
  ask: (folder, command) => invoke<Reply>('ask', { folder, command }),
  request: (request) => invoke<Answer>('request', { request }),
  async watch(onStatus) {
    const channel = new Channel<Status>(onStatus);
    await invoke('watch', { channel });
    return () => {
      channel.onmessage = () => undefined;
    };
  },
};
