import type { Command, Conflict, Folder, FolderSetting, Keeping, Reply, Rules } from '../../contract';
import { unconfirmed } from '../../pages/rules/preferred-content';
import { isSameRules } from '../../pages/rules/rules';
import { activity } from './activity';
import { ofFewCopies, page, preview, tree, why } from './files';
import { folderSettings, now } from './samples';
import { withFolderSetting } from './settings';

/** What an engine knows of a folder besides its status. */
export interface Known {
  rules: Rules;
  conflicts: Conflict[];
  /** Conflicts that were resolved. */
  resolved: Conflict[];
}

/** How a folder of the fake is changed. */
export interface Changes {
  folder(to: (folder: Folder) => Folder): void;
  known(to: Partial<Known>): void;
  /** Resolves after some of the fake's ticks. */
  ticks(count: number): Promise<void>;
}

/** What a folder of the fake replies; it is then as the engine would make it. */
export async function reply(folder: Folder, known: Known, command: Command, changes: Changes): Promise<Reply> {
  switch (command) {
    case 'status':
      return { status: folder };
    case 'resume':
      changes.folder((one) => ({ ...one, state: 'safe', pause: null, headline: 'up to date' }));
      return 'done';
    case 'sync':
      await changes.ticks(2);
      changes.folder((one) => ({ ...one, held: null, places: one.places.map((place) => ({ ...place, held: null })) }));
      return folder.state === 'paused' ? { refused: 'it is paused' } : { status: folder };
    case 'rules':
      return { rules: known.rules };
    case 'conflicts':
      return { conflicts: known.conflicts };
  }
  if ('pause' in command) {
    const { until } = command.pause;
    changes.folder((one) => ({ ...one, state: 'paused', headline: 'paused', pause: { reason: 'asked', until } }));
    return 'done';
  }
  if ('first' in command) {
    const { place } = command.first;
    return { said: place === null ? 'it is the next to come here' : `it is the next to go to ${place}` };
  }
  if ('cancel' in command) {
    return cancel(folder, command.cancel.transfer, changes);
  }
  if ('answer' in command || 'enter' in command) {
    changes.folder((one) => ({ ...one, question: null, state: 'safe', headline: 'up to date' }));
    return 'done';
  }
  if ('files' in command) {
    return { files: page(folder, command.files.which, command.files.skip, command.files.count) };
  }
  if ('tree' in command) {
    return { tree: tree(folder, command.tree.directory) };
  }
  if ('activity' in command) {
    return { activity: activity(folder, command.activity.skip, command.activity.count) };
  }
  if ('preview-rules' in command) {
    const { rules, keeps } = command['preview-rules'];
    return { preview: preview(keeping(folder, keeps), rules) };
  }
  if ('set-rules' in command) {
    return setRules(folder, known, command['set-rules'], changes);
  }
  if ('set-folder' in command) {
    return setFolder(command['set-folder'].setting, changes);
  }
  if ('resolve' in command) {
    return resolve(known, command.resolve, changes);
  }
  if ('reopen' in command) {
    return reopen(known, command.reopen, changes);
  }
  if ('changed-since' in command) {
    return { refused: 'only git asks that' };
  }
  return { why: why(folder, command.why.path) };
}

/** A folder whose places keep something else. */
function keeping(folder: Folder, keeps: Keeping[]): Folder {
  return {
    ...folder,
    places: folder.places.map((place) => ({
      ...place,
      keeps: keeps.find((one) => one.place === place.name)?.after ?? place.keeps,
    })),
  };
}

function cancel({ transfers }: Folder, id: string, { folder }: Changes): Reply {
  const one = transfers.find((transfer) => transfer.id === id);
  if (!one) {
    return { refused: 'that transfer has ended already; nothing was cancelled' };
  }
  const held = { files: Number.parseInt(/^(\d+) files$/.exec(one.what)?.[1] ?? '1', 10), until: now() + 3_600 };
  folder((all) => ({
    ...all,
    transfers: all.transfers.filter((transfer) => transfer.id !== id),
    held: one.direction === 'receiving' ? held : all.held,
    places: all.places.map((place) => (one.direction === 'sending' && place.name === one.place ? { ...place, held } : place)),
  }));
  return 'done';
}

function setRules(
  { places }: Folder,
  { rules }: Known,
  asked: { before: Rules['rules']; rules: Rules['rules']; keeps: Keeping[] },
  { folder, known }: Changes,
): Reply {
  if (rules.mistake !== null) {
    return { refused: `the rules were not changed: ${rules.mistake}` };
  }
  if (!isSameRules(rules.rules, asked.before)) {
    return { refused: 'the rules were changed elsewhere since you saw them; nothing was changed' };
  }
  if (unconfirmed(asked.keeps, places).length < asked.keeps.length) {
    return { refused: 'what a place keeps was changed elsewhere since you saw it; nothing was changed' };
  }
  folder((one) => keeping(one, asked.keeps));
  known({ rules: { rules: asked.rules, mistake: null } });
  return 'done';
}

function setFolder(setting: FolderSetting, { folder }: Changes): Reply {
  if ('reserve' in setting && setting.reserve !== null && !/^\d+(\.\d+)?\s*[kmgt]?b?$/i.test(setting.reserve)) {
    return { refused: `"${setting.reserve}" is not a size such as 500 MB or 2.5 GB; nothing was changed` };
  }
  folder((one) => {
    const settings = withFolderSetting(one.settings ?? folderSettings(), setting);
    return { ...one, settings, few_copies: ofFewCopies(one, Number(settings.copies.value)) };
  });
  return 'done';
}

function resolve({ conflicts, resolved }: Known, { path }: { path: string }, { known }: Changes): Reply {
  const one = conflicts.find((conflict) => conflict.path.bytes === path);
  if (!one) {
    return { refused: 'this conflict is resolved already' };
  }
  known({ conflicts: conflicts.filter((conflict) => conflict !== one), resolved: [...resolved, one] });
  return 'done';
}

function reopen({ conflicts, resolved }: Known, { path }: { path: string }, { known }: Changes): Reply {
  const one = resolved.find((conflict) => conflict.path.bytes === path);
  if (!one) {
    return { refused: 'there is nothing to take back' };
  }
  known({ conflicts: [...conflicts, one], resolved: resolved.filter((conflict) => conflict !== one) });
  return 'done';
}
