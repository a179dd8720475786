import type { Which } from '../../contract';

/** The way that listed files wait to travel: to a place, or to the folder (no place); none if the list is of others. */
export function destination(which: Which): { place: string | null } | null {
  if (which === 'wanted-here') {
    return { place: null };
  }
  return typeof which === 'object' && 'wanted-by' in which ? { place: which['wanted-by'] } : null;
}
