import { expect, it } from 'vitest';

import { place } from '../backend/fake/samples';
import { contactKind, contactReason, lacks } from './place';

it('it is said what a place lacks, and why it cannot be reached', () => {
  expect(lacks(place('x'))).toBe('Up to date');
  expect(lacks(place('x', { has_commits: false }))).toBe('Does not have the latest changes yet');
  expect(lacks(place('x', { takes_nothing: 'gets no content' }))).toBe('Gets no content');
  expect(lacks(place('x', { wants: 1, wants_bytes: 1e6 }))).toBe('1 file (1.0 MB) left to copy');
  expect(contactKind({ unsupported: 'later' })).toBe('unsupported');
  expect(contactReason({ away: 'not plugged in' })).toBe('Not plugged in');
  expect(contactReason('here')).toBe('');
});
