import { describe, expect, it } from 'vitest';

import { drive, folder, place } from '../../backend/fake/samples';
import { driveKind, driveMissing } from './standing';

describe('a drive', () => {
  it('is one of five things', () => {
    expect(driveKind('new')).toBe('new');
    expect(driveKind({ unusable: 'no' })).toBe('unusable');
    expect(driveKind({ ejecting: { what: 'a' } })).toBe('ejecting');
    expect(driveKind({ 'in-use': { places: [], up_to_date: true } })).toBe('in-use');
  });

  it('lacks what its places lack, and what is read from it is told', () => {
    const places = ['/a', '/b', '/c', '/d', '/gone'].map((path) => ({ folder: path, place: 'disk' }));
    const transfers = [{ id: '1', place: 'disk', direction: 'receiving' as const, what: 'x', done: 0, total: 1 }];
    const folders = [
      folder('/a', { places: [place('disk', { wants: 2, wants_bytes: 4_000 })] }),
      folder('/b', { places: [place('disk')], transfers }),
      folder('/c', { places: [place('disk')] }),
      folder('/d', { places: [place('disk')], work: 'held-up' }),
    ];
    expect(driveMissing(drive('d', { standing: { 'in-use': { places, up_to_date: false } } }), folders)).toEqual([
      { folder: '/a', what: '2 files (4.0 kB) left to copy' },
      { folder: '/b', what: 'Anabranch is still reading files from it' },
      { folder: '/d', what: 'Anabranch has not scanned its last changes yet' },
    ]);
    expect(driveMissing(drive('d'), folders)).toEqual([]);
  });
});
