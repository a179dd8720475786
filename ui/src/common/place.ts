import type { Contact, Place } from '../contract';
import { text } from '../text';
import { sentence } from './format';

/** The kinds of contact, in the order in which places are listed. */
export const CONTACTS = ['here', 'unknown', 'away', 'unsupported'] as const;

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

/** How far a place is, and the other remotes that lead there, in words. */
export function ways(place: Place): string[] {
  const words = text.place.otherWay;
  const distance = place.round_trip === null ? [] : [text.place.distance(place.round_trip)];
  const others = place.other_ways.map(({ name, contact }) =>
    typeof contact === 'string' ? words[contact](name) : words.away(name, 'away' in contact ? contact.away : contact.unsupported),
  );
  return [...distance, ...others];
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
