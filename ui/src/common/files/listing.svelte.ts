import { SvelteMap } from 'svelte/reactivity';

import type { Backend } from '../../backend';
import { ask, part, refusal } from '../../backend/ask';
import type { File, Which } from '../../contract';
import { text } from '../../text';
import type { Rows } from '../visible-rows';
import { PAGE_SIZE, pagesOf } from './paging';

/** A list of files that is read page by page, as far as it is in sight. */
export class Listing {
  /** How many files there are; none while that is not known. */
  total = $state<number | null>(null);
  /** Why the files could not be read. */
  trouble = $state('');
  /** Why a file was not put first, or what comes of it. */
  refused = $state('');
  said = $state('');

  readonly #backend: Backend;
  readonly #pages = new SvelteMap<number, File[]>();
  #folder = '';
  #which: Which = 'all';
  /** Counts the lists that were opened, so that a late answer about another list is not taken. */
  #list = 0;
  #requested: number[] = [];
  #shown: Rows = { first: 0, end: 1 };
  #pending = 0;
  #isStale = false;

  constructor(backend: Backend) {
    this.#backend = backend;
  }

  /** Reads another list. */
  open(folder: string, which: Which): void {
    this.#folder = folder;
    this.#which = which;
    this.#list += 1;
    this.#pending = 0;
    this.total = null;
    this.refused = this.said = '';
    this.#pages.clear();
    this.#reload();
  }

  /** Reads the list again, since it may be another. While it changes faster than it is answered, the answers are shown all the same. */
  refresh(): void {
    this.#isStale = true;
    if (this.#pending === 0) {
      this.#reload();
    }
  }

  /** Reads the pages of these rows. */
  show(rows: Rows): void {
    this.#shown = rows;
    for (const page of pagesOf(rows.end > rows.first ? rows : { first: 0, end: 1 })) {
      if (!this.#requested.includes(page)) {
        this.#requested.push(page);
        void this.#read(page);
      }
    }
  }

  /** The file of a row; none while it is not known. */
  file(row: number): File | undefined {
    return this.#pages.get(Math.floor(row / PAGE_SIZE))?.[row % PAGE_SIZE];
  }

  /** Lets a file travel before all others. */
  async prioritize(file: File, place: string | null): Promise<void> {
    const list = this.#list;
    const reply = await ask(this.#backend, this.#folder, { first: { path: file.path.bytes, place } });
    if (list === this.#list) {
      this.refused = refusal(reply);
      const words = part(reply, 'said');
      this.said = words === undefined ? '' : text.files.said(file.path.shown, words);
    }
  }

  #reload(): void {
    this.#isStale = false;
    this.#requested = [];
    this.show(this.#shown);
  }

  async #read(page: number): Promise<void> {
    const list = this.#list;
    this.#pending += 1;
    const reply = await ask(this.#backend, this.#folder, { files: { which: this.#which, skip: page * PAGE_SIZE, count: PAGE_SIZE } });
    if (list !== this.#list) {
      return;
    }
    this.#pending -= 1;
    const found = part(reply, 'files');
    this.trouble = refusal(reply);
    if (found) {
      this.total = found.total;
      this.#pages.set(page, found.files);
    }
    if (this.#pending === 0 && this.#isStale) {
      this.#reload();
    }
  }
}
