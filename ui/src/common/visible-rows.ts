/** The rows of a long list that are made: those in sight and a few around. */
export interface Rows {
  first: number;
  end: number;
}

/** Rows above and below what is seen, so that a quick scroll shows no gap. */
const AROUND = 6;

/** Which rows are to be made, of a list of rows of one height. */
export function visibleRows(rows: number, rowHeight: number, scrollTop: number, height: number): Rows {
  const first = Math.max(0, Math.floor(scrollTop / rowHeight) - AROUND);
  const end = Math.min(rows, Math.ceil((scrollTop + height) / rowHeight) + AROUND);
  return { first: Math.min(first, end), end };
}
