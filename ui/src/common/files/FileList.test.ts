import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import type { Command, Reply } from '../../contract';
import { file, stubBackend, unreachable } from '../../testing/stub';
import { hex } from '../path';
import FileList from './FileList.svelte';
import { PAGE_SIZE } from './paging';

describe('a list of files', () => {
  it('asks for the pages in sight only, and says when nobody answers', async () => {
    const asked: Command[] = [];
    const backend = stubBackend((command) => {
      asked.push(command);
      return Promise.resolve({ files: { total: 10_000, files: [file('a.jpg')] } });
    });
    render(FileList, { backend, folder: '/a', which: 'all', label: 'Files' });
    await screen.findByRole('link', { name: 'a.jpg' });
    expect(asked).toEqual([{ files: { which: 'all', skip: 0, count: PAGE_SIZE } }]);
    cleanup();
    render(FileList, { backend: stubBackend(unreachable), folder: '/a', which: 'all', label: 'Files' });
    expect((await screen.findByRole('alert')).textContent).toContain('Anabranch did not answer: Error: gone');
  });

  it('does not take the late page of another list for its own', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = stubBackend(() => new Promise((end) => ends.push(end)));
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

describe('a file that waits', () => {
  const listing = (answer: Reply): ReturnType<typeof stubBackend> =>
    stubBackend((command) => (typeof command === 'object' && 'files' in command ? { files: { total: 2, files: [file('a.jpg'), file('b.jpg')] } } : answer));

  it.each([
    [{ 'wanted-by': 'stick' }, 'stick'],
    ['wanted-here' as const, null],
  ])('of %o is put first, and what comes of that is said', async (which, to) => {
    const backend = listing({ said: 'it is the next to go' });
    render(FileList, { backend, folder: '/a', which, label: 'Files' });
    const list = await screen.findByRole('region', { name: 'Files' });
    await fireEvent.click(await within(list).findByRole('button', { name: 'Copy first: b.jpg' }));
    expect(backend.ask).toHaveBeenLastCalledWith('/a', { first: { path: hex('b.jpg'), place: to } });
    expect((await screen.findByText('b.jpg: it is the next to go')).closest('[role=status]')).toBeTruthy();
  });

  it('that a rule holds back is refused in words', async () => {
    const backend = listing({ refused: 'a rule keeps a.jpg from stick' });
    render(FileList, { backend, folder: '/a', which: { 'wanted-by': 'stick' }, label: 'Files' });
    await fireEvent.click(await screen.findByRole('button', { name: 'Copy first: a.jpg' }));
    expect((await screen.findByRole('alert')).textContent).toBe('A rule keeps a.jpg from stick');
  });

  it('for nothing is not put first', async () => {
    render(FileList, { backend: listing('done'), folder: '/a', which: 'few-copies', label: 'Files' });
    await screen.findByRole('link', { name: 'a.jpg' });
    expect(screen.queryByRole('button')).toBeNull();
  });
});
