import { defineConfig } from 'vitest/config';

/** The tests that drive a real browser over the built window. */
export default defineConfig({
  test: {
    include: ['browser/**/*.test.ts'],
    environment: 'node',
    // One browser, one test at a time: small machines run these too.
    fileParallelism: false,
    testTimeout: 60_000,
    hookTimeout: 120_000,
  },
});
