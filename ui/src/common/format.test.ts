import { describe, expect, it } from 'vitest';

import { bytes, list, moment, plural, sentence, timeLeft } from './format';

describe('words', () => {
  it('agree with their number', () => {
    const forms = { one: '# file', other: '# files' };
    expect([0, 1, 2, 12_345].map((count) => plural(count, forms))).toEqual([
      '0 files',
      '1 file',
      '2 files',
      '12,345 files',
    ]);
  });

  it('of bytes have the unit that fits, also where rounding passes one', () => {
    expect([0, 1, 999, 1000, 1949, 9_960, 999_499, 999_500, 1.9e9, 61e9, 5e18].map(bytes)).toEqual([
      '0 bytes',
      '1 byte',
      '999 bytes',
      '1.0 kB',
      '1.9 kB',
      '10 kB',
      '999 kB',
      '1.0 MB',
      '1.9 GB',
      '61 GB',
      '5000 PB',
    ]);
  });

  it('of time say as much as is needed', () => {
    const now = new Date(2026, 10, 24, 15, 0);
    const at = (...when: [number, number, number, number, number]): number => new Date(...when).getTime() / 1000;
    expect(moment(at(2026, 10, 24, 9, 5), now)).toBe('09:05');
    expect(moment(at(2026, 10, 23, 23, 59), now)).toBe('23 Nov, 23:59');
    expect(moment(at(2025, 0, 2, 8, 0), now)).toBe('2 Jan 2025, 08:00');
  });

  it('of the engine begin large, whatever the script', () => {
    expect([sentence('waiting'), sentence('قرص'), sentence('')]).toEqual(['Waiting', 'قرص', '']);
    expect(list(['a', 'b', 'c'])).toBe('a, b and c');
  });
});

it('the time left is said in round words', () => {
  const minute = 60;
  const hour = 60 * minute;
  const table: [number, string][] = [
    [0, 'less than a minute left'],
    [59, 'less than a minute left'],
    [minute, 'about 1 minute left'],
    [3.4 * minute, 'about 3 minutes left'],
    [32 * minute, 'about 30 minutes left'],
    [59 * minute, 'about 1 hour left'],
    [5.4 * hour, 'about 5 hours left'],
    [23.7 * hour, 'about 1 day left'],
    [100 * hour, 'about 4 days left'],
  ];
  expect(table.map(([seconds]) => timeLeft(seconds))).toEqual(table.map(([, words]) => words));
});
