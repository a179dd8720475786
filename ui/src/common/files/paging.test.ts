import { expect, it } from 'vitest';

import { PAGE_SIZE, pagesOf } from './paging';

it('a long list is asked for by the pages in sight', () => {
  expect(pagesOf({ first: 0, end: 16 })).toEqual([0]);
  expect(pagesOf({ first: PAGE_SIZE - 1, end: PAGE_SIZE + 1 })).toEqual([0, 1]);
  expect(pagesOf({ first: PAGE_SIZE, end: 2 * PAGE_SIZE })).toEqual([1]);
  expect(pagesOf({ first: 3, end: 3 })).toEqual([]);
});
