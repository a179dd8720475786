import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { folder, status as statusOf } from '../../backend/fake/samples';
import type { Command, Reply, Status, Why as Told } from '../../contract';
import { parseRoute } from '../../common/route';
import { stubBackend } from '../../testing/stub';
import Why from './Why.svelte';

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
    const backend = stubBackend(() =>
      Promise.resolve(answer({ path: 'é', sentence: 'its content is in laptop, and no other place wants it' })),
    );
    render(Why, { status, backend, route: parseRoute('#/why') });
    await fireEvent.change(screen.getByLabelText('Folder'), { target: { value: '/a/Notes' } });
    await ask('/a/Notes/é');
    expect(backend.ask).toHaveBeenCalledWith('/a/Notes', { why: { path: 'c3a9' } });
    await screen.findByText('Its content is in laptop, and no other place wants it');
  });

  it('says of each place that has it when it was checked, or that this is not known', async () => {
    const at = new Date(2020, 4, 6, 7, 8).getTime() / 1000;
    const have = [
      { place: 'laptop', checked: null },
      { place: 'disk', checked: at },
    ];
    render(Why, { status, backend: stubBackend(() => Promise.resolve(answer({ have }))), route: parseRoute('#/why') });
    await ask('/a/Photos/a');
    const disk = await screen.findByText(/Last check: 6 May 2020, 07:08/);
    expect(disk.closest('li')?.textContent).toContain('disk');
    expect(screen.getByText('Never checked').closest('li')?.textContent).toContain('laptop');
    screen.getByText(/git-annex doesn’t record which/);
  });

  it('says why a file is not synced, or that it is elsewhere, and asks nobody about the latter', async () => {
    const backend = stubBackend((command) => Promise.resolve(whole(command) ?? answer({ path: 'x', key: null, have: [], sentence: 'it is ignored, by line 1 of .gitignore' })));
    render(Why, { status, backend, route: parseRoute('#/why') });
    await ask('x');
    await screen.findByText('It is ignored, by line 1 of .gitignore');
    await ask('/etc/passwd');
    await screen.findByText('This path is not in the folder.');
    expect(backend.ask.mock.calls.filter(([, command]) => typeof command === 'object' && 'why' in command).length).toBe(1);
  });

  it('tells what each place waits for as the engine does, and of nothing else', async () => {
    const sentence = 'its content is in laptop, and a rule keeps it from stick';
    const missing = [{ place: 'stick', reason: 'a rule keeps it away' }];
    const backend = stubBackend((command) => Promise.resolve(whole(command) ?? answer({ sentence, missing })));
    render(Why, { status, backend, route: parseRoute('#/why?folder=%2Fa%2FPhotos&file=61') });
    await screen.findByText('Its content is in laptop, and a rule keeps it from stick');
    expect(screen.getByRole('status').textContent).toContain('stick: a rule keeps it away');
  });

  it('of a part of a name shows only the files that have it', async () => {
    const files: Reply = { files: { total: 1, files: [{ path: { shown: 'a.jpg', bytes: '61' }, bytes: 1, is_here: true, copies: 1 }] } };
    const backend = stubBackend((command) =>
      Promise.resolve(typeof command === 'object' && 'files' in command ? files : answer({ path: 'a.j', key: null, have: [], sentence: 'it is not there' })),
    );
    render(Why, { status, backend, route: parseRoute('#/why') });
    await ask('a.j');
    await screen.findByRole('link', { name: 'a.jpg' });
    expect(screen.queryByText('It is not there')).toBeNull();
  });

  it('does not take a late answer for that to the last question', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = stubBackend((command) => {
      const files = whole(command);
      return files ? Promise.resolve(files) : new Promise((end) => ends.push(end));
    });
    render(Why, { status, backend, route: parseRoute('#/why') });
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
