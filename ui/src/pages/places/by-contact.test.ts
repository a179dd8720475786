import { expect, it } from 'vitest';

import { folder, place, status } from '../../backend/fake/samples';
import { placesByContact } from './by-contact';

it('places are given by contact, the neediest first', () => {
  const away = { away: 'not plugged in' };
  const folders = [
    folder('/a', { places: [place('x', { contact: away }), place('y')] }),
    folder('/b', { places: [place('z', { contact: away, wants: 1, wants_bytes: 5 })] }),
  ];
  expect(placesByContact(status(folders)).map(({ kind, places }) => [kind, ...places.map((one) => one.place.name)])).toEqual([
    ['here', 'y'],
    ['away', 'z', 'x'],
  ]);
  expect(placesByContact(status([]))).toEqual([]);
});
