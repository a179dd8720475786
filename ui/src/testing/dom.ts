/** Made ready before each test of what is seen: jsdom lays nothing out, and knows no media queries. */
import { cleanup, configure } from '@testing-library/svelte';
import { afterEach, vi } from 'vitest';

// What a test waits for comes at once, but for a machine that is busy with other things.
configure({ asyncUtilTimeout: 10_000 });

afterEach(cleanup);

Element.prototype.scrollIntoView = vi.fn();
vi.stubGlobal(
  'ResizeObserver',
  class {
    observe = vi.fn();
    unobserve = vi.fn();
    disconnect = vi.fn();
  },
);
vi.stubGlobal('matchMedia', () => ({ matches: false, addEventListener: vi.fn(), removeEventListener: vi.fn() }));
