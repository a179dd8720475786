import type { Purpose } from '../../contract';
import { bytes, list } from '../../common/format';

/** The words of the page Drives. */
export const drives = {
  hint: 'Drives that are plugged in now.',
  none: 'No drive is plugged in. One that you plug in appears here at once.',
  room: (free: number, all: number): string => `${bytes(free)} free of ${bytes(all)}`,
  bar: (name: string): string => `Used of ${name}`,
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
  upToDate: 'Everything that belongs on it is on it.',
  missing: 'Not everything that belongs on it is on it yet:',
  receiving: 'files are still read from it',
  unsure: 'its last changes are not looked at yet',
  use: 'Use it…',
  decline: 'Not this one',
  reconsider: 'Use it after all…',
  useMore: 'Use it for another folder…',
  eject: 'Eject when done',
  keep: 'Do not eject',
  cannotEject: 'It cannot be ejected from here: unmount it as you usually do.',
  form: {
    title: (drive: string): string => `Use ${drive}`,
    folder: 'For which folder?',
    purpose: 'What is it for?',
    start: 'Start using it',
    working: 'Making room on the drive…',
    cancel: 'Cancel',
    safe: 'What is on the drive stays on it.',
    noFolder: 'Add a folder first, on the page Folders.',
  },
  purpose: {
    carry: 'Carry files between computers',
    backup: 'A full copy',
    'only-new': 'Only new files',
    archive: 'Old things off this computer',
  } satisfies Record<Purpose, string>,
  purposeMeans: {
    carry: 'Holds what is still on its way to another computer.',
    backup: 'Holds every file of the folder.',
    'only-new': 'Holds every file that no full copy and no other place of this kind has.',
    archive: 'Holds every file that no other archive has. Nothing is removed from this computer.',
  } satisfies Record<Purpose, string>,
};
