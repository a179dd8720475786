import { expect, it } from 'vitest';

import { folder, status } from '../backend/fake/samples';
import { announcement } from './announcement';

it('a status is told again only where a state changed', () => {
  const before = status([folder('/a'), folder('/home/b')]);
  const after = status([folder('/a', { keys: 5 }), folder('/home/b', { state: 'working' }), folder('/new')]);
  expect(announcement(null, before)).toBe('');
  expect(announcement(before, before)).toBe('');
  expect(announcement(before, after)).toBe('b: Working');
});
