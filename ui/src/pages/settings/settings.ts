import type { Chosen, FolderSetting, FolderSettings, Look, Setting, Settings } from '../../contract';

/** Limits are written in megabytes a second. */
const MEGABYTE = 1_000_000;

/** A limit as people write it; empty is none. */
export function limitWords(limit: number | null): string {
  return limit === null ? '' : String(limit / MEGABYTE);
}

/** Why what was written is no limit. */
export type NoLimit = 'not-a-limit' | 'unclear';

/** Why what was written is no setting of a folder. */
export type Wrong = 'not-copies' | 'no-unit' | 'unclear';

/** In some languages a comma before three digits begins the fraction, in others it ends the thousands. */
const UNCLEAR = /^[1-9]\d{0,2},\d{3}(?!\d)/;

/** As many copies as git-annex can be told to keep here. */
const MOST_COPIES = 4_294_967_295;

/** Bytes a second of a limit as people write it, none if there is to be no limit; or why it is no limit. */
export function limit(words: string): number | null | NoLimit {
  const written = words.trim();
  if (written === '') {
    return null;
  }
  if (UNCLEAR.test(written)) {
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

/** The number of copies that was written; or why it is none. */
export function copies(words: string): FolderSetting | Wrong {
  const number = /^\s*\d+\s*$/.test(words) ? Number(words) : 0;
  return number > 0 && number <= MOST_COPIES ? { copies: number } : 'not-copies';
}

/** The space that was written, as git-annex writes sizes; empty takes it away. Or why it is none. */
export function reserve(words: string): FolderSetting | Wrong {
  const written = words.trim();
  if (UNCLEAR.test(written)) {
    return 'unclear';
  }
  const size = written.replace(',', '.');
  if (/^\d+(\.\d+)?$/.test(size) && Number(size) !== 0) {
    return 'no-unit';
  }
  return { reserve: size === '' ? null : size };
}

/** What is written where the window writes it; none if that is nothing. */
function here({ value, origin }: Chosen): string | null {
  return origin === 'here' ? value : null;
}

/** What puts a setting of a folder back to what it was. That there are copies to keep cannot be taken away again. */
export function undoFolder(setting: FolderSetting, before: FolderSettings): FolderSetting {
  if ('copies' in setting) {
    return { copies: Number(before.copies.value) };
  }
  if ('reserve' in setting) {
    return { reserve: here(before.reserve) };
  }
  const unlocked = here(before.unlocked);
  return { unlocked: unlocked === null ? null : unlocked === 'true' };
}

/** True if that is what is written. */
export function isWritten(setting: FolderSetting, { copies, reserve, unlocked }: FolderSettings): boolean {
  if ('copies' in setting) {
    return here(copies) === String(setting.copies);
  }
  if ('reserve' in setting) {
    return here(reserve) === setting.reserve;
  }
  return here(unlocked) === (setting.unlocked === null ? null : String(setting.unlocked));
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
