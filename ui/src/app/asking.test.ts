import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';

import { deed, drive, folder, problem, refusing, settings, status } from '../backend/fake/samples';
import type { Answer, AtPlace, Command, Reply, Request, Status } from '../contract';
import Activity from '../pages/activity/Activity.svelte';
import DriveCard from '../pages/drives/DriveCard.svelte';
import AddFolder from '../pages/folders/AddFolder.svelte';
import FirstRun from '../pages/folders/FirstRun.svelte';
import Folders from '../pages/folders/Folders.svelte';
import CopyFolder from '../pages/places/CopyFolder.svelte';
import Problems from '../pages/problems/Problems.svelte';
import Settings from '../pages/settings/Settings.svelte';
import { nobody, program } from '../testing/program';

afterEach(cleanup);

describe('a folder that cannot be kept', () => {
  const refused = refusing(status([]), [{ path: '/media/STICK/Films', why: 'it is not there' }]);

  it('is no first run, says why, and can be let go', async () => {
    const backend = program(nobody, () => Promise.resolve({ done: 'it is left' }));
    render(Folders, { status: refused, backend });
    expect(screen.queryByText('Which folder is to be kept safe?')).toBeNull();
    const card = screen.getByRole('article', { name: 'Films' });
    expect(card.textContent).toContain('It is not there');
    await fireEvent.click(screen.getByRole('button', { name: 'Stop keeping Films…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Stop keeping it' }));
    expect(backend.request).toHaveBeenCalledWith({ leave: { folder: '/media/STICK/Films' } });
  });

  it('is not forgotten where the settings cannot be read', () => {
    const unread = status([], { problems: [problem('The settings cannot be read: line 2')] });
    render(Folders, { status: unread, backend: program(nobody) });
    expect(screen.getByText('No folder is kept in sync.')).toBeTruthy();
  });

  it('is among the folders of the settings', () => {
    render(Settings, { status: refused, backend: program(nobody) });
    expect(screen.getByRole('button', { name: 'Stop keeping Films…' })).toBeTruthy();
  });
});

describe('a problem', () => {
  it('has the one button that helps, and otherwise none', async () => {
    const problems = [
      problem('one', { action: { sync: { folder: '/a/Photos' } } }),
      problem('two', { action: { leave: { folder: '/a/Notes' } } }),
      problem('three', { action: 'see-drives' }),
      problem('four', { action: { show: { path: '/a/Photos' } } }),
      problem('five'),
    ];
    const backend = program(
      () => Promise.resolve({ refused: 'it is paused' }),
      () => Promise.resolve({ done: 'it is left' }),
    );
    render(Problems, { status: status([], { problems }), backend });
    expect(screen.getAllByRole('button').length).toBe(3);
    await fireEvent.click(screen.getByRole('button', { name: 'Sync now: Photos' }));
    expect((await screen.findByRole('alert')).textContent).toBe('It is paused');
    expect(backend.ask).toHaveBeenCalledWith('/a/Photos', 'sync');
    await fireEvent.click(screen.getByRole('button', { name: 'Stop keeping Notes…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Stop keeping it' }));
    expect(backend.request).toHaveBeenCalledWith({ leave: { folder: '/a/Notes' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Show it: /a/Photos' }));
    expect(backend.show).toHaveBeenCalledWith('/a/Photos');
    expect(screen.getByRole('link', { name: 'See the drives' }).getAttribute('href')).toBe('#/drives');
  });
});

describe('who did what', () => {
  const photos = (...whats: string[]): { status: Status } => {
    const recent = whats.map((what) => ({ at: 1, what }));
    return { status: status([folder('/a/Photos', { recent })]) };
  };
  const commands = (backend: ReturnType<typeof program>): Command[] => backend.ask.mock.calls.map(([, command]) => command);

  it('is asked for part by part, as far as it is looked at, and told beside what only happened here', async () => {
    const parts: Record<number, Reply> = {
      0: { activity: { deeds: [deed({ who: 'Ann', added: 1, commit: 'a' })], next: 7 } },
      7: { activity: { deeds: [deed({ who: '', deleted: 1, commit: 'b' })], next: null } },
    };
    const backend = program((command) =>
      Promise.resolve((typeof command === 'object' && 'activity' in command && parts[command.activity.skip]) || 'done'),
    );
    render(Activity, { ...photos('sent 1 file to STICK'), backend });
    const rows = within(await screen.findByRole('region', { name: 'Who did what' }));
    expect(rows.getAllByRole('listitem').map((row) => row.textContent?.replace(/\s+/g, ' '))).toEqual([
      expect.stringContaining('Ann added 1 file: 2026/11/harbour.jpg'),
      expect.stringContaining('Somebody deleted 1 file: 2026/11/harbour.jpg'),
    ]);
    expect(screen.getByRole('region', { name: 'Changes' }).textContent).toContain('Sent 1 file to STICK');
    expect(commands(backend)).toEqual([{ activity: { skip: 0, count: 50 } }, { activity: { skip: 7, count: 49 } }]);
  });

  it('goes on at the end of the list only', async () => {
    const deeds = Array.from({ length: 50 }, (_, at) => deed({ added: 1, commit: `${at}` }));
    const backend = program(() => Promise.resolve({ activity: { deeds, next: 60 } }));
    render(Activity, { ...photos('a'), backend });
    await screen.findByRole('region', { name: 'Who did what' });
    expect(commands(backend)).toEqual([{ activity: { skip: 0, count: 50 } }]);
  });

  it('is asked for anew when something happened, once for all that happened meanwhile', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = program(() => new Promise((end) => ends.push(end)));
    const { rerender } = render(Activity, { ...photos('a'), backend });
    await rerender(photos('b', 'a'));
    await rerender(photos('c', 'b', 'a'));
    expect(ends.length).toBe(1);
    ends[0]?.({ activity: { deeds: [deed({ who: 'Ann', added: 1 })], next: null } });
    await screen.findByText('Ann');
    await waitFor(() => expect(ends.length).toBe(2));
    ends[1]?.({ activity: { deeds: [deed({ who: 'Ben', added: 1, commit: 'b' }), deed({ who: 'Ann', added: 1 })], next: null } });
    await screen.findByText('Ben');
    await rerender(photos('c', 'b', 'a'));
    expect(ends.length).toBe(2);
    // What is known stays when nobody answers.
    await rerender(photos('d', 'c', 'b', 'a'));
    ends[2]?.({ refused: 'the engine is stopping' });
    expect((await screen.findByRole('alert')).textContent).toBe('Photos: The engine is stopping');
    expect(screen.getByText('Ben')).toBeTruthy();
  });
});

describe('a drive', () => {
  const used = drive('DISK', { standing: { 'in-use': { places: [], up_to_date: false } } });

  it('that could not be ejected says why', async () => {
    const backend = program(nobody, () => Promise.resolve({ refused: 'a program still uses it; nothing is lost' }));
    render(DriveCard, { drive: used, folders: [], backend, onsaid: vi.fn() });
    await fireEvent.click(screen.getByRole('button', { name: 'Eject when done: DISK' }));
    expect((await screen.findByRole('alert')).textContent).toBe('A program still uses it; nothing is lost');
    expect(backend.request).toHaveBeenCalledWith({ eject: { drive: used.id } });
  });

  it('is kept while the answer to ejecting is still awaited, which is no trouble then', async () => {
    let end: (answer: Answer) => void = () => undefined;
    const backend = program(nobody, (request) =>
      typeof request === 'object' && 'eject' in request
        ? new Promise((resolve) => (end = resolve))
        : Promise.resolve({ done: 'it stays' }),
    );
    const onsaid = vi.fn();
    const { rerender } = render(DriveCard, { drive: used, folders: [], backend, onsaid });
    await fireEvent.click(screen.getByRole('button', { name: 'Eject when done: DISK' }));
    await rerender({ drive: { ...used, standing: { ejecting: { what: 'one file is still to come' } } } });
    await fireEvent.click(screen.getByRole('button', { name: 'Do not eject: DISK' }));
    await waitFor(() => expect(onsaid).toHaveBeenCalledWith('It stays'));
    end({ refused: 'the drive stays, as you asked' });
    // A turn of the event loop: all that follows from the answer is then done.
    await new Promise((turn) => setTimeout(turn));
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('that cannot be ejected from here has no button that would', () => {
    render(DriveCard, { drive: { ...used, can_eject: false }, folders: [], backend: program(nobody), onsaid: vi.fn() });
    expect(screen.queryByRole('button')).toBeNull();
    expect(screen.getByText(/unmount it as you usually do/)).toBeTruthy();
  });
});

describe('a setting', () => {
  it('that was refused is shown as it still is, with why', async () => {
    const backend = program(nobody, () => Promise.resolve({ refused: 'the settings file can only be read' }));
    render(Settings, { status: status([], { settings: settings({ notifications: true }) }), backend });
    const box = screen.getByRole<HTMLInputElement>('checkbox', { name: /Show notifications/ });
    await fireEvent.click(box);
    expect((await screen.findByRole('alert')).textContent).toBe('The settings file can only be read');
    expect(box.checked).toBe(true);
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
  });

  it('that was refused is shown as it still is, also where it is chosen or typed', async () => {
    const backend = program(nobody, () => Promise.resolve({ refused: 'the settings file can only be read' }));
    render(Settings, { status: status([], { settings: settings({ look: 'light', limit_up: 2_500_000 }) }), backend });
    await fireEvent.click(screen.getByRole('radio', { name: 'Dark' }));
    await waitFor(() => expect(screen.getByRole<HTMLInputElement>('radio', { name: 'Light' }).checked).toBe(true));
    const limit = screen.getByLabelText<HTMLInputElement>('Send at most');
    await fireEvent.change(limit, { target: { value: '5' } });
    await waitFor(() => expect(limit.value).toBe('2.5'));
    await fireEvent.change(limit, { target: { value: '1,000' } });
    await screen.findByText(/not clear whether the comma/);
    expect(limit.value).toBe('2.5');
    expect(backend.request).toHaveBeenCalledTimes(2);
  });

  it('that could not be undone can still be', async () => {
    const answers: Answer[] = [{ done: '' }, { refused: 'it is busy' }, { done: '' }];
    const backend = program(nobody, () => Promise.resolve(answers.shift() ?? { done: '' }));
    render(Settings, { status: status([], { settings: settings({ look: 'light' }) }), backend });
    await fireEvent.click(screen.getByRole('radio', { name: 'Dark' }));
    await fireEvent.click(await screen.findByRole('button', { name: 'Undo' }));
    expect((await screen.findByRole('alert')).textContent).toBe('It is busy');
    await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    await waitFor(() => expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull());
    expect(backend.request).toHaveBeenLastCalledWith({ set: { look: 'light' } });
  });
});

describe('a path that was not looked at yet', () => {
  /** A program that says what is at a place when it is told to, and does all else. */
  function slow(): { backend: ReturnType<typeof program>; say: (what: AtPlace) => void; asked: () => Request[] } {
    const ends: ((what: AtPlace) => void)[] = [];
    const backend = program(nobody, (request) => {
      if (request === 'suggest') {
        return Promise.resolve({ suggested: [] });
      }
      return typeof request === 'object' && 'inspect' in request
        ? new Promise((end) => ends.push((what) => end({ found: { path: `/full${request.inspect.path}`, what, files: 0 } })))
        : Promise.resolve({ done: 'it is done' });
    });
    return {
      backend,
      say: (what) => ends.splice(0).forEach((end) => end(what)),
      asked: () => backend.request.mock.calls.map(([one]) => one).filter((one) => one !== 'suggest' && !('inspect' in Object(one))),
    };
  }

  const type = (label: string, path: string): Promise<boolean> =>
    fireEvent.input(screen.getByLabelText(label), { target: { value: path } });

  it('is added when that is known, if it was asked for before, and once', async () => {
    const { backend, say, asked } = slow();
    const onadded = vi.fn();
    render(AddFolder, { backend, onadded });
    await type('Folder', '/a');
    await fireEvent.click(screen.getByRole('button', { name: 'Keep this folder' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Looking…' }));
    expect(asked()).toEqual([]);
    say('directory');
    await waitFor(() => expect(onadded).toHaveBeenCalledWith('/full/a'));
    expect(asked()).toEqual([{ add: { path: '/full/a' } }]);
  });

  it('is not added if it cannot be, or another was typed since', async () => {
    const { backend, say, asked } = slow();
    render(AddFolder, { backend, onadded: vi.fn() });
    const button = (name: string): Promise<HTMLElement> => screen.findByRole('button', { name });
    await type('Folder', '/a');
    await fireEvent.click(await button('Keep this folder'));
    await type('Folder', '/b');
    say('directory');
    await fireEvent.click(await button('Keep this folder'));
    say('kept');
    await screen.findByText('This folder is kept already.');
    expect((await button('Keep this folder')).getAttribute('aria-disabled')).toBe('true');
    expect(asked()).toEqual([]);
  });

  it('gets the copies of the folder for which it was asked', async () => {
    const { backend, say, asked } = slow();
    const { rerender } = render(CopyFolder, { backend, folder: '/home/Photos' });
    await type('Path for the copies of Photos', '/a');
    await fireEvent.click(screen.getByRole('button', { name: 'Keep copies there' }));
    await rerender({ folder: '/home/Notes' });
    say('nothing');
    await screen.findByText('It is done');
    expect(asked()).toEqual([{ 'clone-to': { folder: '/home/Photos', path: '/full/a' } }]);
  });
});

describe('the first run', () => {
  it('leaves the focus where it is when a new status comes', async () => {
    const backend = program(nobody);
    const first = { status: status([folder('/a/Photos', { places: [] })]), backend, added: '/a/Photos', onend: vi.fn() };
    const { rerender } = render(FirstRun, first);
    await waitFor(() => expect(document.activeElement?.textContent).toContain('Where do copies of Photos live?'));
    const field = screen.getByLabelText('Path for the copies of Photos');
    field.focus();
    await rerender({ ...first, status: status([folder('/a/Photos', { places: [], keys: 7 })]) });
    expect(document.activeElement).toBe(field);
  });

  it('adds nothing before it is known what is there', async () => {
    const backend = program(nobody, (request) =>
      request === 'suggest' ? Promise.resolve({ suggested: [] }) : new Promise(() => undefined),
    );
    render(FirstRun, { status: status([]), backend, added: '', onend: vi.fn() });
    await fireEvent.input(screen.getByLabelText('Folder'), { target: { value: '~/Photos' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Keep this folder' }));
    expect(backend.request.mock.calls.filter(([asked]) => typeof asked === 'object' && 'add' in asked)).toEqual([]);
  });
});
