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
    expect(screen.queryByText('Choose a folder to protect')).toBeNull();
    const card = screen.getByRole('article', { name: 'Films' });
    expect(card.textContent).toContain('It is not there');
    await fireEvent.click(screen.getByRole('button', { name: 'Stop syncing Films…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Stop syncing it' }));
    expect(backend.request).toHaveBeenCalledWith({ leave: { folder: '/media/STICK/Films' } });
  });

  it('is not forgotten where the settings cannot be read', () => {
    const unread = status([], { problems: [problem('Anabranch cannot read the settings: line 2')] });
    render(Folders, { status: unread, backend: stubBackend(unreachable) });
    expect(screen.getByText('Anabranch syncs no folder yet.')).toBeTruthy();
  });
});
