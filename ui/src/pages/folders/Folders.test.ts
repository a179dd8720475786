import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { problem, refusing, status } from '../../backend/fake/samples';
import { stubBackend, unreachable } from '../../testing/stub';
import Folders from './Folders.svelte';

describe('a folder that cannot be kept', () => {
  const refused = refusing(status([]), [{ path: '/media/STICK/Films', why: 'it is not there' }]);

  it('is no first run, says why, and can be let go', async () => {
    const backend = stubBackend(unreachable, () => Promise.resolve({ done: 'it is left' }));
    render(Folders, { status: refused, backend });
    expect(screen.queryByText('Which folder is to be kept safe?')).toBeNull();
    const card = screen.getByRole('article', { name: 'Films' });
    expect(card.textContent).toContain('It is not there');
    await fireEvent.click(screen.getByRole('button', { name: 'Stop keeping Films…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Stop keeping it' }));
    expect(backend.request).toHaveBeenCalledWith({ leave: { folder: '/media/STICK/Films' } });
  });

  it('is not forgotten where the settings cannot be read', () => {
    const unread = status([], { problems: [problem('The settings cannot be read: line 2')] });
    render(Folders, { status: unread, backend: stubBackend(unreachable) });
    expect(screen.getByText('No folder is kept in sync.')).toBeTruthy();
  });
});
