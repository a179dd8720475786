import { tick } from 'svelte';

import type { Backend } from '../../backend';
import { ask, part, refusal } from '../../backend/ask';
import type { Keeping, Place, Preview, Rule, Rules } from '../../contract';
import { text } from '../../text';
import { rebased, reversed, unconfirmed } from './preferred-content';
import { isSameRules } from './rules';

/** The rules of a folder while they are changed: read, previewed, applied, undone. */
export class RulesDraft {
  /** The rules as they are, as last read; none while they are not known. */
  saved = $state.raw<Rules | null>(null);
  rules = $state.raw<Rule[]>([]);
  /** The places that are to keep something else. */
  keeps = $state.raw<Keeping[]>([]);
  /** Those that were set and that the status does not tell yet: they are shown all the same. */
  unconfirmed = $state.raw<Keeping[]>([]);
  preview = $state.raw<Preview | null>(null);
  /** Why they could not be read. */
  unread = $state('');
  /** Why what was asked for was not done. */
  trouble = $state('');
  said = $state('');
  readonly isChanged = $derived(this.saved !== null && (!isSameRules(this.saved.rules, this.rules) || this.keeps.length > 0));
  readonly isFixed = $derived(this.saved === null || this.saved.mistake !== null);

  /** The rules from before the last change that was applied, and what takes back what it let places keep. */
  #before = $state.raw<{ rules: Rule[]; keeps: Keeping[] } | null>(null);
  #isSetting = $state(false);
  readonly canApply = $derived(this.preview !== null && !this.#isSetting);
  readonly canUndo = $derived(this.#before !== null && !this.isChanged && this.said === text.rules.applied);

  readonly #backend: Backend;
  readonly #folder: string;
  readonly #onbegin: () => void;
  /** Counts the changes, so that the preview of another is not shown. */
  #change = 0;

  constructor(
    backend: Backend,
    folder: string,
    /** Told before a button goes away that was clicked. */
    onbegin: () => void,
  ) {
    this.#backend = backend;
    this.#folder = folder;
    this.#onbegin = onbegin;
  }

  /** Reads the rules; what is being changed here stays as it is. */
  async read(): Promise<void> {
    const reply = await ask(this.#backend, this.#folder, 'rules');
    const rules = part(reply, 'rules');
    this.unread = refusal(reply);
    if (!rules) {
      return;
    }
    const isUntouched = this.saved === null || isSameRules(this.saved.rules, this.rules);
    const isNew = this.saved === null || !isSameRules(this.saved.rules, rules.rules);
    if (this.#before && this.saved && isNew) {
      // Somebody else wrote them since: Undo would undo that too, so it goes with what was said.
      this.said = '';
    }
    if (isUntouched || rules.mistake !== null) {
      this.rules = rules.rules;
      this.saved = rules;
      // While the file cannot be written nothing can be set.
      this.keeps = rules.mistake === null ? this.keeps : [];
      if (isNew) {
        this.preview = null;
        if (this.isChanged) {
          void this.#foresee();
        }
      }
    }
  }

  /** Notes what the status tells of places, so that what was set is not shown over it. */
  confirm(places: Place[]): void {
    const waiting = unconfirmed(this.unconfirmed, places);
    if (waiting.length < this.unconfirmed.length) {
      this.unconfirmed = waiting;
    }
  }

  /** Changes the draft, and previews that. */
  async edit(rules: Rule[], keeps = this.keeps): Promise<void> {
    this.#change += 1;
    this.rules = rules;
    this.keeps = keeps;
    this.preview = null;
    this.trouble = '';
    this.said = '';
    if (this.isChanged) {
      await this.#foresee();
    }
  }

  /** Puts the draft in force. */
  async apply(): Promise<void> {
    const { saved, rules, keeps } = this;
    if (!saved || !this.canApply) {
      return;
    }
    this.#onbegin();
    if (await this.#set(saved.rules, rules, keeps)) {
      this.#before = { rules: saved.rules, keeps: reversed(keeps) };
      this.said = text.rules.applied;
    }
  }

  /** Puts in force again what was before the last change. */
  async undo(): Promise<void> {
    const [saved, before] = [this.saved, this.#before];
    if (!saved || !before || this.#isSetting) {
      return;
    }
    this.#onbegin();
    if (await this.#set(saved.rules, before.rules, before.keeps)) {
      this.#before = null;
      this.said = text.rules.undone;
    }
  }

  /** Lets go of what was changed here, and shows the rules as they are now. */
  async discard(): Promise<void> {
    if (this.#isSetting) {
      return;
    }
    this.#onbegin();
    this.#change += 1;
    // Undo goes with what was seen: it would take back what others have written since.
    this.#before = null;
    this.said = '';
    this.saved = null;
    this.keeps = [];
    this.trouble = '';
    await this.read();
  }

  async #foresee(): Promise<void> {
    const change = this.#change;
    const reply = await ask(this.#backend, this.#folder, { 'preview-rules': { rules: this.rules, keeps: this.keeps } });
    if (change === this.#change) {
      this.preview = part(reply, 'preview') ?? null;
      // What was refused meanwhile is still to be read.
      this.trouble ||= refusal(reply);
      await tick();
      // What came into sight below must not cover what is being ticked.
      document.activeElement?.scrollIntoView({ block: 'nearest' });
    }
  }

  async #set(before: Rule[], rules: Rule[], keeps: Keeping[]): Promise<boolean> {
    const change = this.#change;
    this.#isSetting = true;
    this.trouble = refusal(await ask(this.#backend, this.#folder, { 'set-rules': { before, rules, keeps } }));
    this.#isSetting = false;
    if (this.trouble) {
      return false;
    }
    this.saved = { rules, mistake: null };
    this.unconfirmed = keeps;
    // What was chosen meanwhile stays, and differs from something else now.
    void (change === this.#change ? this.edit(rules, []) : this.edit(this.rules, rebased(this.keeps, keeps)));
    return true;
  }
}
