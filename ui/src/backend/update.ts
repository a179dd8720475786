import type { Entry, News, Status } from '../contract';

/** The status after news of it. Unchanged parts are the very same objects as before, so the window does not draw them again. */
export function updated(before: Status | null, news: News): Status {
  if ('whole' in news) {
    return news.whole;
  }
  if (!before) {
    throw new Error('changes came before the whole');
  }
  const { folders, refused, drives, problems, settings } = news.changed;
  const folder = (entry: Entry): Status['folders'] =>
    'new' in entry ? [entry.new] : before.folders.slice(entry.same, entry.same + 1);
  return {
    folders: folders?.flatMap(folder) ?? before.folders,
    refused: refused ?? before.refused,
    drives: drives ?? before.drives,
    problems: problems ?? before.problems,
    settings: settings ?? before.settings,
  };
}
