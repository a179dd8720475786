import { describe, expect, it } from 'vitest';

import { folder, place } from '../../backend/fake/samples';
import type { Folder, Place, Progress } from '../../contract';
import { fill, type ProgressBar, updatedBar } from './progress-bar';

/** What a status says: the bytes that are wanted, and those that have arrived of what is under way. */
type Told = [wants: number, ...done: number[]];

function of([wants, ...done]: Told): [Folder, Place] {
  const stick = place('stick', { wants: wants > 0 ? 1 : 0, wants_bytes: wants });
  const sending = (one: number, at: number): Progress => ({ id: String(at), place: 'stick', direction: 'sending', what: 'x', done: one, total: 60 });
  return [folder('/a', { bytes: 100, places: [stick], transfers: done.map(sending) }), stick];
}

/** The values of the bar of a folder of 100 bytes, one a second. */
function values(told: Told[]): number[] {
  let bar: ProgressBar | null = null;
  return told.map((one, at) => {
    const [whole, stick] = of(one);
    bar = updatedBar(bar, at, whole, stick);
    return fill(bar, whole, stick).value;
  });
}

describe('the bar of a place', () => {
  it('moves with the bytes of what is under way, sent to it only', () => {
    expect(values([[60], [60, 10], [60, 10, 5], [60, 30, 20], [10, 0]])).toEqual([40, 50, 55, 90, 90]);
    const [whole, stick] = of([60]);
    const receiving: Progress = { id: '1', place: 'stick', direction: 'receiving', what: 'x', done: 9, total: 9 };
    const elsewhere: Progress = { ...receiving, direction: 'sending', place: 'disk' };
    expect(updatedBar(null, 0, { ...whole, transfers: [receiving, elsewhere] }, stick).left).toBe(60);
  });

  it('does not go back when a transfer has ended and the place is not known to have it yet', () => {
    expect(values([[60, 30], [60, 59], [60], [60], [0]])).toEqual([70, 99, 99, 99, 100]);
    expect(values([[60, 59], [60], [60, 20], [1, 20]])).toEqual([99, 99, 99, 99]);
  });

  it('is never beyond full, nor full while something is wanted', () => {
    expect(values([[60, 60], [0, 60], [0]])).toEqual([99, 100, 100]);
    expect(values([[300, 10]])).toEqual([10]);
    const [whole, stick] = of([60]);
    expect(fill({ wants: 60, left: 500, since: 0 }, whole, stick).value).toBe(0);
  });

  it('goes back when more is wanted', () => {
    expect(values([[20], [50], [50, 10]])).toEqual([80, 50, 60]);
    expect(values([[20, 10], [50]])).toEqual([90, 60]);
  });

  it('goes back when what was under way has not arrived half a minute later', () => {
    const cancelled = values([[60, 30], ...Array.from({ length: 40 }, (): Told => [60])]);
    expect([cancelled[1], cancelled[30], cancelled[31], cancelled[40]]).toEqual([70, 70, 40, 40]);
    const going = values([[60, 30], ...Array.from({ length: 40 }, (_, at): Told => [60, at])]);
    expect(going.every((value, at) => at === 0 || value >= (going[at - 1] ?? 0))).toBe(true);
  });
});
