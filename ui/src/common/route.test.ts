import { describe, expect, it } from 'vitest';

import { address, PAGES, parseRoute } from './route';

describe('an address', () => {
  it('names a page, and anything else is the first', () => {
    expect(PAGES.map((page) => parseRoute(address(page)).page)).toEqual([...PAGES]);
    expect(['', '#', '#/', '#/nowhere', '#settings'].map((hash) => parseRoute(hash).page)).toEqual([
      'folders',
      'folders',
      'folders',
      'folders',
      'settings',
    ]);
  });

  it('carries a folder and a file, whatever is in their names', () => {
    const asked = { folder: '/home/ann/a&b=c? #%/صور', file: 'c3a9' };
    expect(parseRoute(address('why', asked))).toEqual({ page: 'why', ...asked });
    expect(parseRoute('#/why?file=%')).toEqual({ page: 'why', folder: '', file: '%' });
  });
});
