import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { folder, folderSettings, status } from '../../backend/fake/samples';
import type { Reply, Status } from '../../contract';
import { stubBackend } from '../../testing/stub';
import Settings from './Settings.svelte';

describe('a setting of a folder', () => {
  const notes = (differs = {}): Status => status([folder('/a/Notes', { settings: folderSettings(differs) })]);
  const obeys = (): ReturnType<typeof stubBackend> => stubBackend(() => 'done');

  it('is set, says so when it is written, and follows what is written elsewhere, which is not undone', async () => {
    const backend = obeys();
    const { rerender } = render(Settings, { status: notes(), backend });
    const field = screen.getByLabelText<HTMLInputElement>('Copies to keep of each file');
    await fireEvent.change(field, { target: { value: '3' } });
    expect(backend.ask).toHaveBeenLastCalledWith('/a/Notes', { 'set-folder': { setting: { copies: 3 } } });
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
    await rerender({ status: notes({ copies: { value: '3', origin: 'here' } }), backend });
    await screen.findByText('Changed.');
    await rerender({ status: notes({ copies: { value: '5', origin: 'here' } }), backend });
    expect(field.value).toBe('5');
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
    await rerender({ status: notes({ copies: { value: '3', origin: 'here' } }), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    expect(backend.ask).toHaveBeenLastCalledWith('/a/Notes', { 'set-folder': { setting: { copies: 1 } } });
  });

  it('is undone by itself, in whatever order two are answered, and a refusal stays where it belongs', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = stubBackend(() => new Promise((end) => ends.push(end)));
    const { rerender } = render(Settings, { status: notes(), backend });
    const field = screen.getByLabelText<HTMLInputElement>('Copies to keep of each file');
    await fireEvent.change(field, { target: { value: '3' } });
    await fireEvent.click(screen.getByRole('checkbox', { name: /Add new files unlocked/ }));
    ends[1]?.('done');
    ends[0]?.({ refused: 'three are too many' });
    await screen.findByText('Three are too many');
    await waitFor(() => expect(field.value).toBe('1'));
    await rerender({ status: notes({ unlocked: { value: 'true', origin: 'here' } }), backend });
    await fireEvent.click(await screen.findByRole('button', { name: 'Undo' }));
    expect(backend.ask).toHaveBeenLastCalledWith('/a/Notes', { 'set-folder': { setting: { unlocked: null } } });
    screen.getByText('Three are too many');
  });

  it('that is not written and is emptied shows again what is in force', async () => {
    const backend = obeys();
    render(Settings, { status: notes(), backend });
    const field = screen.getByLabelText<HTMLInputElement>('Leave free on this disk');
    const before = field.value;
    await fireEvent.change(field, { target: { value: '' } });
    await waitFor(() => expect(field.value).toBe(before));
    expect(backend.ask).not.toHaveBeenCalled();
    expect(screen.queryByText('Changed.')).toBeNull();
  });

  it('that is none or was refused is shown as it still is, with why', async () => {
    const backend = stubBackend(() => ({ refused: '"5 parsecs" is not a size; nothing was changed' }));
    render(Settings, { status: notes({ reserve: { value: '7 MB', origin: 'here' } }), backend });
    const field = screen.getByLabelText<HTMLInputElement>('Leave free on this disk');
    await fireEvent.change(field, { target: { value: '500' } });
    await screen.findByText(/A size needs a unit/);
    expect([field.value, backend.ask.mock.calls.length]).toEqual(['7 MB', 0]);
    await fireEvent.change(field, { target: { value: '5 parsecs' } });
    await screen.findByText('"5 parsecs" is not a size; nothing was changed');
    await waitFor(() => expect(field.value).toBe('7 MB'));
    const box = screen.getByRole<HTMLInputElement>('checkbox', { name: /Add new files unlocked/ });
    await fireEvent.click(box);
    await waitFor(() => expect(box.checked).toBe(false));
  });

  it('says where it is written, and can be changed only where that helps', () => {
    const where = 'a file that .git/config includes';
    render(Settings, {
      status: notes({
        copies: { value: '4', origin: { weaker: 'annex.numcopies in .git/config, for this clone only' } },
        reserve: { value: 'lots', origin: { stronger: where } },
        unlocked: { value: 'include=*.txt', origin: 'here' },
      }),
      backend: obeys(),
    });
    expect(screen.getByLabelText<HTMLInputElement>('Leave free on this disk').readOnly).toBe(true);
    expect(screen.getByLabelText<HTMLInputElement>('Copies to keep of each file').readOnly).toBe(false);
    screen.getByText(/Set by annex.numcopies in .git\/config, for this clone only. Your setting here/);
    screen.getByText(new RegExp(`Set by ${where}, which overrides`));
    screen.getByText('include=*.txt');
    expect(screen.queryByRole('checkbox', { name: /unlocked/ })).toBeNull();
    for (const key of ['numcopies', 'annex.diskreserve', 'annex.addunlocked', 'limits.upload', 'pause.on-battery']) {
      screen.getByText(key);
    }
  });
});
