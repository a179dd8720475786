import { expect, it } from 'vitest';

import { folder, refusing, status } from '../../backend/fake/samples';
import { headline, overall } from './headline';

it('the headline of a folder speaks of the window, not of the command line', () => {
  const now = new Date(2026, 10, 24, 15, 0);
  const paused = folder('/a', { state: 'paused', headline: "paused; 'anabranch resume' lets it go on" });
  expect(headline(paused, now)).not.toContain('anabranch');
  expect(headline(folder('/a', { state: 'working', headline: 'scanning for changes' }), now)).toBe('Scanning for changes');
});

it('all folders are summed up in one sentence', () => {
  const needy = folder('/home/ann/Papers', { state: 'needs-you' });
  expect(overall(status([folder('/a')]))).toBe('Your folder is safe.');
  expect(overall(status([folder('/a'), folder('/b')]))).toBe('All 2 folders are safe.');
  expect(overall(status([folder('/a'), needy]))).toBe('2 folders: 1 needs you, 1 safe.');
  expect(overall(status([needy, needy]))).toBe('2 folders: 2 need you.');
  const gone = [{ path: '/gone', why: 'it is not there' }];
  expect(overall(refusing(status([folder('/a')]), gone))).toBe('2 folders: 1 needs you, 1 safe.');
  expect(overall(refusing(status([]), gone))).toBe('1 folder: 1 needs you.');
});
