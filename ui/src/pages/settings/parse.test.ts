import { expect, it } from 'vitest';

import { formatLimit, parseCopies, parseLimit, parseReserve } from './parse';

it('a limit is read as people write it', () => {
  expect(['2.5', ' 2,5 ', '', '0.001', '40'].map(parseLimit)).toEqual([2_500_000, 2_500_000, null, 1_000, 40_000_000]);
  for (const wrong of ['0', '-1', 'fast', '1 MB', 'Infinity', 'NaN', '0.0000001', '1e300']) {
    expect(parseLimit(wrong), wrong).toBe('not-a-limit');
  }
  expect(['1,000', ' 12,500 '].map(parseLimit)).toEqual(['unclear', 'unclear']);
  expect(['0,125', '1.125', '1,25', '1000,250'].map(parseLimit)).toEqual([125_000, 1_125_000, 1_250_000, 1_000_250_000]);
  expect([null, 1, 1_000, 2_500_000].map((bytes) => parseLimit(formatLimit(bytes)))).toEqual([null, 1, 1_000, 2_500_000]);
});

it('a setting of a folder is read as people write it', () => {
  expect([' 2 ', '4294967295'].map(parseCopies)).toEqual([{ copies: 2 }, { copies: 4_294_967_295 }]);
  for (const wrong of ['', '0', '-1', '1.5', 'two', '4294967296', '1e3']) {
    expect(parseCopies(wrong), wrong).toBe('not-copies');
  }
  expect([' 2,5 GB ', '', '0', '10 gib'].map(parseReserve)).toEqual([
    { reserve: '2.5 GB' },
    { reserve: null },
    { reserve: '0' },
    { reserve: '10 gib' },
  ]);
  expect(['500', '2.5', '1,000 MB', '1,000'].map(parseReserve)).toEqual(['no-unit', 'no-unit', 'unclear', 'unclear']);
});
