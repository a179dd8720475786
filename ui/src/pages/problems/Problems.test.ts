import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';

import { problem, status } from '../../backend/fake/samples';
import { stubBackend } from '../../testing/stub';
import Problems from './Problems.svelte';

it('a problem has the one button that helps, and otherwise none', async () => {
  const problems = [
    problem('one', { action: { sync: { folder: '/a/Photos' } } }),
    problem('two', { action: { leave: { folder: '/a/Notes' } } }),
    problem('three', { action: 'see-drives' }),
    problem('four', { action: { show: { path: '/a/Photos' } } }),
    problem('five'),
  ];
  const backend = stubBackend(
    () => Promise.resolve({ refused: 'it is paused' }),
    () => Promise.resolve({ done: 'it is left' }),
  );
  render(Problems, { status: status([], { problems }), backend });
  expect(screen.getAllByRole('button').length).toBe(3);
  await fireEvent.click(screen.getByRole('button', { name: 'Sync now: Photos' }));
  expect((await screen.findByRole('alert')).textContent).toBe('It is paused');
  expect(backend.ask).toHaveBeenCalledWith('/a/Photos', 'sync');
  await fireEvent.click(screen.getByRole('button', { name: 'Stop syncing Notes…' }));
  await fireEvent.click(screen.getByRole('button', { name: 'Stop syncing it' }));
  expect(backend.request).toHaveBeenCalledWith({ leave: { folder: '/a/Notes' } });
  await fireEvent.click(screen.getByRole('button', { name: 'Show it: /a/Photos' }));
  expect(backend.show).toHaveBeenCalledWith('/a/Photos');
  expect(screen.getByRole('link', { name: 'See the drives' }).getAttribute('href')).toBe('#/drives');
});
