import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { slowBackend } from '../../testing/stub';
import AddFolder from './AddFolder.svelte';

describe('a path that was not looked at yet', () => {
  const type = (label: string, path: string): Promise<boolean> =>
    fireEvent.input(screen.getByLabelText(label), { target: { value: path } });

  it('is added when that is known, if it was asked for before, and once', async () => {
    const { backend, say, asked } = slowBackend();
    const onadded = vi.fn();
    render(AddFolder, { backend, onadded });
    await type('Folder', '/a');
    await fireEvent.click(screen.getByRole('button', { name: 'Protect this folder' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Loading…' }));
    expect(asked()).toEqual([]);
    say('directory');
    await waitFor(() => expect(onadded).toHaveBeenCalledWith('/full/a'));
    expect(asked()).toEqual([{ add: { path: '/full/a' } }]);
  });

  it('is not added if it cannot be, or another was typed since', async () => {
    const { backend, say, asked } = slowBackend();
    render(AddFolder, { backend, onadded: vi.fn() });
    const button = (name: string): Promise<HTMLElement> => screen.findByRole('button', { name });
    await type('Folder', '/a');
    await fireEvent.click(await button('Protect this folder'));
    await type('Folder', '/b');
    say('directory');
    await fireEvent.click(await button('Protect this folder'));
    say('kept');
    await screen.findByText('Anabranch syncs this folder already.');
    expect((await button('Protect this folder')).getAttribute('aria-disabled')).toBe('true');
    expect(asked()).toEqual([]);
  });
});
