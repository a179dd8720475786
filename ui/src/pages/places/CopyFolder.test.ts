import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';

import { slowBackend } from '../../testing/stub';
import CopyFolder from './CopyFolder.svelte';

it('a path that was not looked at yet gets the copies of the folder for which it was asked', async () => {
  const { backend, say, asked } = slowBackend();
  const { rerender } = render(CopyFolder, { backend, folder: '/home/Photos' });
  await fireEvent.input(screen.getByLabelText('Path for the copies of Photos'), { target: { value: '/a' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Keep copies there' }));
  await rerender({ folder: '/home/Notes' });
  say('nothing');
  await screen.findByText('It is done');
  expect(asked()).toEqual([{ 'clone-to': { folder: '/home/Photos', path: '/full/a' } }]);
});
