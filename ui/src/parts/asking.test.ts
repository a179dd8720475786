import { cleanup, fireEvent, render, screen, waitFor, within } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';

import type { Backend } from '../backend';
import { deed, drive, folder, place, problem, refusing, settings, status } from '../backend/fake/samples';
import type { Answer, AtPlace, Command, Conflict, File, Folder, Place, Reply, Request, Rule, Status } from '../contract';
import { hex } from '../logic/path';
import { PAGE } from '../logic/paging';
import Activity from '../pages/Activity.svelte';
import Conflicts from '../pages/Conflicts.svelte';
import Folders from '../pages/Folders.svelte';
import Places from '../pages/Places.svelte';
import Problems from '../pages/Problems.svelte';
import Settings from '../pages/Settings.svelte';
import { text } from '../text';
import AddFolder from './AddFolder.svelte';
import CopyFolder from './CopyFolder.svelte';
import DriveCard from './DriveCard.svelte';
import FileList from './FileList.svelte';
import FirstRun from './FirstRun.svelte';
import FolderCard from './FolderCard.svelte';
import RulesCard from './RulesCard.svelte';

afterEach(cleanup);

// jsdom lays nothing out.
Element.prototype.scrollIntoView = vi.fn();
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe = vi.fn();
    unobserve = vi.fn();
    disconnect = vi.fn();
  },
);

/** A program that answers as it is told. */
function program(
  reply: (command: Command) => Promise<Reply>,
  answer: (request: Request) => Promise<Answer> = () => Promise.reject(new Error('nobody asks this here')),
): Backend & { ask: ReturnType<typeof vi.fn<Backend['ask']>>; request: ReturnType<typeof vi.fn<Backend['request']>> } {
  return {
    status: () => Promise.resolve(status([])),
    ask: vi.fn<Backend['ask']>((_, command) => reply(command)),
    request: vi.fn<Backend['request']>(answer),
    show: vi.fn<Backend['show']>(() => Promise.resolve()),
    watch: () => Promise.resolve(() => undefined),
  };
}

const nobody = (): Promise<never> => Promise.reject(new Error('gone'));

function file(name: string): File {
  return { path: { shown: name, bytes: hex(name) }, bytes: 1, is_here: true, copies: 1 };
}

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
    const progress = { place: 'stick', direction: 'sending' as const, what: 'x', total: 9 };
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
      const progress = { place: 'stick', direction: 'sending' as const, what: 'x', total: 1_000 };
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

  it('is kept while the answer to ejecting is still awaited', async () => {
    const backend = program(nobody, (request) =>
      typeof request === 'object' && 'eject' in request ? new Promise(() => undefined) : Promise.resolve({ done: 'it stays' }),
    );
    const onsaid = vi.fn();
    const { rerender } = render(DriveCard, { drive: used, folders: [], backend, onsaid });
    await fireEvent.click(screen.getByRole('button', { name: 'Eject when done: DISK' }));
    await rerender({ drive: { ...used, standing: { ejecting: { what: 'one file is still to come' } } } });
    await fireEvent.click(screen.getByRole('button', { name: 'Do not eject: DISK' }));
    await waitFor(() => expect(onsaid).toHaveBeenCalledWith('It stays'));
  });

  it('that cannot be ejected from here has no button that would', () => {
    render(DriveCard, { drive: { ...used, can_eject: false }, folders: [], backend: program(nobody), onsaid: vi.fn() });
    expect(screen.queryByRole('button')).toBeNull();
    expect(screen.getByText(/unmount it as you usually do/)).toBeTruthy();
  });
});

describe('the rules of a folder', () => {
  const rule: Rule = { place: 'desktop', directory: null, allow: 'git-only' };

  it('are not set over those that somebody else wrote meanwhile', async () => {
    let written: Rule[] = [];
    const backend = program((command) => {
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
    await screen.findByText('A file with one copy is lost if that copy is.');
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
    const backend = program((command) => {
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
    await screen.findByText('Nothing would be left to travel.');
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    await screen.findByRole('button', { name: 'Undo: Photos' });
    written = [rule];
    await fireEvent.focus(window);
    await waitFor(() => expect((screen.getByLabelText('desktop') as HTMLSelectElement).value).toBe('git-only'));
    expect(screen.queryByRole('button', { name: 'Undo: Photos' })).toBeNull();
  });

  it('are applied once, however often it is clicked, and what is chosen meanwhile stays', async () => {
    let end: (reply: Reply) => void = () => undefined;
    const backend = program((command) => {
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
    await screen.findByText('Nothing would be left to travel.');
    const apply = screen.getByRole('button', { name: 'Apply: Photos' });
    await fireEvent.click(apply);
    await fireEvent.click(apply);
    expect(sets().length).toBe(1);
    // Back to what holds as far as is known, but not when it is set.
    await fireEvent.change(choice, { target: { value: 'everything' } });
    end('done');
    await screen.findByText('Nothing would be left to travel.');
    expect(choice.value).toBe('everything');
    await fireEvent.click(screen.getByRole('button', { name: 'Apply: Photos' }));
    expect(sets().at(-1)).toEqual({ 'set-rules': { before: [{ ...rule, allow: 'nothing' }], rules: [], keeps: [] } });
  });

  it('can open again what they have closed', async () => {
    const closed: Rule = { place: 'desktop', directory: null, allow: 'nothing' };
    const backend = program(() => Promise.resolve({ rules: { rules: [closed], mistake: null } }));
    const desktop = place('desktop', { contact: { unsupported: 'a rule says that nothing is exchanged with it' } });
    const far = place('far', { contact: { unsupported: 'it is far' }, keeps: null });
    render(RulesCard, { folder: folder('/a/Photos', { places: [desktop, far] }), backend });
    expect((await screen.findByLabelText<HTMLSelectElement>('desktop')).value).toBe('nothing');
    expect(screen.queryByLabelText('far')).toBeNull();
  });

  it('say no more that they could not be read when they were', async () => {
    let isThere = false;
    const backend = program(() =>
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
    const backend = program((command) =>
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
    render(RulesCard, { folder: folder('/a/Photos'), backend: program(nobody) });
    expect((await screen.findByRole('alert')).textContent).toContain('gone');
    expect(screen.queryByRole('combobox')).toBeNull();
  });
});

describe('what a place keeps', () => {
  const own = { own: { groups: ['client'], wanted: 'standard' } };
  const preview: Reply = { preview: { travels: [], fewest_copies: 2, files_with_fewest: 3 } };
  const stick = (keeps: Place['keeps']): Folder =>
    folder('/a/Photos', { places: [place('stick', { keeps }), place('attic', { contact: 'unknown', keeps: null })] });

  function obeying(): ReturnType<typeof program> {
    return program((command) => {
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
    await screen.findByText(/^Nothing is removed/);
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
    await screen.findByText(/^Nothing is removed/);
    await fireEvent.change(await choice(), { target: { value: 'all' } });
    expect(screen.queryByRole('button', { name: 'Apply: Photos' })).toBeNull();
    await fireEvent.change(await choice(), { target: { value: 'only-new' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Discard: Photos' }));
    await waitFor(async () => expect((await choice()).value).toBe('all'));
    expect(screen.queryByRole('button', { name: 'Apply: Photos' })).toBeNull();
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

describe('conflicts', () => {
  const version = (name: string): Conflict['versions'][0] => ({
    path: file(name).path,
    bytes: null,
    who: null,
    at: null,
    is_here: true,
  });
  const conflict = (name: string): Conflict => ({ path: file(name).path, versions: [version(name), version(`${name}2`)] });

  it('that could not be settled stop the others, and say how far it came', async () => {
    let left = ['a', 'b', 'c'];
    const backend = program((command) => {
      if (typeof command !== 'object' || !('settle' in command)) {
        return Promise.resolve({ conflicts: left.map(conflict) });
      }
      if (command.settle.path === hex('b')) {
        return Promise.resolve({ refused: 'b was changed meanwhile' });
      }
      left = left.filter((one) => hex(one) !== command.settle.path);
      return Promise.resolve('done');
    });
    render(Conflicts, { status: status([folder('/a/Notes')]), backend });
    await fireEvent.click(await screen.findByRole('button', { name: 'Keep both versions of all…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Keep both of all' }));
    expect((await screen.findByRole('alert')).textContent).toBe('B was changed meanwhile');
    expect(await screen.findByText('1 conflict settled.')).toBeTruthy();
    await waitFor(() => expect(screen.queryByRole('heading', { name: 'a' })).toBeNull());
    expect(screen.getByRole('heading', { name: 'c' })).toBeTruthy();
  });

  it('that could not all be brought back can still be', async () => {
    let isBusy = true;
    const backend = program((command) => {
      if (typeof command !== 'object' || !('unsettle' in command)) {
        return Promise.resolve(command === 'conflicts' ? { conflicts: ['a', 'b'].map(conflict) } : 'done');
      }
      const isRefused = isBusy && command.unsettle.path === hex('b');
      return Promise.resolve(isRefused ? { refused: 'b cannot be brought back now' } : 'done');
    });
    render(Conflicts, { status: status([folder('/a/Notes')]), backend });
    await fireEvent.click(await screen.findByRole('button', { name: 'Keep both versions of all…' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Keep both of all' }));
    await fireEvent.click(await screen.findByRole('button', { name: 'Undo' }));
    expect((await screen.findByRole('alert')).textContent).toBe('B cannot be brought back now');
    await screen.findByText('All versions of 1 file are back. 1 conflict settled.');
    isBusy = false;
    backend.ask.mockClear();
    await fireEvent.click(screen.getByRole('button', { name: 'Undo' }));
    await screen.findByText('All versions of 1 file are back.');
    expect(backend.ask.mock.calls[0]).toEqual(['/a/Notes', { unsettle: { path: hex('b') } }]);
    expect(screen.queryByRole('button', { name: 'Undo' })).toBeNull();
    expect(screen.queryByRole('alert')).toBeNull();
  });

  it('that could not be read are not looked for for ever, and are read again', async () => {
    let isThere = false;
    const backend = program(() => Promise.resolve(isThere ? { conflicts: [] } : { refused: 'it is busy' }));
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
