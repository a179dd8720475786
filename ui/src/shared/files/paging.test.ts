import { expect, it } from 'vitest';

import { PAGE, pagesOf } from './paging';

it('a long list is asked for by the pages in sight', () => {
  expect(pagesOf({ first: 0, end: 16 })).toEqual([0]);
  expect(pagesOf({ first: PAGE - 1, end: PAGE + 1 })).toEqual([0, 1]);
  expect(pagesOf({ first: PAGE, end: 2 * PAGE })).toEqual([1]);
  expect(pagesOf({ first: 3, end: 3 })).toEqual([]);
});
