import { expect, it } from 'vitest';

import { isDark } from './dark';

it('the setting of the look goes before the desktop', () => {
  expect([isDark('system', true), isDark('system', false)]).toEqual([true, false]);
  expect([isDark('dark', false), isDark('light', true)]).toEqual([true, false]);
});
