import type { Look, Setting, Settings } from '../contract';

/** Limits are written in megabytes a second. */
const MEGABYTE = 1_000_000;

/** A limit as people write it; empty is none. */
export function limitWords(limit: number | null): string {
  return limit === null ? '' : String(limit / MEGABYTE);
}

/** Bytes a second of a limit as people write it; none if there is to be no limit, nothing if it is no limit. */
export function limit(words: string): number | null | undefined {
  const written = words.trim().replace(',', '.');
  if (written === '') {
    return null;
  }
  const bytes = Math.round(Number(written) * MEGABYTE);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : undefined;
}

/** What puts a setting back to what it was. Whoever was not asked yet whether to start with the desktop has said no then. */
export function undo(setting: Setting, before: Settings): Setting {
  if ('autostart' in setting) {
    return { autostart: before.autostart ?? false };
  }
  if ('notifications' in setting) {
    return { notifications: before.notifications };
  }
  if ('limit-up' in setting) {
    return { 'limit-up': before.limit_up };
  }
  if ('limit-down' in setting) {
    return { 'limit-down': before.limit_down };
  }
  if ('pause-on-battery' in setting) {
    return { 'pause-on-battery': before.pause_on_battery };
  }
  if ('pause-on-metered' in setting) {
    return { 'pause-on-metered': before.pause_on_metered };
  }
  return { look: before.look };
}

/** Whether the window is dark. */
export function isDark(look: Look, isDesktopDark: boolean): boolean {
  switch (look) {
    case 'system':
      return isDesktopDark;
    case 'light':
      return false;
    case 'dark':
      return true;
  }
}
