import type { Amount, Branch, File, Folder, Page, Path, Place, Preview, Rule, Which, Why } from '../../contract';
import { choiceOf } from '../../pages/rules/preferred-content';
import { carries, effective } from '../../pages/rules/rules';
import { hex } from '../../common/path';

/** As many as the engine gives at the most. */
const AT_MOST = 500;

/** The directories of every folder of the fake, in the order of their names. */
const DIRECTORIES = ['2025/autumn', '2025/harbour', '2026/11', '2026/summer', 'raw', 'raw/scans', 'رحلة البحر'];

interface Filed extends File {
  directory: string;
  wantedBy: string[];
}

/** The files of a folder: always the same for the same number. */
function all(folder: Folder): Filed[] {
  const size = Math.round(folder.bytes / Math.max(folder.keys, 1));
  return Array.from({ length: folder.keys }, (_, at) => {
    const directory = DIRECTORIES[Math.floor((at * DIRECTORIES.length) / folder.keys)] ?? '';
    const lacking = folder.places.filter((place) => at < place.wants);
    const wantedBy = lacking.filter((place) => isWanted(folder, place)).map(({ name }) => name);
    return {
      directory,
      wantedBy,
      path: path(`${directory}/IMG_${String(at).padStart(5, '0')}.jpg`),
      bytes: at % 97 === 13 ? null : size,
      is_here: true,
      copies: 1 + folder.places.length - lacking.length,
    };
  });
}

/** Only new files are those that no full copy has: here one has all. */
function isWanted(folder: Folder, { keeps }: Place): boolean {
  const isFull = (place: Place): boolean => place.keeps !== null && choiceOf(place.keeps) === 'backup';
  return keeps === null || choiceOf(keeps) !== 'only-new' || !folder.places.some(isFull);
}

function path(shown: string): Path {
  return { shown, bytes: hex(shown) };
}

/** A part of a list of files. */
export function page(folder: Folder, which: Which, skip: number, count: number): Page {
  const found = all(folder).filter((file, at) => isListed(folder, file, at, which));
  const files = found.slice(skip, skip + Math.min(count, AT_MOST));
  return {
    total: found.length,
    files: files.map(({ path, bytes, is_here, copies }) => ({ path, bytes, is_here, copies })),
  };
}

function isListed(folder: Folder, file: Filed, at: number, which: Which): boolean {
  if (which === 'all') {
    return true;
  }
  if (which === 'wanted-here') {
    return !file.is_here;
  }
  if (which === 'few-copies') {
    return at < folder.few_copies;
  }
  return 'named' in which
    ? file.path.shown.toLowerCase().includes(which.named.toLowerCase())
    : file.wantedBy.includes(which['wanted-by']);
}

/** How many files have fewer copies. */
export function ofFewCopies(folder: Folder, copies: number): number {
  return all(folder).filter((file) => file.copies < copies).length;
}

/** Where a file is and where it is still to come. */
export function why(folder: Folder, hexadecimal: string): Why {
  const file = all(folder).find((one) => one.path.bytes === hexadecimal);
  const path = words(hexadecimal);
  if (!file) {
    return { path, key: null, have: [], want: [], missing: [], sentence: 'it is not there, and no file of that name is synced' };
  }
  const places = folder.places.map((place) => place.name);
  const holders = folder.places.filter(({ name }) => !file.wantedBy.includes(name));
  const have = [folder.description, ...holders.map(({ name }) => name)];
  const next = file.wantedBy.length > 0 ? `it still has to go to ${file.wantedBy.join(', ')}` : 'no other place wants it';
  return {
    path,
    key: 'SHA256E-s3--abc.jpg',
    have: [{ place: folder.description, checked: null }, ...holders.map(({ name, checked }) => ({ place: name, checked }))],
    want: [folder.description, ...places],
    missing: file.wantedBy.map((place) => ({ place, reason: 'it is on its way' })),
    sentence: `its content is in ${have.join(', ')}, and ${next}`,
  };
}

/** The directories of a directory. */
export function tree(folder: Folder, directory: string): Branch[] {
  const files = all(folder);
  const above = directory === '' ? '' : `${words(directory)}/`;
  const inside = DIRECTORIES.filter((one) => one.startsWith(above) && one !== above);
  const names = new Set(inside.map((one) => above + (one.slice(above.length).split('/')[0] ?? '')));
  return [...names].map((name) => ({
    path: path(name),
    holds: amount(files.filter((file) => file.path.shown.startsWith(`${name}/`))),
    has_directories: DIRECTORIES.some((one) => one.startsWith(`${name}/`)),
  }));
}

/** The text that these bytes are. */
function words(hexadecimal: string): string {
  const bytes = (hexadecimal.match(/../g) ?? []).map((pair) => Number.parseInt(pair, 16));
  return new TextDecoder().decode(new Uint8Array(bytes));
}

/** What rules would change. */
export function preview(folder: Folder, rules: Rule[]): Preview {
  const files = all(folder);
  const goes = (file: Filed, place: string): boolean => {
    const allow = effective(rules, place, file.directory);
    return effective(rules, place, null) !== 'nothing' && carries(allow) && allow !== 'content-down';
  };
  const copies = files.map((file) => file.copies + file.wantedBy.filter((place) => goes(file, place)).length);
  const fewest = copies.reduce((least, one) => Math.min(least, one), Number.POSITIVE_INFINITY);
  return {
    travels: folder.places.map(({ name }) => {
      const wanted = files.filter((file) => file.wantedBy.includes(name));
      return {
        place: name,
        up: amount(wanted.filter((file) => goes(file, name))),
        down: { files: 0, bytes: 0 },
        held_back: amount(wanted.filter((file) => !goes(file, name))),
      };
    }),
    fewest_copies: files.length > 0 ? fewest : null,
    files_with_fewest: copies.filter((one) => one === fewest).length,
  };
}

function amount(files: File[]): Amount {
  return { files: files.length, bytes: files.reduce((sum, { bytes }) => sum + (bytes ?? 0), 0) };
}
