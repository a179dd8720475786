import { expect, it } from 'vitest';

import { folderSettings, settings } from '../../backend/fake/samples';
import { withFolderSetting, withSetting } from '../../backend/fake/settings';
import type { FolderSetting, Setting } from '../../contract';
import { isWritten, undo, undoFolder } from './undo';

it('a setting that was changed is put back', () => {
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

it('a setting of a folder that was changed is put back to where it was written', () => {
  const before = folderSettings({
    copies: { value: '2', origin: 'here' },
    reserve: { value: '7 MB', origin: 'here' },
    unlocked: { value: 'true', origin: 'here' },
  });
  const changes: FolderSetting[] = [
    { copies: 3 },
    { reserve: '5 GB' },
    { reserve: null },
    { unlocked: false },
    { 'quick-git': true },
  ];
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
