import { describe, expect, it } from 'vitest';

import { visibleRows } from './visible-rows';

describe('a long list', () => {
  it('makes the rows in sight and few more', () => {
    expect(visibleRows(10_000, 50, 0, 500)).toEqual({ first: 0, end: 16 });
    expect(visibleRows(10_000, 50, 250_000, 500)).toEqual({ first: 4_994, end: 5_016 });
    expect(visibleRows(10_000, 50, 499_500, 500)).toEqual({ first: 9_984, end: 10_000 });
  });

  it('that became shorter than it was scrolled makes no rows before its end', () => {
    expect(visibleRows(3, 50, 10_000, 500)).toEqual({ first: 3, end: 3 });
    expect(visibleRows(0, 50, 0, 500)).toEqual({ first: 0, end: 0 });
  });
});
