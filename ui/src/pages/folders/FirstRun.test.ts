import { fireEvent, render, screen, waitFor } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { folder, status } from '../../backend/fake/samples';
import { stubBackend, unreachable } from '../../testing/stub';
import FirstRun from './FirstRun.svelte';

describe('the first run', () => {
  it('leaves the focus where it is when a new status comes', async () => {
    const backend = stubBackend(unreachable);
    const first = { status: status([folder('/a/Photos', { places: [] })]), backend, added: '/a/Photos', onend: vi.fn() };
    const { rerender } = render(FirstRun, first);
    await waitFor(() => expect(document.activeElement?.textContent).toContain('Where should copies of Photos be kept?'));
    const field = screen.getByLabelText('Path for the copies of Photos');
    field.focus();
    await rerender({ ...first, status: status([folder('/a/Photos', { places: [], keys: 7 })]) });
    expect(document.activeElement).toBe(field);
  });

  it('adds nothing before it is known what is there', async () => {
    const backend = stubBackend(unreachable, (request) =>
      request === 'suggest' ? Promise.resolve({ suggested: [] }) : new Promise(() => undefined),
    );
    render(FirstRun, { status: status([]), backend, added: '', onend: vi.fn() });
    await fireEvent.input(screen.getByLabelText('Folder'), { target: { value: '~/Photos' } });
    await fireEvent.click(screen.getByRole('button', { name: 'Protect this folder' }));
    expect(backend.request.mock.calls.filter(([asked]) => typeof asked === 'object' && 'add' in asked)).toEqual([]);
  });
});
