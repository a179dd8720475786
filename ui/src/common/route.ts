/** The pages, in the order in which they are listed. */
export const PAGES = [
  'folders',
  'places',
  'drives',
  'rules',
  'activity',
  'problems',
  'conflicts',
  'why',
  'settings',
  'help',
] as const;

export type PageName = (typeof PAGES)[number];

/** What the address asks for: a page, and perhaps what to show on it. */
export interface Route {
  page: PageName;
  /** The path of a folder; empty if none is asked for. */
  folder: string;
  /** The path of a file, as bytes in hexadecimal; empty if none is asked for. */
  file: string;
}

/** Reads what stands behind `#` in an address, such as `#/why?folder=%2Fhome%2Fann%2FPhotos`. */
export function parseRoute(hash: string): Route {
  const [name = '', query = ''] = hash.replace(/^#\/?/, '').split('?', 2);
  const asked = new URLSearchParams(query);
  return {
    page: PAGES.find((one) => one === name) ?? 'folders',
    folder: asked.get('folder') ?? '',
    file: asked.get('file') ?? '',
  };
}

/** The address of a page, perhaps with what to show on it. */
export function address(page: PageName, asked: { folder?: string; file?: string } = {}): string {
  const query = new URLSearchParams(asked).toString();
  return `#/${page}${query ? `?${query}` : ''}`;
}
