import { describe, expect, it } from 'vitest';

import { drive, folder, folderSettings, place, settings } from '../backend/fake/samples';
import { withFolderSetting, withSetting } from '../backend/fake/settings';
import type { FolderSetting, Setting } from '../contract';
import { driveKind, driveMissing } from '../pages/drives/drives';
import { pauseEnd, pauseSentence } from '../pages/folders/pause';
import { copies, isDark, isWritten, limit, limitWords, reserve, undo, undoFolder } from '../pages/settings/settings';
import { PAGE, pagesOf } from './paging';
import { hex, isText } from './path';
import { address, PAGES, route } from './route';

describe('an address', () => {
  it('names a page, and anything else is the first', () => {
    expect(PAGES.map((page) => route(address(page)).page)).toEqual([...PAGES]);
    expect(['', '#', '#/', '#/nowhere', '#settings'].map((hash) => route(hash).page)).toEqual([
      'folders',
      'folders',
      'folders',
      'folders',
      'settings',
    ]);
  });

  it('carries a folder and a file, whatever is in their names', () => {
    const asked = { folder: '/home/ann/a&b=c? #%/صور', file: 'c3a9' };
    expect(route(address('why', asked))).toEqual({ page: 'why', ...asked });
    expect(route('#/why?file=%')).toEqual({ page: 'why', folder: '', file: '%' });
  });
});

describe('a pause', () => {
  const now = new Date(2026, 10, 30, 23, 50);

  it('ends when it says', () => {
    const seconds = now.getTime() / 1000;
    expect(pauseEnd('half-hour', now)).toBe(seconds + 1_800);
    expect(pauseEnd('hour', now)).toBe(seconds + 3_600);
    const until = (...at: [number, number, number, number, number]): number => pauseEnd('tomorrow', new Date(...at)) ?? 0;
    const morning = (day: number): number => new Date(2026, 11, day, 7).getTime() / 1000;
    expect(pauseEnd('tomorrow', now)).toBe(morning(1));
    expect([until(2026, 11, 1, 0, 0), until(2026, 11, 1, 6, 59), until(2026, 11, 1, 7, 0)]).toEqual([1, 1, 2].map(morning));
    expect(pauseEnd('open', now)).toBeNull();
  });

  it('says why and until when', () => {
    const until = new Date(2026, 11, 1, 7).getTime() / 1000;
    expect(pauseSentence({ reason: 'asked', until }, now)).toBe('Nothing is sent or received until 1 Dec, 07:00.');
    expect(pauseSentence({ reason: 'asked', until: null }, now)).toContain('until you resume');
    expect(pauseSentence(null, now)).toContain('until you resume');
    expect(pauseSentence({ reason: 'battery', until: null }, now)).toContain('battery');
  });
});

describe('a setting', () => {
  it('that was changed is put back', () => {
    const before = settings({ limit_up: 5, limit_down: null, look: 'dark' });
    const changes: Setting[] = [
      { autostart: false },
      { notifications: false },
      { 'limit-up': null },
      { 'limit-down': 7 },
      { 'pause-on-battery': true },
      { 'pause-on-metered': false },
      { look: 'light' },
    ];
    for (const change of changes) {
      const after = withSetting(before, change);
      expect(after).not.toEqual(before);
      expect(withSetting(after, undo(change, before))).toEqual(before);
    }
    expect(undo({ autostart: true }, settings({ autostart: null }))).toEqual({ autostart: false });
  });

  it('of a limit is read as people write it', () => {
    expect(['2.5', ' 2,5 ', '', '0.001', '40'].map(limit)).toEqual([2_500_000, 2_500_000, null, 1_000, 40_000_000]);
    for (const wrong of ['0', '-1', 'fast', '1 MB', 'Infinity', 'NaN', '0.0000001', '1e300']) {
      expect(limit(wrong), wrong).toBe('not-a-limit');
    }
    expect(['1,000', ' 12,500 '].map(limit)).toEqual(['unclear', 'unclear']);
    expect(['0,125', '1.125', '1,25', '1000,250'].map(limit)).toEqual([125_000, 1_125_000, 1_250_000, 1_000_250_000]);
    expect([null, 1, 1_000, 2_500_000].map((bytes) => limit(limitWords(bytes)))).toEqual([null, 1, 1_000, 2_500_000]);
  });

  it('of the look goes before the desktop', () => {
    expect([isDark('system', true), isDark('system', false)]).toEqual([true, false]);
    expect([isDark('dark', false), isDark('light', true)]).toEqual([true, false]);
  });
});

describe('a setting of a folder', () => {
  it('that was changed is put back to where it was written', () => {
    const before = folderSettings({
      copies: { value: '2', origin: 'here' },
      reserve: { value: '7 MB', origin: 'here' },
      unlocked: { value: 'true', origin: 'here' },
    });
    const changes: FolderSetting[] = [{ copies: 3 }, { reserve: '5 GB' }, { reserve: null }, { unlocked: false }];
    for (const change of changes) {
      const after = withFolderSetting(before, change);
      expect([isWritten(change, before), isWritten(change, after)]).toEqual([false, true]);
      expect(withFolderSetting(after, undoFolder(change, before))).toEqual(before);
    }
    // What stands elsewhere, or nowhere, is not written here by being put back.
    const elsewhere = folderSettings({ reserve: { value: '7 MB', origin: { weaker: 'git' } } });
    expect(undoFolder({ reserve: '5 GB' }, elsewhere)).toEqual({ reserve: null });
    expect(undoFolder({ unlocked: true }, elsewhere)).toEqual({ unlocked: null });
    expect(undoFolder({ copies: 3 }, elsewhere)).toEqual({ copies: 1 });
    expect([isWritten({ reserve: '7 MB' }, elsewhere), isWritten({ reserve: null }, elsewhere)]).toEqual([false, true]);
  });

  it('is read as people write it', () => {
    expect([' 2 ', '4294967295'].map(copies)).toEqual([{ copies: 2 }, { copies: 4_294_967_295 }]);
    for (const wrong of ['', '0', '-1', '1.5', 'two', '4294967296', '1e3']) {
      expect(copies(wrong), wrong).toBe('not-copies');
    }
    expect([' 2,5 GB ', '', '0', '10 gib'].map(reserve)).toEqual([
      { reserve: '2.5 GB' },
      { reserve: null },
      { reserve: '0' },
      { reserve: '10 gib' },
    ]);
    expect(['500', '2.5', '1,000 MB', '1,000'].map(reserve)).toEqual(['no-unit', 'no-unit', 'unclear', 'unclear']);
  });
});

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
      { folder: '/a', what: '2 files (4.0 kB) still to come' },
      { folder: '/b', what: 'files are still read from it' },
      { folder: '/d', what: 'its last changes are not looked at yet' },
    ]);
    expect(driveMissing(drive('d'), folders)).toEqual([]);
  });
});

describe('a long list', () => {
  it('is asked for by the pages in sight', () => {
    expect(pagesOf({ first: 0, end: 16 })).toEqual([0]);
    expect(pagesOf({ first: PAGE - 1, end: PAGE + 1 })).toEqual([0, 1]);
    expect(pagesOf({ first: PAGE, end: 2 * PAGE })).toEqual([1]);
    expect(pagesOf({ first: 3, end: 3 })).toEqual([]);
  });
});

it('a path is text if its bytes are those of what is shown', () => {
  expect(isText({ shown: 'é/a', bytes: hex('é/a') })).toBe(true);
  expect(isText({ shown: '�', bytes: 'ff' })).toBe(false);
});
