import type { Rows } from '../visible-rows';

/** Rows that are asked for at once. */
export const PAGE_SIZE = 200;

/** The numbers of the pages that hold the rows of a slice. */
export function pagesOf({ first, end }: Rows): number[] {
  if (end <= first) {
    return [];
  }
  const start = Math.floor(first / PAGE_SIZE);
  return Array.from({ length: Math.floor((end - 1) / PAGE_SIZE) - start + 1 }, (_, at) => start + at);
}
