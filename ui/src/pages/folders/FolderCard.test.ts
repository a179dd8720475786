import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { folder, place } from '../../backend/fake/samples';
import type { Reply } from '../../contract';
import { file, stubBackend } from '../../testing/stub';
import FolderCard from './FolderCard.svelte';

describe('a folder', () => {
  it('is paused, or goes on', async () => {
    const backend = stubBackend(() => Promise.resolve('done'));
    const { rerender } = render(FolderCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Pause…: Photos' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Until I resume' }));
    await rerender({ folder: folder('/a/Photos', { state: 'paused', pause: { reason: 'asked', until: null } }), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Resume: Photos' }));
    expect(backend.ask.mock.calls).toEqual([
      ['/a/Photos', { pause: { until: null } }],
      ['/a/Photos', 'resume'],
    ]);
  });

  it.each(['needs-you', 'stopped'] as const)('that is paused says so and goes on, also where its state is %s', async (state) => {
    const backend = stubBackend(() => Promise.resolve('done'));
    const paused = folder('/a/Photos', { state, headline: 'x', pause: { reason: 'asked', until: null } });
    render(FolderCard, { folder: paused, backend });
    expect(screen.getByText('Paused until you resume.')).toBeTruthy();
    await fireEvent.click(screen.getByRole('button', { name: 'Resume: Photos' }));
    expect(backend.ask).toHaveBeenCalledWith('/a/Photos', 'resume');
  });

  it('syncs once, however often it is clicked, and again afterwards', async () => {
    let end: (reply: Reply) => void = () => undefined;
    const backend = stubBackend(() => new Promise((resolve) => (end = resolve)));
    render(FolderCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Sync now: Photos' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Syncing…: Photos' }));
    expect(backend.ask).toHaveBeenCalledTimes(1);
    end('done');
    await screen.findByRole('button', { name: 'Sync now: Photos' });
  });

  it('says why something was refused, and when nobody answers', async () => {
    const backend = stubBackend(() => Promise.resolve({ refused: 'it is being removed' }));
    render(FolderCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Sync now: Photos' }));
    expect((await screen.findByRole('alert')).textContent).toBe('It is being removed');
    backend.ask.mockRejectedValueOnce(new Error('gone'));
    await fireEvent.click(screen.getByRole('button', { name: 'Pause…: Photos' }));
    await fireEvent.click(screen.getByRole('button', { name: '1 hour' }));
    expect((await screen.findByText(/did not answer/)).textContent).toContain('gone');
  });

  it('passes both answers on', async () => {
    const backend = stubBackend(() => Promise.resolve('done'));
    render(FolderCard, { folder: folder('/a/Photos', { question: { id: 'removed', text: 'Deleted on purpose?', yes: 'Delete them', no: 'Bring them back', typed: null } }), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Bring them back' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Delete them' }));
    expect(backend.ask.mock.calls.map(([, command]) => command)).toEqual([
      { answer: { question: 'removed', yes: false } },
      { answer: { question: 'removed', yes: true } },
    ]);
  });

  it('passes on what was typed, and shows a secret nowhere', async () => {
    const backend = stubBackend(() => Promise.resolve('done'));
    const question = { id: 'login-1', text: 'desk wants the password of ann.', yes: 'Log in', no: "Don't log in", typed: 'secret' as const };
    const { container } = render(FolderCard, { folder: folder('/a/Photos', { question }), backend });
    const field = screen.getByLabelText<HTMLInputElement>('Your answer');
    expect(field.type).toBe('password');
    await fireEvent.input(field, { target: { value: 'open sesame' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Log in' }));
    expect(backend.ask.mock.calls.map(([, command]) => command)).toEqual([{ enter: { question: 'login-1', text: 'open sesame' } }]);
    await waitFor(() => expect(field.value).toBe(''));
    expect(container.innerHTML).not.toContain('sesame');
  });
});

describe('its list of files', () => {
  const stick = place('stick', { wants: 2, wants_bytes: 9 });
  const moving = folder('/a', { state: 'working', places: [stick], recent: [{ at: 5, what: 'received 1 file from b' }] });
  const openings: [string, () => Promise<unknown>][] = [
    ['of a place', () => fireEvent.click(screen.getByRole('button', { name: 'Show files: stick' }))],
    ['to come', () => fireEvent.click(screen.getByText('Waiting to download'))],
  ];
  it.each(openings)('%s is read again when something happened, not with every progress, and stays in place', async (_, open) => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = stubBackend(() => new Promise((end) => ends.push(end)));
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
});
