import { svelte } from '@sveltejs/vite-plugin-svelte';
import { defineConfig } from 'vitest/config';

export default defineConfig({
  plugins: [svelte()],
  // The window is loaded from the program itself, at whatever address the web view gives it.
  base: './',
  // The pictures of the tray are beside this folder.
  server: { fs: { allow: ['..'] } },
  build: {
    // What WebKitGTK of Debian 12 surely understands.
    target: 'safari15',
    // Without it a small script would be written to load the others; there are none.
    modulePreload: false,
    // Nothing is inlined as a data: address: the content security policy allows files only.
    assetsInlineLimit: 0,
  },
  test: {
    testTimeout: 20_000,
    projects: [
      // A test is called like what it tests: a component, with a capital, needs a page; plain functions do not.
      {
        extends: true,
        test: { name: 'components', include: ['src/**/[A-Z]*.test.ts'], environment: 'jsdom', setupFiles: ['src/testing/dom.ts'] },
      },
      { extends: true, test: { name: 'functions', include: ['src/**/[a-z]*.test.ts'], environment: 'node' } },
    ],
  },
  // Without this, tests would get Svelte's build for servers.
  ...(process.env['VITEST'] ? { resolve: { conditions: ['browser'] } } : {}),
});
