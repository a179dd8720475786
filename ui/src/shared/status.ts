import type { Change, Contact, Folder, Place, State, Status } from '../contract';
import { pauseSentence } from '../pages/folders/pause';
import { text } from '../text';
import { sentence } from './format';

/** What a folder is called: the last part of its path. */
export function folderName(path: string): string {
  return path.split('/').filter(Boolean).at(-1) ?? path;
}

/** The state of a folder in one sentence: the engine's, but for where it speaks of the command line. */
export function headline(folder: Folder, now: Date): string {
  switch (folder.state) {
    case 'paused':
      return pauseSentence(folder.pause, now);
    case 'safe':
      return text.folders.safe;
    case 'needs-you':
    case 'stopped':
    case 'working':
    case 'waiting':
      return sentence(folder.headline);
  }
}

/** All states, the most pressing first. */
const STATES = Object.keys(text.state) as State[];

/** All folders that are to be kept in one sentence. */
export function overall({ folders, refused }: Status): string {
  const states = [...folders.map((folder) => folder.state), ...refused.map((): State => 'needs-you')];
  if (states.length === 0) {
    return text.folders.overall.none;
  }
  const counts = STATES.map((state) => ({ state, count: states.filter((one) => one === state).length }));
  const present = counts.filter(({ count }) => count > 0);
  if (present.every(({ state }) => state === 'safe')) {
    return text.folders.overall.safe(states.length);
  }
  return text.folders.overall.some(
    states.length,
    present.map(({ state, count }) => text.folders.overall.state(count, state)),
  );
}

/** How many problems and questions wait for the user. */
export function needs({ folders, problems }: Status): number {
  return folders.reduce((sum, folder) => sum + folder.problems.length + (folder.question ? 1 : 0), problems.length);
}

/** What a screen reader is told: the folders whose state is another one. Progress is not news. */
export function news(before: Status | null, after: Status): string {
  const states = new Map(before?.folders.map((folder) => [folder.path, folder.state]));
  return after.folders
    .filter((folder) => states.has(folder.path) && states.get(folder.path) !== folder.state)
    .map((folder) => text.app.changed(folderName(folder.path), text.state[folder.state]))
    .join(', ');
}

/** Another one whenever something happened in a folder: times are whole seconds, in which several things may happen. */
export function newest({ recent }: Folder): string {
  const last = recent.filter((change) => change.at === recent[0]?.at);
  return last.map((change) => `${change.at} ${change.what}`).join('\n');
}

/** Something that happened, and in which folder. */
export interface Happening extends Change {
  folder: string;
}

/** What happened in all folders, newest first. */
export function happenings({ folders }: Status): Happening[] {
  const all = folders.flatMap((folder) => folder.recent.map((change) => ({ ...change, folder: folder.path })));
  return all.sort((one, other) => other.at - one.at);
}

/** The kinds of contact, in the order in which places are listed. */
const CONTACTS = ['here', 'unknown', 'away', 'unsupported'] as const;

export type ContactKind = (typeof CONTACTS)[number];

/** Whether a place can be reached, without the reason. */
export function contactKind(contact: Contact): ContactKind {
  if (typeof contact === 'string') {
    return contact;
  }
  return 'away' in contact ? 'away' : 'unsupported';
}

/** Why a place cannot be reached, in words; empty if it can. */
export function contactReason(contact: Contact): string {
  if (typeof contact === 'string') {
    return '';
  }
  return sentence('away' in contact ? contact.away : contact.unsupported);
}

/** What a place still lacks, in words. */
export function lacks(place: Place): string {
  if (place.wants > 0) {
    return text.place.wants(place.wants, place.wants_bytes);
  }
  if (place.takes_nothing) {
    return sentence(place.takes_nothing);
  }
  return place.has_commits ? text.place.complete : text.place.lacksChanges;
}

/** A place, and the folder whose copies it has. */
export interface FolderPlace {
  place: Place;
  folder: string;
}

/** The places of all folders by their contact; those that lack most first. */
export function placesByContact({ folders }: Status): { kind: ContactKind; places: FolderPlace[] }[] {
  const all = folders.flatMap((folder) => folder.places.map((place) => ({ place, folder: folder.path })));
  return CONTACTS.map((kind) => ({
    kind,
    places: all
      .filter(({ place }) => contactKind(place.contact) === kind)
      .sort((one, other) => other.place.wants_bytes - one.place.wants_bytes),
  })).filter(({ places }) => places.length > 0);
}
