import { expect, it } from 'vitest';

import { folder, status } from '../../backend/fake/samples';
import { recentChanges } from './recent';

it('what happened in all folders is given newest first', () => {
  const at = (...times: number[]): { at: number; what: string }[] => times.map((one) => ({ at: one, what: `${one}` }));
  const folders = [folder('/a', { recent: at(9, 3) }), folder('/b', { recent: at(7, 1) })];
  expect(recentChanges(status(folders)).map(({ at, folder }) => `${folder} ${at}`)).toEqual(['/a 9', '/b 7', '/a 3', '/b 1']);
});
