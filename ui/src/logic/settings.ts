import type { Look, Setting, Settings } from '../contract';

/** Limits are written in megabytes a second. */
const MEGABYTE = 1_000_000;

/** A limit as people write it; empty is none. */
export function limitWords(limit: number | null): string {
  return limit === null ? '' : String(limit / MEGABYTE);
}

/** Why what was written is no limit. */
export type NoLimit = 'not-a-limit' | 'unclear';

/** Bytes a second of a limit as people write it, none if there is to be no limit; or why it is no limit. */
export function limit(words: string): number | null | NoLimit {
  const written = words.trim();
  if (written === '') {
    return null;
  }
  // In some languages a comma before three digits begins the fraction, in others it ends the thousands.
  if (/^[1-9]\d{0,2},\d{3}$/.test(written)) {
    return 'unclear';
  }
  const bytes = Math.round(Number(written.replace(',', '.')) * MEGABYTE);
  return Number.isSafeInteger(bytes) && bytes > 0 ? bytes : 'not-a-limit';
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
