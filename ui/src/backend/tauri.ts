import { Channel, invoke } from '@tauri-apps/api/core';

import type { Answer, News, Reply, Status } from '../contract';
import type { Backend } from '.';
import { updated } from './update';

/** The program that this window is part of. */
export const tauri: Backend = {
  status: () => invoke<Status>('status'),
  ask: (folder, command) => invoke<Reply>('ask', { folder, command }),
  request: (request) => invoke<Answer>('request', { request }),
  show: (path) => invoke('show', { path }),
  async watch(onStatus) {
    let status: Status | null = null;
    const channel = new Channel<News>((news) => {
      status = updated(status, news);
      onStatus(status);
    });
    await invoke('watch', { channel });
    return () => {
      channel.onmessage = () => undefined;
    };
  },
};
