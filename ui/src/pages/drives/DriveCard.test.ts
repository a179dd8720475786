import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { drive } from '../../backend/fake/samples';
import type { Answer } from '../../contract';
import { stubBackend, unreachable } from '../../testing/stub';
import DriveCard from './DriveCard.svelte';

describe('a drive', () => {
  const used = drive('DISK', { standing: { 'in-use': { places: [], up_to_date: false } } });

  it('that could not be ejected says why', async () => {
    const backend = stubBackend(unreachable, () => Promise.resolve({ refused: 'a program still uses it; nothing is lost' }));
    render(DriveCard, { drive: used, folders: [], backend, onsaid: vi.fn() });
    await fireEvent.click(screen.getByRole('button', { name: 'Eject when done: DISK' }));
    expect((await screen.findByRole('alert')).textContent).toBe('A program still uses it; nothing is lost');
    expect(backend.request).toHaveBeenCalledWith({ eject: { drive: used.id } });
  });

  it('is kept while the answer to ejecting is still awaited, which is no trouble then', async () => {
    let end: (answer: Answer) => void = () => undefined;
    const backend = stubBackend(unreachable, (request) =>
      typeof request === 'object' && 'eject' in request
        ? new Promise((resolve) => (end = resolve))
        : Promise.resolve({ done: 'it stays' }),
    );
    const onsaid = vi.fn();
    const { rerender } = render(DriveCard, { drive: used, folders: [], backend, onsaid });
    await fireEvent.click(screen.getByRole('button', { name: 'Eject when done: DISK' }));
    await rerender({ drive: { ...used, standing: { ejecting: { what: '1 file left to copy' } } } });
    await fireEvent.click(screen.getByRole('button', { name: 'Don’t eject: DISK' }));
    await waitFor(() => expect(onsaid).toHaveBeenCalledWith('It stays'));
    end({ refused: 'the drive stays, as you asked' });
    // A turn of the event loop: all that follows from the answer is then done.
    await new Promise((turn) => setTimeout(turn));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('that cannot be ejected from here has no button that would', () => {
    render(DriveCard, { drive: { ...used, can_eject: false }, folders: [], backend: stubBackend(unreachable), onsaid: vi.fn() });
    expect(screen.queryByRole('button')).toBeNull();
    expect(screen.getByText(/unmount it as you usually do/)).toBeTruthy();
  });
});
