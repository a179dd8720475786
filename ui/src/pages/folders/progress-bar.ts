import type { Folder, Place } from '../../contract';
import { bytesLeft } from './time-left';

/** How a bar stands. */
export interface ProgressBar {
  /** Bytes that the place wants and lacks, as the status said last. */
  wants: number;
  /** Bytes that the bar says are still to come. */
  left: number;
  /** When it last said no less than the status does, in seconds of a clock that nobody sets. */
  since: number;
}

/** Seconds after which a bar that is ahead of the status goes back: what was under way has not arrived after all. */
const TIMEOUT = 30;

/**
 * How a bar stands now. Bytes of transfers under way count. It does not go back when a transfer has just ended, which the
 * status tells before it knows of the contents; only when more is wanted, or when what was under way did not arrive.
 */
export function updatedBar(before: ProgressBar | null, now: number, folder: Folder, place: Place): ProgressBar {
  const wants = place.wants_bytes;
  const told = bytesLeft(folder, place);
  if (!before) {
    return { wants, left: told, since: now };
  }
  const left = Math.min(told, before.left + Math.max(0, wants - before.wants));
  const since = left < told ? before.since : now;
  return now - since > TIMEOUT ? { wants, left: told, since: now } : { wants, left, since };
}

/** What a progress bar shows. It is full when nothing of the folder is on its way to the place, and not before. */
export function fill({ left }: ProgressBar, folder: Folder, place: Place): { max: number; value: number } {
  const max = Math.max(folder.bytes, place.wants_bytes, 1);
  const most = place.wants > 0 ? max - 1 : max;
  return { max, value: Math.max(0, Math.min(max - left, most)) };
}
