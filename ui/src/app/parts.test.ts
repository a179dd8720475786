import { cleanup, fireEvent, render, screen } from '@testing-library/svelte';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { fake } from '../backend/fake';
import { folder, settings, status as statusOf } from '../backend/fake/samples';
import type { Command, Reply, Status, Why as Told } from '../contract';
import FolderCard from '../pages/folders/FolderCard.svelte';
import Help from '../pages/help/Help.svelte';
import Why from '../pages/why/Why.svelte';
import { route } from '../shared/route';
import { program } from '../testing/program';

import App from './App.svelte';

afterEach(cleanup);

// jsdom knows no media queries.
vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));

describe('a folder', () => {
  it('is paused, or goes on', async () => {
    const backend = program(() => Promise.resolve('done'));
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
    const backend = program(() => Promise.resolve('done'));
    const paused = folder('/a/Photos', { state, headline: 'x', pause: { reason: 'asked', until: null } });
    render(FolderCard, { folder: paused, backend });
    expect(screen.getByText('Nothing is sent or received until you resume.')).toBeTruthy();
    await fireEvent.click(screen.getByRole('button', { name: 'Resume: Photos' }));
    expect(backend.ask).toHaveBeenCalledWith('/a/Photos', 'resume');
  });

  it('syncs once, however often it is clicked, and again afterwards', async () => {
    let end: (reply: Reply) => void = () => undefined;
    const backend = program(() => new Promise((resolve) => (end = resolve)));
    render(FolderCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Sync now: Photos' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Syncing…: Photos' }));
    expect(backend.ask).toHaveBeenCalledTimes(1);
    end('done');
    await screen.findByRole('button', { name: 'Sync now: Photos' });
  });

  it('says why something was refused, and when nobody answers', async () => {
    const backend = program(() => Promise.resolve({ refused: 'it is being removed' }));
    render(FolderCard, { folder: folder('/a/Photos'), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Sync now: Photos' }));
    expect((await screen.findByRole('alert')).textContent).toBe('It is being removed');
    backend.ask.mockRejectedValueOnce(new Error('gone'));
    await fireEvent.click(screen.getByRole('button', { name: 'Pause…: Photos' }));
    await fireEvent.click(screen.getByRole('button', { name: '1 hour' }));
    expect((await screen.findByText(/could not be asked/)).textContent).toContain('gone');
  });

  it('passes both answers on', async () => {
    const backend = program(() => Promise.resolve('done'));
    render(FolderCard, { folder: folder('/a/Photos', { question: { id: 'removed', text: 'Deleted on purpose?', yes: 'Delete them', no: 'Bring them back' } }), backend });
    await fireEvent.click(screen.getByRole('button', { name: 'Bring them back' }));
    await fireEvent.click(screen.getByRole('button', { name: 'Delete them' }));
    expect(backend.ask.mock.calls.map(([, command]) => command)).toEqual([
      { answer: { question: 'removed', yes: false } },
      { answer: { question: 'removed', yes: true } },
    ]);
  });
});

describe('why', () => {
  const status: Status = statusOf([folder('/a/Photos'), folder('/a/Notes')]);

  function answer(differs: Partial<Told>): Reply {
    return { why: { path: 'a', key: 'k', have: [{ place: 'laptop', checked: null }], want: ['laptop'], missing: [], sentence: '', ...differs } };
  }

  /** No file has a name like that. */
  function whole(command: Command): Reply | undefined {
    return typeof command === 'object' && 'files' in command ? { files: { total: 0, files: [] } } : undefined;
  }

  async function ask(path: string): Promise<void> {
    await fireEvent.input(screen.getByLabelText('File'), { target: { value: path } });
    await fireEvent.submit(screen.getByLabelText('File'));
  }

  it('asks the chosen folder for the bytes of the path', async () => {
    const backend = program(() =>
      Promise.resolve(answer({ path: 'é', sentence: 'its content is in laptop, and that is everywhere it is wanted' })),
    );
    render(Why, { status, backend, route: route('#/why') });
    await fireEvent.change(screen.getByLabelText('Folder'), { target: { value: '/a/Notes' } });
    await ask('/a/Notes/é');
    expect(backend.ask).toHaveBeenCalledWith('/a/Notes', { why: { path: 'c3a9' } });
    await screen.findByText('Its content is in laptop, and that is everywhere it is wanted');
  });

  it('says of each place that has it when it was checked, or that this is not known', async () => {
    const at = new Date(2020, 4, 6, 7, 8).getTime() / 1000;
    const have = [
      { place: 'laptop', checked: null },
      { place: 'disk', checked: at },
    ];
    render(Why, { status, backend: program(() => Promise.resolve(answer({ have }))), route: route('#/why') });
    await ask('/a/Photos/a');
    const disk = await screen.findByText(/Last check: 6 May 2020, 07:08/);
    expect(disk.closest('li')?.textContent).toContain('disk');
    expect(screen.getByText('No check known').closest('li')?.textContent).toContain('laptop');
    screen.getByText(/at which files is not recorded/);
  });

  it('says why a file is not synced, or that it is elsewhere, and asks nobody about the latter', async () => {
    const backend = program((command) => Promise.resolve(whole(command) ?? answer({ path: 'x', key: null, have: [], sentence: 'it is ignored, by line 1 of .gitignore' })));
    render(Why, { status, backend, route: route('#/why') });
    await ask('x');
    await screen.findByText('It is ignored, by line 1 of .gitignore');
    await ask('/etc/passwd');
    await screen.findByText('This path is not in the folder.');
    expect(backend.ask.mock.calls.filter(([, command]) => typeof command === 'object' && 'why' in command).length).toBe(1);
  });

  it('tells what each place waits for as the engine does, and of nothing else', async () => {
    const sentence = 'its content is in laptop, and a rule keeps it from stick';
    const missing = [{ place: 'stick', reason: 'a rule keeps it away' }];
    const backend = program((command) => Promise.resolve(whole(command) ?? answer({ sentence, missing })));
    render(Why, { status, backend, route: route('#/why?folder=%2Fa%2FPhotos&file=61') });
    await screen.findByText('Its content is in laptop, and a rule keeps it from stick');
    expect(screen.getByRole('status').textContent).toContain('stick: a rule keeps it away');
  });

  it('of a part of a name shows only the files that have it', async () => {
    const files: Reply = { files: { total: 1, files: [{ path: { shown: 'a.jpg', bytes: '61' }, bytes: 1, is_here: true, copies: 1 }] } };
    const backend = program((command) =>
      Promise.resolve(typeof command === 'object' && 'files' in command ? files : answer({ path: 'a.j', key: null, have: [], sentence: 'it is not there' })),
    );
    render(Why, { status, backend, route: route('#/why') });
    await ask('a.j');
    await screen.findByRole('link', { name: 'a.jpg' });
    expect(screen.queryByText('It is not there')).toBeNull();
  });

  it('does not take a late answer for that to the last question', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = program((command) => {
      const files = whole(command);
      return files ? Promise.resolve(files) : new Promise((end) => ends.push(end));
    });
    render(Why, { status, backend, route: route('#/why') });
    await ask('first');
    await ask('second');
    ends[1]?.(answer({ path: 'second' }));
    await screen.findByRole('heading', { name: 'second' });
    ends[0]?.(answer({ path: 'first' }));
    // A turn of the event loop: all that follows from the late answer is then done.
    await new Promise((turn) => setTimeout(turn));
    expect(screen.queryByRole('heading', { name: 'first' })).toBeNull();
  });
});

describe('help', () => {
  it('tells of each sign of the tray, and where the settings are written', async () => {
    const { rerender } = render(Help, { status: statusOf([]) });
    expect(screen.getAllByRole('img').map((sign) => sign.getAttribute('aria-label'))).toEqual([
      ...['Exclamation mark', 'Empty circle', 'Two bars', 'Arrow up', 'Arrow down', 'Both arrows'],
      ...['Dot in a circle', 'A river and its arm'],
    ]);
    expect(screen.getByText('/home/ann/.config/anabranch/settings.toml')).toBeTruthy();
    await rerender({ status: statusOf([], { settings: settings({ file: '' }) }) });
    expect(screen.queryByText('/home/ann/.config/anabranch/settings.toml')).toBeNull();
    expect(screen.getByText(/started without a file/)).toBeTruthy();
  });
});

describe('the window', () => {
  it('says when nobody answers, and tries again', async () => {
    const backend = fake('everyday');
    const status = vi.spyOn(backend, 'status').mockRejectedValueOnce(new Error('no engine'));
    render(App, { backend });
    expect((await screen.findByRole('alert')).textContent).toContain('no engine');
    await fireEvent.click(screen.getByRole('button', { name: 'Try again' }));
    await screen.findByRole('heading', { name: 'Photos' });
    expect(status).toHaveBeenCalledTimes(2);
  });

  it('stops watching when it goes', async () => {
    const backend = fake('everyday');
    const stop = vi.fn();
    vi.spyOn(backend, 'watch').mockResolvedValue(stop);
    const { unmount } = render(App, { backend });
    await screen.findByRole('heading', { name: 'Photos' });
    unmount();
    expect(stop).toHaveBeenCalledTimes(1);
  });
});
