import type { Purpose } from '../../contract';
import { bytes, list } from '../../common/format';

/** The words of the page Drives. */
export const drives = {
  hint: 'Connected drives.',
  none: 'No drive is connected. Plug one in, and it appears here.',
  room: (free: number, all: number): string => `${bytes(free)} free of ${bytes(all)}`,
  bar: (name: string): string => `${name}, space used`,
  kind: (kind: string, path: string): string => `${kind} · ${path}`,
  standing: {
    new: 'New',
    declined: 'Not used',
    unusable: 'Cannot be used',
    'in-use': 'In use',
    ejecting: 'Ejecting',
  },
  notes: 'Good to know',
  holds: (places: string[]): string => `Has copies of ${list(places)}.`,
  upToDate: 'Up to date.',
  missing: 'Not up to date yet:',
  receiving: 'Anabranch is still reading files from it',
  unsure: 'Anabranch has not scanned its last changes yet',
  use: 'Use it…',
  decline: 'Not this one',
  reconsider: 'Use it after all…',
  useMore: 'Use it for another folder…',
  eject: 'Eject when done',
  keep: 'Don’t eject',
  cannotEject: 'Anabranch cannot eject it: unmount it as you usually do.',
  form: {
    title: (drive: string): string => `Use ${drive}`,
    folder: 'For which folder?',
    purpose: 'What is it for?',
    start: 'Start using it',
    working: 'Setting it up…',
    cancel: 'Cancel',
    safe: 'All files on the drive stay there.',
    noFolder: 'Add a folder first, on the page Folders.',
  },
  purpose: {
    carry: 'Carry files between computers',
    backup: 'A full copy',
    'only-new': 'Only new files',
    archive: 'Archive copy',
  } satisfies Record<Purpose, string>,
  purposeMeans: {
    carry: 'Holds files until they have reached the other computers.',
    backup: 'Holds every file of the folder.',
    'only-new': 'Holds every file that no full copy and no other place of this kind has.',
    archive: 'Holds every file that no other archive has. Anabranch removes nothing from this computer.',
  } satisfies Record<Purpose, string>,
};
