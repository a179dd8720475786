import { expect, it } from 'vitest';

import { place } from '../backend/fake/samples';
import { contactKind, contactReason, lacks, ways } from './place';

it('it is said what a place lacks, and why it cannot be reached', () => {
  expect(lacks(place('x'))).toBe('Up to date');
  expect(lacks(place('x', { has_commits: false }))).toBe('Does not have the latest changes yet');
  expect(lacks(place('x', { takes_nothing: 'gets no content' }))).toBe('Gets no content');
  expect(lacks(place('x', { wants: 1, wants_bytes: 1e6 }))).toBe('1 file (1.0 MB) left to copy');
  expect(contactKind({ unsupported: 'later' })).toBe('unsupported');
  expect(contactReason({ away: 'not plugged in' })).toBe('Not plugged in');
  expect(contactReason('here')).toBe('');
});

it('how far a place is and each other way to it is told', () => {
  const other_ways = [
    { name: 'vpn', contact: 'here' as const },
    { name: 'radio', contact: 'unknown' as const },
    { name: 'cable', contact: { away: 'desk cannot be reached' } },
  ];
  expect(ways(place('desk'))).toEqual([]);
  expect(ways(place('desk', { round_trip: 0 }))).toEqual(['Less than 1 ms away']);
  expect(ways(place('desk', { round_trip: 12, other_ways }))).toEqual([
    '12 ms away',
    'Also connected as vpn',
    'Connecting as radio…',
    'Not connected as cable: desk cannot be reached',
  ]);
});
