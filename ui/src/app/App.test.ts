import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import { fake } from '../backend/fake';
import App from './App.svelte';

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
