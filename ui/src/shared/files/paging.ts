import type { Slice } from '../window';

/** Rows that are asked for at once. */
export const PAGE = 200;

/** The numbers of the pages that hold the rows of a slice. */
export function pagesOf({ first, end }: Slice): number[] {
  if (end <= first) {
    return [];
  }
  const start = Math.floor(first / PAGE);
  return Array.from({ length: Math.floor((end - 1) / PAGE) - start + 1 }, (_, at) => start + at);
}
