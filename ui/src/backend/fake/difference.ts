import type { Entry, News, Status } from '../../contract';

/** What the program tells of a status: all of it, or what is otherwise than it told last. */
export function difference(before: Status | null, after: Status): News {
  if (!before) {
    return { whole: after };
  }
  const was = before.folders.map((one) => JSON.stringify(one));
  const folders = after.folders.map((one): Entry => {
    const at = was.indexOf(JSON.stringify(one));
    return at < 0 ? { new: one } : { same: at };
  });
  const changed = <Name extends keyof Status>(name: Name): Status[Name] | null =>
    JSON.stringify(before[name]) === JSON.stringify(after[name]) ? null : after[name];
  return {
    changed: {
      folders: changed('folders') && folders,
      refused: changed('refused'),
      drives: changed('drives'),
      problems: changed('problems'),
      settings: changed('settings'),
    },
  };
}
