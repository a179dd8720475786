import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { folder, place } from '../../backend/fake/samples';
import type { Command, Folder, Place, Reply, Rule } from '../../contract';
import { stubBackend, unreachable } from '../../testing/stub';
import { text } from '../../text';
import RulesCard from './RulesCard.svelte';

describe('the rules of a folder', () => {
  const rule: Rule = { place: 'desktop', directory: null, allow: 'git-only' };

  it('are not set over those that somebody else wrote meanwhile', async () => {
    let written: Rule[] = [];
    const backend = stubBackend((command) => {
      if (command === 'rules') {
        return Promise.resolve({ rules: { rules: written, mistake: null } });
      }
      if (typeof command === 'object' && 'preview-rules' in command) {
        return Promise.resolve({ preview: { travels: [], fewest_copies: 1, files_with_fewest: 3 } });
      }
      return Promise.resolve({ refused: 'they were changed elsewhere; nothing was changed' });
    });
    render(RulesCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.change(await screen.findByLabelText('desktop'), { target: { value: 'nothing' } });
    await screen.findByText('If you lose the only copy of a file, the file is lost.');
    written = [rule];
    // Looking again takes nothing away from what is being chosen.
    await fireEvent.focus(window);
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    expect((await screen.findByRole('alert')).textContent).toContain('They were changed elsewhere');
    expect(backend.ask).toHaveBeenCalledWith('/a/Photos', {
      'set-rules': { before: [], rules: [{ ...rule, allow: 'nothing' }], keeps: [] },
    });
    await fireEvent.click(screen.getByRole('button', { name: 'Discard: Photos' }));
    await waitFor(() => expect((screen.getByLabelText('desktop') as HTMLSelectElement).value).toBe('git-only'));
  });

  it('are not undone over what somebody else wrote since', async () => {
    let written: Rule[] = [];
    const backend = stubBackend((command) => {
      if (typeof command === 'object' && 'set-rules' in command) {
        written = command['set-rules'].rules;
        return Promise.resolve('done');
      }
      return Promise.resolve(
        command === 'rules'
          ? { rules: { rules: written, mistake: null } }
          : { preview: { travels: [], fewest_copies: null, files_with_fewest: 0 } },
      );
    });
    render(RulesCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.change(await screen.findByLabelText('desktop'), { target: { value: 'nothing' } });
    await screen.findByText('Nothing would be left to copy.');
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    await screen.findByRole('button', { name: 'Undo: Photos' });
    written = [rule];
    await fireEvent.focus(window);
    await waitFor(() => expect((screen.getByLabelText('desktop') as HTMLSelectElement).value).toBe('git-only'));
    expect(screen.queryByRole('button', { name: 'Undo: Photos' })).toBeNull();
  });

  it('of others are not taken back once they were read', async () => {
    let written: Rule[] = [];
    const backend = stubBackend((command) => {
      if (command === 'rules') {
        return Promise.resolve({ rules: { rules: written, mistake: null } });
      }
      const isSet = typeof command === 'object' && 'set-rules' in command;
      if (isSet && written.length > 0) {
        return Promise.resolve({ refused: 'somebody else changed the rules' });
      }
      return Promise.resolve(isSet ? 'done' : { preview: { travels: [], fewest_copies: null, files_with_fewest: 0 } });
    });
    render(RulesCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.change(await screen.findByLabelText('desktop'), { target: { value: 'nothing' } });
    await screen.findByText('Nothing would be left to copy.');
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    const undo = await screen.findByRole('button', { name: 'Undo: Photos' });
    written = [{ place: 'desktop', directory: null, allow: 'git-only' }];
    await fireEvent.click(undo);
    await fireEvent.click(await screen.findByRole('button', { name: text.rules.reread }));
    await waitFor(() => expect((screen.getByLabelText('desktop') as HTMLSelectElement).value).toBe('git-only'));
    expect(screen.queryByRole('button', { name: 'Undo: Photos' })).toBeNull();
  });

  it('are applied once, however often it is clicked, and what is chosen meanwhile stays', async () => {
    let end: (reply: Reply) => void = () => undefined;
    const backend = stubBackend((command) => {
      if (command === 'rules') {
        return Promise.resolve({ rules: { rules: [], mistake: null } });
      }
      return typeof command === 'object' && 'set-rules' in command
        ? new Promise((resolve) => (end = resolve))
        : Promise.resolve({ preview: { travels: [], fewest_copies: null, files_with_fewest: 0 } });
    });
    const sets = (): Command[] =>
      backend.ask.mock.calls.map(([, asked]) => asked).filter((asked) => typeof asked === 'object' && 'set-rules' in asked);
    render(RulesCard, { folder: folder('/a/Photos'), backend });
    const choice = await screen.findByLabelText<HTMLSelectElement>('desktop');
    await fireEvent.change(choice, { target: { value: 'nothing' } });
    await screen.findByText('Nothing would be left to copy.');
    const apply = screen.getByRole('button', { name: 'Apply: Photos' });
    await fireEvent.click(apply);
    await fireEvent.click(apply);
    expect(sets().length).toBe(1);
    // Back to what holds as far as is known, but not when it is set.
    await fireEvent.change(choice, { target: { value: 'everything' } });
    end('done');
    await screen.findByText('Nothing would be left to copy.');
    expect(choice.value).toBe('everything');
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    expect(sets().at(-1)).toEqual({ 'set-rules': { before: [{ ...rule, allow: 'nothing' }], rules: [], keeps: [] } });
  });

  it('can open again what they have closed', async () => {
    const closed: Rule = { place: 'desktop', directory: null, allow: 'nothing' };
    const backend = stubBackend(() => Promise.resolve({ rules: { rules: [closed], mistake: null } }));
    const desktop = place('desktop', { contact: { unsupported: 'a rule forbids any exchange with it' } });
    const far = place('far', { contact: { unsupported: 'it is far' }, keeps: null });
    render(RulesCard, { folder: folder('/a/Photos', { places: [desktop, far] }), backend });
    expect((await screen.findByLabelText<HTMLSelectElement>('desktop')).value).toBe('nothing');
    expect(screen.queryByLabelText('far')).toBeNull();
  });

  it('say no more that they could not be read when they were', async () => {
    let isThere = false;
    const backend = stubBackend(() =>
      isThere ? Promise.resolve({ rules: { rules: [], mistake: null } }) : Promise.resolve({ refused: 'it is busy' }),
    );
    render(RulesCard, { folder: folder('/a/Photos'), backend });
    await screen.findByRole('alert');
    isThere = true;
    await fireEvent.focus(window);
    await screen.findByLabelText('desktop');
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('are not applied before it was seen what they change', async () => {
    const backend = stubBackend((command) =>
      command === 'rules' ? Promise.resolve({ rules: { rules: [], mistake: null } }) : new Promise(() => undefined),
    );
    render(RulesCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.change(await screen.findByLabelText('desktop'), { target: { value: 'nothing' } });
    await fireEvent.click(await screen.findByRole('button', { name: 'Apply: Photos' }));
    expect(backend.ask.mock.calls.map(([, command]) => command)).not.toContainEqual(
      expect.objectContaining({ 'set-rules': expect.anything() }),
    );
  });

  it('are not shown as none when nobody answers', async () => {
    render(RulesCard, { folder: folder('/a/Photos'), backend: stubBackend(unreachable) });
    expect((await screen.findByRole('alert')).textContent).toContain('gone');
    expect(screen.queryByRole('combobox')).toBeNull();
  });
});

describe('what a place keeps', () => {
  const own = { own: { groups: ['client'], wanted: 'standard' } };
  const preview: Reply = { preview: { travels: [], fewest_copies: 2, files_with_fewest: 3 } };
  const stick = (keeps: Place['keeps']): Folder =>
    folder('/a/Photos', { places: [place('stick', { keeps }), place('attic', { contact: 'unknown', keeps: null })] });

  function obeying(): ReturnType<typeof stubBackend> {
    return stubBackend((command) => {
      if (command === 'rules') {
        return Promise.resolve({ rules: { rules: [], mistake: null } });
      }
      return Promise.resolve(typeof command === 'object' && 'set-rules' in command ? 'done' : preview);
    });
  }

  const choice = (): Promise<HTMLSelectElement> => screen.findByLabelText<HTMLSelectElement>('Kept there: stick');

  it('is foreseen, set and taken back to exactly what it was', async () => {
    const backend = obeying();
    const { rerender } = render(RulesCard, { folder: stick(own), backend });
    expect((await choice()).value).toBe('own');
    expect(screen.getByText('As set with git-annex: standard (in client).')).toBeTruthy();
    expect(screen.queryByLabelText('Kept there: attic')).toBeNull();
    await fireEvent.change(await choice(), { target: { value: 'archive' } });
    const change = { place: 'stick', before: own, after: { for: 'archive' } };
    await screen.findByText(/^Nothing is removed at once/);
    expect(backend.ask).toHaveBeenLastCalledWith('/a/Photos', { 'preview-rules': { rules: [], keeps: [change] } });
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    await screen.findByText(text.rules.applied);
    expect(backend.ask).toHaveBeenCalledWith('/a/Photos', { 'set-rules': { before: [], rules: [], keeps: [change] } });
    // Shown before the status tells it, and not when it tells something else.
    expect((await choice()).value).toBe('archive');
    await rerender({ folder: stick({ for: 'carry' }), backend });
    expect((await choice()).value).toBe('carry');
    await rerender({ folder: stick(own), backend });
    expect((await choice()).value).toBe('own');
    await fireEvent.click(screen.getByRole('button', { name: 'Undo: Photos' }));
    await screen.findByText(text.rules.undone);
    expect(backend.ask).toHaveBeenCalledWith('/a/Photos', {
      'set-rules': { before: [], rules: [], keeps: [{ place: 'stick', before: { for: 'archive' }, after: own }] },
    });
  });

  it('changes nothing when it is chosen back or discarded', async () => {
    render(RulesCard, { folder: stick({ all: { groups: [] } }), backend: obeying() });
    expect((await choice()).value).toBe('all');
    await fireEvent.change(await choice(), { target: { value: 'backup' } });
    await screen.findByText(/^Nothing is removed at once/);
    await fireEvent.change(await choice(), { target: { value: 'all' } });
    expect(screen.queryByRole('button', { name: 'Apply: Photos' })).toBeNull();
    await fireEvent.change(await choice(), { target: { value: 'only-new' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Discard: Photos' }));
    await waitFor(async () => expect((await choice()).value).toBe('all'));
    expect(screen.queryByRole('button', { name: 'Apply: Photos' })).toBeNull();
  });
});
