import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { folder, place } from '../../backend/fake/samples';
import type { Folder, Place, Progress } from '../../contract';
import { stubBackend, unreachable } from '../../testing/stub';
import FolderCard from './FolderCard.svelte';

const film = (id: string, what: string): Progress => ({ id, place: 'stick', direction: 'sending', what, done: 1, total: 9 });

function sending(transfers: Progress[], differs: Partial<Place> = {}): Folder {
  return folder('/a', { state: 'working', places: [place('stick', { wants: 2, wants_bytes: 90, ...differs })], transfers });
}

describe('a place', () => {
  it('says how long it still takes, and no more when nothing moves or all is paused', async () => {
    vi.useFakeTimers();
    try {
      const stick = place('stick', { wants: 1, wants_bytes: 1_000 });
      const progress = { id: '1', place: 'stick', direction: 'sending' as const, what: 'x', total: 1_000 };
      const at = (done: number): Folder => folder('/a', { state: 'working', places: [stick], transfers: [{ ...progress, done }] });
      const { rerender } = render(FolderCard, { folder: at(0), backend: stubBackend(unreachable) });
      const move = async (from: number): Promise<void> => {
        for (let second = 1; second <= 7; second += 1) {
          await rerender({ folder: at(from + second) });
          await vi.advanceTimersByTimeAsync(1_000);
        }
      };
      await move(0);
      expect(screen.getByText('1 file (1.0 kB) left to copy, about 15 minutes left')).toBeTruthy();
      await vi.advanceTimersByTimeAsync(20_000);
      expect(screen.getByText('1 file (1.0 kB) left to copy')).toBeTruthy();
      await move(7);
      expect(screen.getByText(/, about .* left/)).toBeTruthy();
      await rerender({ folder: { ...at(14), state: 'paused', pause: { reason: 'asked', until: null } } });
      expect(screen.queryByText(/, about .* left/)).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('a transfer', () => {
  it('is cancelled by its name, and the focus is not lost with it', async () => {
    const backend = stubBackend(() => 'done');
    const { rerender } = render(FolderCard, { folder: sending([film('1', 'a.mkv'), film('2', 'b.mkv')]), backend });
    const button = screen.getByRole('button', { name: 'Cancel: a.mkv' });
    button.focus();
    await fireEvent.click(button);
    // Before the status tells it.
    await fireEvent.click(button);
    expect(backend.ask.mock.calls).toEqual([['/a', { cancel: { transfer: '1' } }]]);
    const until = Math.floor(Date.now() / 1000) + 60;
    await rerender({ folder: sending([film('2', 'b.mkv')], { held: { files: 1, until } }) });
    expect(screen.getByText(/^1 file was cancelled and resumes at .*\. “Sync now” or “Copy first” resumes it at once\.$/)).toBeTruthy();
    expect(document.activeElement?.textContent).toBe('stick');
    // Another one that ends takes nothing away.
    const other = screen.getByRole('button', { name: 'Cancel: b.mkv' });
    other.focus();
    await rerender({ folder: sending([film('2', 'b.mkv'), film('3', 'c.mkv')]) });
    expect(document.activeElement).toBe(other);
  });

  it('that has ended already is not cancelled, and that is said', async () => {
    const backend = stubBackend(() => ({ refused: 'that transfer has ended already; nothing was cancelled' }));
    render(FolderCard, { folder: sending([film('1', 'a.mkv')]), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Cancel: a.mkv' }));
    expect((await screen.findByRole('alert')).textContent).toBe('That transfer has ended already; nothing was cancelled');
  });

  it('moves the bar of its place, which does not go back when it has ended', async () => {
    const backend = stubBackend(() => 'done');
    const value = (): number => screen.getByRole<HTMLProgressElement>('progressbar', { name: 'Copied to stick' }).value;
    const whole = { bytes: 100 };
    const { rerender } = render(FolderCard, { folder: { ...sending([{ ...film('1', 'a.mkv'), done: 0 }]), ...whole }, backend });
    expect(value()).toBe(10);
    await rerender({ folder: { ...sending([{ ...film('1', 'a.mkv'), done: 9 }]), ...whole } });
    expect(value()).toBe(19);
    await rerender({ folder: { ...sending([]), ...whole } });
    expect(value()).toBe(19);
    await rerender({ folder: { ...sending([], { wants: 1, wants_bytes: 81 }), ...whole } });
    expect(value()).toBe(19);
  });

  it('that did not bring what it was to bring moves the bar back, though no status says so', async () => {
    vi.useFakeTimers();
    try {
      const value = (): number => screen.getByRole<HTMLProgressElement>('progressbar', { name: 'Copied to stick' }).value;
      const whole = { bytes: 100 };
      const { rerender } = render(FolderCard, { folder: { ...sending([film('1', 'a.mkv')]), ...whole }, backend: stubBackend(() => 'done') });
      await rerender({ folder: { ...sending([{ ...film('1', 'a.mkv'), done: 9 }]), ...whole } });
      await rerender({ folder: { ...sending([]), ...whole } });
      expect(value()).toBe(19);
      await vi.advanceTimersByTimeAsync(40_000);
      expect(value()).toBe(10);
    } finally {
      vi.useRealTimers();
    }
  });

  it('to the folder that was cancelled is told of with the folder', () => {
    render(FolderCard, { folder: folder('/a', { state: 'waiting', held: { files: 3, until: 1 } }), backend: stubBackend(() => 'done') });
    expect(screen.getByText(/^3 files were cancelled and resume from 1 Jan 1970/)).toBeTruthy();
  });
});
