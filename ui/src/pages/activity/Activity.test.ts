import { render, screen, waitFor, within } from '@testing-library/svelte';
import { describe, expect, it } from 'vitest';

import { deed, folder, status } from '../../backend/fake/samples';
import type { Command, Reply, Status } from '../../contract';
import { stubBackend } from '../../testing/stub';
import Activity from './Activity.svelte';

describe('who did what', () => {
  const photos = (...whats: string[]): { status: Status } => {
    const recent = whats.map((what) => ({ at: 1, what }));
    return { status: status([folder('/a/Photos', { recent })]) };
  };
  const commands = (backend: ReturnType<typeof stubBackend>): Command[] => backend.ask.mock.calls.map(([, command]) => command);

  it('is asked for part by part, as far as it is looked at, and told beside what only happened here', async () => {
    const parts: Record<number, Reply> = {
      0: { activity: { deeds: [deed({ who: 'Ann', added: 1, commit: 'a' })], next: 7 } },
      7: { activity: { deeds: [deed({ who: '', deleted: 1, commit: 'b' })], next: null } },
    };
    const backend = stubBackend((command) =>
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
    const backend = stubBackend(() => Promise.resolve({ activity: { deeds, next: 60 } }));
    render(Activity, { ...photos('a'), backend });
    await screen.findByRole('region', { name: 'Who did what' });
    expect(commands(backend)).toEqual([{ activity: { skip: 0, count: 50 } }]);
  });

  it('is asked for again when something happened, once for all that happened meanwhile', async () => {
    const ends: ((reply: Reply) => void)[] = [];
    const backend = stubBackend(() => new Promise((end) => ends.push(end)));
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
