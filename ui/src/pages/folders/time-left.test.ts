import { describe, expect, it } from 'vitest';

import { folder, place } from '../../backend/fake/samples';
import type { Direction, Progress } from '../../contract';
import { bytesLeft, type Sample, secondsLeft, withSample } from './time-left';

/** What is said after each of these amounts, one a second. */
function said(lefts: number[]): (number | null)[] {
  let samples: Sample[] = [];
  return lefts.map((left, at) => {
    samples = withSample(samples, { at, left });
    return secondsLeft(samples, left);
  });
}

/** Amounts that begin with one and shrink by the same each second. */
function shrinking(from: number, by: number, count: number): number[] {
  return Array.from({ length: count }, (_, at) => from - at * by);
}

const none = (count: number): null[] => Array.from({ length: count }, () => null);

describe('the time left', () => {
  it('is said after five seconds with progress, however long nothing moved before', () => {
    expect(said(shrinking(100, 10, 7))).toEqual([...none(5), 5, 4]);
    expect(said([...shrinking(100, 0, 60), ...shrinking(100, 10, 7)]).slice(60)).toEqual([...none(5), 5, 4]);
  });

  it('is that of the pace of the last half minute', () => {
    expect(said([...shrinking(10_000, 100, 60), ...shrinking(4_000, 10, 32)]).at(-1)).toBe(369);
  });

  it('is not said when it stands still, and is again when it goes on', () => {
    const all = said([...shrinking(100, 10, 7), ...shrinking(40, 0, 20), ...shrinking(40, 10, 4)]);
    expect(all[15]).toBeGreaterThan(4);
    expect(all.slice(17)).toEqual(none(14));
    expect(said([...shrinking(100, 0, 20), ...shrinking(100, 10, 6)]).at(-1)).toBe(5);
  });

  it('is not said while more comes than goes, and is not too short after that', () => {
    expect(said(shrinking(100, -10, 30))).toEqual(none(30));
    const all = said([...shrinking(100, 10, 7), ...shrinking(1_000, 10, 30)]);
    expect(Math.min(...all.slice(7).map((seconds) => seconds ?? 1_000))).toBeGreaterThan(70);
    expect(all.at(-1)).toBe(71);
  });

  it('is much the same when the bytes of a transfer are forgotten for a moment', () => {
    const even = shrinking(1_000, 10, 60);
    const forgotten = said(even.map((left, at) => (at === 20 ? left + 200 : left)));
    const off = said(even).map((seconds, at) => (at === 20 ? 0 : Math.abs((seconds ?? 0) - (forgotten[at] ?? 0))));
    expect(Math.max(...off)).toBeLessThan(2);
  });

  it('is of what a place waits for, less what has arrived there', () => {
    const of = (name: string, direction: Direction, done: number): Progress => ({ id: name, place: name, direction, what: 'x', done, total: 9 });
    const transfers = [of('stick', 'sending', 2), of('stick', 'sending', 3), of('stick', 'receiving', 4), of('disk', 'sending', 5)];
    expect(bytesLeft(folder('/a', { transfers }), place('stick', { wants_bytes: 20 }))).toBe(15);
    expect(bytesLeft(folder('/a', { transfers }), place('stick', { wants_bytes: 1 }))).toBe(0);
  });
});
