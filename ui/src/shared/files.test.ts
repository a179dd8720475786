import { cleanup, fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { folder, place, status } from '../backend/fake/samples';
import type { Command, Folder, Reply } from '../contract';
import FolderCard from '../pages/folders/FolderCard.svelte';
import Places from '../pages/places/Places.svelte';
import { file, nobody, program } from '../testing/program';
import FileList from './FileList.svelte';
import { PAGE } from './paging';

afterEach(cleanup);

describe('a list of files', () => {
  it('asks for the pages in sight only, and says when nobody answers', async () => {
    const asked: Command[] = [];
    const backend = program((command) => {
      asked.push(command);
      return Promise.resolve({ files: { total: 10_000, files: [file('a.jpg')] } });
    });
    render(FileList, { backend, folder: '/a', which: 'all', label: 'Files' });
    await screen.findByRole('link', { name: 'a.jpg' });
    expect(asked).toEqual([{ files: { which: 'all', skip: 0, count: PAGE } }]);
    cleanup();
    render(FileList, { backend: program(nobody), folder: '/a', which: 'all', label: 'Files' });
    expect((await screen.findByRole('alert')).textContent).toContain('could not be asked: Error: gone');
  });

  const stick = place('stick', { wants: 2, wants_bytes: 9 });
  const moving = folder('/a', { state: 'working', places: [stick], recent: [{ at: 5, what: 'received 1 file from b' }] });
  const openings: [string, () => Promise<unknown>][] = [
    ['of a place', () => fireEvent.click(screen.getByRole('button', { name: 'Show files: stick' }))],
    ['to come', () => fireEvent.click(screen.getByText('Files that wait to come here'))],
  ];
  it.each(openings)('%s is read anew when something happened, not with every progress, and stays in place', async (_, open) => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = program(() => new Promise((end) => ends.push(end)));
    const { rerender } = render(FolderCard, { folder: moving, backend });
    await open();
    await waitFor(() => expect(ends.length).toBe(1));
    ends[0]?.({ files: { total: 2, files: [file('a.jpg'), file('b.jpg')] } });
    const link = await screen.findByRole('link', { name: 'a.jpg' });
    link.focus();
    const progress = { id: '1', place: 'stick', direction: 'sending' as const, what: 'x', total: 9 };
    for (const done of [1, 2, 3]) {
      await rerender({ folder: { ...moving, transfers: [{ ...progress, done }] } });
    }
    expect(ends.length).toBe(1);
    const happened = { ...moving, recent: [...moving.recent, ...moving.recent] };
    await rerender({ folder: happened });
    await waitFor(() => expect(ends.length).toBe(2));
    expect(document.activeElement).toBe(link);
    ends[1]?.({ files: { total: 1, files: [file('b.jpg')] } });
    await screen.findByRole('link', { name: 'b.jpg' });
    expect(document.activeElement).toBe(link);
    await rerender({ folder: { ...happened, state: 'safe' } });
    expect(document.activeElement).toBe(link);
  });

  it('does not take the late page of another list for its own', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = program(() => new Promise((end) => ends.push(end)));
    const { rerender } = render(FileList, { backend, folder: '/a', which: { named: 'a' }, label: 'Files' });
    await rerender({ which: { named: 'ab' } });
    await waitFor(() => expect(ends.length).toBe(2));
    ends[1]?.({ files: { total: 1, files: [file('ab.jpg')] } });
    await screen.findByRole('link', { name: 'ab.jpg' });
    ends[0]?.({ files: { total: 1, files: [file('late.jpg')] } });
    // A turn of the event loop: all that follows from the late page is then done.
    await new Promise((turn) => setTimeout(turn));
    expect(screen.queryByText('late.jpg')).toBeNull();
  });
});

describe('a place', () => {
  it('says how long it still takes, and no more when nothing moves or all is paused', async () => {
    vi.useFakeTimers();
    try {
      const stick = place('stick', { wants: 1, wants_bytes: 1_000 });
      const progress = { id: '1', place: 'stick', direction: 'sending' as const, what: 'x', total: 1_000 };
      const at = (done: number): Folder => folder('/a', { state: 'working', places: [stick], transfers: [{ ...progress, done }] });
      const { rerender } = render(FolderCard, { folder: at(0), backend: program(nobody) });
      const move = async (from: number): Promise<void> => {
        for (let second = 1; second <= 7; second += 1) {
          await rerender({ folder: at(from + second) });
          await vi.advanceTimersByTimeAsync(1_000);
        }
      };
      await move(0);
      expect(screen.getByText('1 file (1.0 kB) still to come, about 15 minutes left')).toBeTruthy();
      await vi.advanceTimersByTimeAsync(20_000);
      expect(screen.getByText('1 file (1.0 kB) still to come')).toBeTruthy();
      await move(7);
      expect(screen.getByText(/left/)).toBeTruthy();
      await rerender({ folder: { ...at(14), state: 'paused', pause: { reason: 'asked', until: null } } });
      expect(screen.queryByText(/left/)).toBeNull();
    } finally {
      vi.useRealTimers();
    }
  });
});

describe('the places', () => {
  it('list the files that wait for one, and those of few copies, and ask once while nothing changes', async () => {
    const asked: Command[] = [];
    const backend = program((command) => {
      asked.push(command);
      return Promise.resolve({ files: { total: 1, files: [file('a.jpg')] } });
    });
    const photos = folder('/a/Photos', { few_copies: 2, places: [place('stick', { wants: 3, wants_bytes: 5 })] });
    const { rerender } = render(Places, { status: status([photos]), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Show files: stick, Photos' }));
    await screen.findByRole('region', { name: 'Files that stick waits for' });
    await fireEvent.click(screen.getByRole('button', { name: 'Show files: Photos' }));
    await screen.findByRole('region', { name: 'Files of Photos with fewer copies than wanted' });
    await rerender({ status: status([structuredClone(photos)]) });
    expect(asked).toEqual([
      { files: { which: { 'wanted-by': 'stick' }, skip: 0, count: PAGE } },
      { files: { which: 'few-copies', skip: 0, count: PAGE } },
    ]);
  });
});
