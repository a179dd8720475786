import type { FolderSetting } from '../../contract';

/** Limits are written in megabytes a second. */
const MEGABYTE = 1_000_000;

/** A limit as people write it; empty is none. */
export function formatLimit(limit: number | null): string {
  return limit === null ? '' : String(limit / MEGABYTE);
}

/** Why what was written is no limit. */
export type LimitError = 'not-a-limit' | 'unclear';

/** Why what was written is no setting of a folder. */
export type FolderSettingError = 'not-copies' | 'no-unit' | 'unclear';

/** In some languages a comma before three digits begins the fraction, in others it ends the thousands. */
const UNCLEAR = /^[1-9]\d{0,2},\d{3}(?!\d)/;

/** As many copies as git-annex can be told to keep here. */
const MOST_COPIES = 4_294_967_295;

/** Bytes a second of a limit as people write it, none if there is to be no limit; or why it is no limit. */
export function parseLimit(words: string): number | null | LimitError {
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

/** The number of copies that was written; or why it is none. */
export function parseCopies(words: string): FolderSetting | FolderSettingError {
  const number = /^\s*\d+\s*$/.test(words) ? Number(words) : 0;
  return number > 0 && number <= MOST_COPIES ? { copies: number } : 'not-copies';
}

/** The space that was written, as git-annex writes sizes; empty takes it away. Or why it is none. */
export function parseReserve(words: string): FolderSetting | FolderSettingError {
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
