/** A path below the top of a folder, from what somebody typed; none if it is elsewhere. */
export function below(folder: string, typed: string): string | undefined {
  const path = typed.startsWith(`${folder}/`) ? typed.slice(folder.length + 1) : typed;
  const parts = path.split('/').filter((part) => part !== '' && part !== '.');
  const isElsewhere = path.startsWith('/') || parts.length === 0 || parts.includes('..');
  return isElsewhere ? undefined : parts.join('/');
}

/** The bytes of a text in hexadecimal, as the engine wants its paths. */
export function hex(words: string): string {
  return Array.from(new TextEncoder().encode(words), (byte) => byte.toString(16).padStart(2, '0')).join('');
}

/** True if what is shown of a path is all of it: rules can only name what is text. */
export function isText(path: { shown: string; bytes: string }): boolean {
  return hex(path.shown) === path.bytes;
}
