import { describe, expect, it } from 'vitest';

import { folder } from '../backend/fake/samples';
import { changeStamp, folderName } from './folder';

describe('a folder', () => {
  it('has another stamp when the same happened twice in a second', () => {
    const change = { at: 9, what: 'got changes from desk' };
    const stamps = [[], [change], [change, change], [{ ...change, at: 10 }, change]].map((recent) => changeStamp(folder('/a', { recent })));
    expect(new Set(stamps).size).toBe(4);
  });

  it('is named by the end of its path', () => {
    expect(['/home/ann/Photos', '/home/ann/صور/', '/'].map(folderName)).toEqual(['Photos', 'صور', '/']);
  });
});
