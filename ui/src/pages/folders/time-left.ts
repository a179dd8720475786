import type { Folder, Place } from '../../contract';

/** How much was left at a moment. */
export interface Sample {
  /** Seconds, of a clock that nobody sets. */
  at: number;
  /** Bytes. */
  left: number;
}

/** Seconds that are looked back: the pace is that of now, not that of all the way. */
const BACK = 30;

/** Seconds with progress before anything is said of it. */
const ENOUGH = 5;

/** Seconds without progress after which it stands still. */
const STILL = 10;

/** Bytes that are still to come to a place, less what has arrived there of transfers under way. */
export function bytesLeft({ transfers }: Folder, place: Place): number {
  const under = transfers.filter((one) => one.place === place.name && one.direction === 'sending');
  return Math.max(0, under.reduce((left, { done }) => left - done, place.wants_bytes));
}

/**
 * The samples that the pace is worked out from, now that there is another one. They begin where the progress does, and
 * what is left never grows from one to the next: of a transfer that has just ended the status forgets the bytes that
 * arrived before it knows of the content.
 */
export function withSample(samples: Sample[], { at, left }: Sample): Sample[] {
  const recent = samples.filter((one) => at - one.at <= BACK);
  const least = Math.min(left, ...recent.map((one) => one.left));
  const all = [...recent, { at, left: least }];
  const begin = all.filter((one) => one.left === all[0]?.left).length - 1;
  const rest = all.find((one) => one.left === least);
  const isStill = begin === all.length - 1 || (rest && at - rest.at >= STILL);
  return isStill ? [{ at, left }] : all.slice(begin);
}

/** Seconds until nothing is left, if it goes on as it went; none if that cannot be said. */
export function secondsLeft(samples: Sample[], left: number): number | null {
  const [first] = samples;
  const last = samples.at(-1);
  if (!first || !last || last.at - first.at < ENOUGH) {
    return null;
  }
  return (left * (last.at - first.at)) / (first.left - last.left);
}
