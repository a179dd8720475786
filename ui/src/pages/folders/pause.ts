import type { Pause } from '../../contract';
import { moment } from '../../common/format';
import { text } from '../../text';

/** How long a folder may be paused for. */
export const PAUSES = ['half-hour', 'hour', 'tomorrow', 'open'] as const;

export type PauseLength = (typeof PAUSES)[number];

/** When tomorrow begins, for whoever pauses until then: when people get up. The tray has the same rule. */
const MORNING = 7;

/** When a pause that begins now ends by itself, seconds since the epoch; none if it does not. */
export function pauseEnd(length: PauseLength, now: Date): number | null {
  const seconds = Math.floor(now.getTime() / 1000);
  switch (length) {
    case 'half-hour':
      return seconds + 30 * 60;
    case 'hour':
      return seconds + 60 * 60;
    case 'tomorrow': {
      // Whoever is still up after midnight means the morning of the same date.
      const date = now.getDate() + (now.getHours() < MORNING ? 0 : 1);
      return new Date(now.getFullYear(), now.getMonth(), date, MORNING).getTime() / 1000;
    }
    case 'open':
      return null;
  }
}

/** Why nothing moves, and until when, in one sentence. */
export function pauseSentence(pause: Pause | null, now: Date): string {
  if (pause === null) {
    return text.folders.pause.open;
  }
  switch (pause.reason) {
    case 'asked':
      return pause.until === null ? text.folders.pause.open : text.folders.pause.until(moment(pause.until, now));
    case 'battery':
      return text.folders.pause.battery;
  }
}
