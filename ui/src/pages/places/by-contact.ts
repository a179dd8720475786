import type { Place, Status } from '../../contract';
import { contactKind, type ContactKind, CONTACTS } from '../../common/place';

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
