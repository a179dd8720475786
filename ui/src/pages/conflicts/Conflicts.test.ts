import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { folder, status } from '../../backend/fake/samples';
import type { Conflict } from '../../contract';
import { hex } from '../../common/path';
import { file, stubBackend } from '../../testing/stub';
import Conflicts from './Conflicts.svelte';

describe('conflicts', () => {
  const version = (name: string): Conflict['versions'][0] => ({
    path: file(name).path,
    bytes: null,
    who: null,
    at: null,
    is_here: true,
  });
  const conflict = (name: string): Conflict => ({ path: file(name).path, versions: [version(name), version(`${name}2`)] });

  it('that could not be resolved stop the others, and say how far it came', async () => {
    let left = ['a', 'b', 'c'];
    const backend = stubBackend((command) => {
      if (typeof command !== 'object' || !('resolve' in command)) {
        return Promise.resolve({ conflicts: left.map(conflict) });
      }
      if (command.resolve.path === hex('b')) {
        return Promise.resolve({ refused: 'b was changed meanwhile' });
      }
      left = left.filter((one) => hex(one) !== command.resolve.path);
      return Promise.resolve('done');
    });
    render(Conflicts, { status: status([folder('/a/Notes')]), backend });
    await fireEvent.click(await screen.findByRole('button', { name: 'Keep both versions of all…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Keep both of all' }));
    expect((await screen.findByRole('alert')).textContent).toBe('B was changed meanwhile');
    expect(await screen.findByText('1 conflict resolved.')).toBeTruthy();
    await waitFor(() => expect(screen.queryByRole('heading', { name: 'a' })).toBeNull());
    expect(screen.getByRole('heading', { name: 'c' })).toBeTruthy();
  });

  it('that could not all be brought back can still be', async () => {
    let isBusy = true;
    const backend = stubBackend((command) => {
      if (typeof command !== 'object' || !('reopen' in command)) {
        return Promise.resolve(command === 'conflicts' ? { conflicts: ['a', 'b'].map(conflict) } : 'done');
      }
      const isRefused = isBusy && command.reopen.path === hex('b');
      return Promise.resolve(isRefused ? { refused: 'b cannot be brought back now' } : 'done');
    });
    render(Conflicts, { status: status([folder('/a/Notes')]), backend });
    await fireEvent.click(await screen.findByRole('button', { name: 'Keep both versions of all…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Keep both of all' }));
    await fireEvent.click(await screen.findByRole('button', { name: 'Undo' }));
    expect((await screen.findByRole('alert')).textContent).toBe('B cannot be brought back now');
    await screen.findByText('All versions of 1 file are back. 1 conflict resolved.');
    isBusy = false;
    backend.ask.mockClear();
    await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    await screen.findByText('All versions of 1 file are back.');
    expect(backend.ask.mock.calls[0]).toEqual(['/a/Notes', { reopen: { path: hex('b') } }]);
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('that could not be read are not looked for for ever, and are read again', async () => {
    let isThere = false;
    const backend = stubBackend(() => Promise.resolve(isThere ? { conflicts: [] } : { refused: 'it is busy' }));
    const notes = folder('/a/Notes');
    const { rerender } = render(Conflicts, { status: status([notes]), backend });
    expect((await screen.findByRole('alert')).textContent).toBe('It is busy');
    await waitFor(() => expect(screen.queryByText('Looking for conflicts…')).toBeNull());
    expect(screen.queryByText('No conflicts.')).toBeNull();
    isThere = true;
    await rerender({ status: status([{ ...notes, recent: [{ at: 1, what: 'x' }] }]) });
    await screen.findByText('No conflicts.');
    expect(screen.queryByRole('alert')).toBeNull();
  });
});
