import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { refusing, settings, status } from '../../backend/fake/samples';
import type { Answer } from '../../contract';
import { stubBackend, unreachable } from '../../testing/stub';
import Settings from './Settings.svelte';

describe('a setting', () => {
  it('that was refused is shown as it still is, with why', async () => {
    const backend = stubBackend(unreachable, () => Promise.resolve({ refused: 'the settings file can only be read' }));
    render(Settings, { status: status([], { settings: settings({ notifications: true }) }), backend });
    const box = screen.getByRole<HTMLInputElement>('checkbox', { name: /Show notifications/ });
    await fireEvent.click(box);
    expect((await screen.findByRole('alert')).textContent).toBe('The settings file can only be read');
    expect(box.checked).toBe(true);
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
  });

  it('that was refused is shown as it still is, also where it is chosen or typed', async () => {
    const backend = stubBackend(unreachable, () => Promise.resolve({ refused: 'the settings file can only be read' }));
    render(Settings, { status: status([], { settings: settings({ look: 'light', limit_up: 2_500_000 }) }), backend });
    await fireEvent.click(screen.getByRole('radio', { name: 'Dark' }));
    await waitFor(() => expect(screen.getByRole<HTMLInputElement>('radio', { name: 'Light' }).checked).toBe(true));
    const limit = screen.getByLabelText<HTMLInputElement>('Send at most');
    await fireEvent.change(limit, { target: { value: '5' } });
    await waitFor(() => expect(limit.value).toBe('2.5'));
    await fireEvent.change(limit, { target: { value: '1,000' } });
    await screen.findByText(/The comma could mark/);
    expect(limit.value).toBe('2.5');
    expect(backend.request).toHaveBeenCalledTimes(2);
  });

  it('that could not be undone can still be', async () => {
    const answers: Answer[] = [{ done: '' }, { refused: 'it is busy' }, { done: '' }];
    const backend = stubBackend(unreachable, () => Promise.resolve(answers.shift() ?? { done: '' }));
    render(Settings, { status: status([], { settings: settings({ look: 'light' }) }), backend });
    await fireEvent.click(screen.getByRole('radio', { name: 'Dark' }));
    await fireEvent.click(await screen.findByRole('button', { name: 'Undo' }));
    expect((await screen.findByRole('alert')).textContent).toBe('It is busy');
    await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull());
    expect(backend.request).toHaveBeenLastCalledWith({ set: { look: 'light' } });
  });
});

it('a folder that cannot be kept is among the folders that can be left', () => {
const refused = refusing(status([]), [{ path: '/media/STICK/Films', why: 'it is not there' }]);
  render(Settings, { status: refused, backend: stubBackend(unreachable) });
  expect(screen.getByRole('button', { name: 'Stop syncing Films…' })).toBeTruthy();
});
