import './app/app.css';

import { mount } from 'svelte';

import App from './app/App.svelte';
import type { Backend } from './backend';
import { tauri } from './backend/tauri';

/** `npm run dev` shows the fake; the built window knows only the program that it is part of. */
async function backend(): Promise<Backend> {
  if (import.meta.env.DEV) {
    const { fake } = await import('./backend/fake');
    return fake(new URLSearchParams(location.search).get('scene') ?? 'everyday');
  }
  return tauri;
}

const target = document.getElementById('app');
if (target) {
  mount(App, { target, props: { backend: await backend() } });
}
