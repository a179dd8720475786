import { describe, expect, it } from 'vitest';

import { deed, folder, place, problem, refusing, status } from '../backend/fake/samples';
import { type History, mixed, withPart } from '../pages/activity/activity';
import { activity } from '../pages/activity/text';
import { bytes, list, moment, plural, sentence } from './format';
import { below, hex } from './path';
import { contactKind, contactReason, folderName, happenings, headline, lacks, needs, newest, news, overall, placesByContact } from './status';
import { slice } from './window';

describe('words', () => {
  it('agree with their number', () => {
    const forms = { one: '# file', other: '# files' };
    expect([0, 1, 2, 12_345].map((count) => plural(count, forms))).toEqual([
      '0 files',
      '1 file',
      '2 files',
      '12,345 files',
    ]);
  });

  it('of bytes have the unit that fits, also where rounding passes one', () => {
    expect([0, 1, 999, 1000, 1949, 9_960, 999_499, 999_500, 1.9e9, 61e9, 5e18].map(bytes)).toEqual([
      '0 bytes',
      '1 byte',
      '999 bytes',
      '1.0 kB',
      '1.9 kB',
      '10 kB',
      '999 kB',
      '1.0 MB',
      '1.9 GB',
      '61 GB',
      '5000 PB',
    ]);
  });

  it('of time say as much as is needed', () => {
    const now = new Date(2026, 10, 24, 15, 0);
    const at = (...when: [number, number, number, number, number]): number => new Date(...when).getTime() / 1000;
    expect(moment(at(2026, 10, 24, 9, 5), now)).toBe('09:05');
    expect(moment(at(2026, 10, 23, 23, 59), now)).toBe('23 Nov, 23:59');
    expect(moment(at(2025, 0, 2, 8, 0), now)).toBe('2 Jan 2025, 08:00');
  });

  it('of the engine begin large, whatever the script', () => {
    expect([sentence('waiting'), sentence('قرص'), sentence('')]).toEqual(['Waiting', 'قرص', '']);
    expect(list(['a', 'b', 'c'])).toBe('a, b and c');
  });
});

describe('a status', () => {
  const needy = folder('/home/ann/Papers', {
    state: 'needs-you',
    question: { id: 'removed', text: 'Deleted?', yes: 'Delete', no: 'Keep' },
    problems: [problem('a')],
  });

  it('speaks of the window, not of the command line', () => {
    const now = new Date(2026, 10, 24, 15, 0);
    const paused = folder('/a', { state: 'paused', headline: "paused; 'anabranch resume' lets it go on" });
    expect(headline(paused, now)).not.toContain('anabranch');
    expect(headline(folder('/a', { state: 'working', headline: 'taking in changes' }), now)).toBe('Taking in changes');
  });

  it('is summed up', () => {
    expect(overall(status([folder('/a')]))).toBe('Your folder is safe.');
    expect(overall(status([folder('/a'), folder('/b')]))).toBe('All 2 folders are safe.');
    expect(overall(status([folder('/a'), needy]))).toBe('2 folders: 1 needs you, 1 safe.');
    expect(overall(status([needy, needy]))).toBe('2 folders: 2 need you.');
    expect(needs(status([folder('/a'), needy]))).toBe(2);
    const gone = [{ path: '/gone', why: 'it is not there' }];
    expect(overall(refusing(status([folder('/a')]), gone))).toBe('2 folders: 1 needs you, 1 safe.');
    expect(overall(refusing(status([]), gone))).toBe('1 folder: 1 needs you.');
  });

  it('is told anew only where a state changed', () => {
    const before = status([folder('/a'), folder('/home/b')]);
    const after = status([folder('/a', { keys: 5 }), folder('/home/b', { state: 'working' }), folder('/new')]);
    expect(news(null, before)).toBe('');
    expect(news(before, before)).toBe('');
    expect(news(before, after)).toBe('b: Working');
  });

  it('gives what happened in all folders, newest first', () => {
    const at = (...times: number[]): { at: number; what: string }[] => times.map((one) => ({ at: one, what: `${one}` }));
    const folders = [folder('/a', { recent: at(9, 3) }), folder('/b', { recent: at(7, 1) })];
    expect(happenings(status(folders)).map(({ at, folder }) => `${folder} ${at}`)).toEqual(['/a 9', '/b 7', '/a 3', '/b 1']);
  });

  it('has another stamp when the same happened twice in a second', () => {
    const change = { at: 9, what: 'took over changes made elsewhere' };
    const stamps = [[], [change], [change, change], [{ ...change, at: 10 }, change]].map((recent) => newest(folder('/a', { recent })));
    expect(new Set(stamps).size).toBe(4);
  });

  it('gives places by contact, the neediest first', () => {
    const away = { away: 'not plugged in' };
    const folders = [
      folder('/a', { places: [place('x', { contact: away }), place('y')] }),
      folder('/b', { places: [place('z', { contact: away, wants: 1, wants_bytes: 5 })] }),
    ];
    expect(placesByContact(status(folders)).map(({ kind, places }) => [kind, ...places.map((one) => one.place.name)])).toEqual([
      ['here', 'y'],
      ['away', 'z', 'x'],
    ]);
    expect(placesByContact(status([]))).toEqual([]);
  });

  it('says what a place lacks, and why it cannot be reached', () => {
    expect(lacks(place('x'))).toBe('Has everything that it wants');
    expect(lacks(place('x', { has_commits: false }))).toBe('The newest changes still to come');
    expect(lacks(place('x', { takes_nothing: 'no contents are sent to it' }))).toBe('No contents are sent to it');
    expect(lacks(place('x', { wants: 1, wants_bytes: 1e6 }))).toBe('1 file (1.0 MB) still to come');
    expect(contactKind({ unsupported: 'later' })).toBe('unsupported');
    expect(contactReason({ away: 'not plugged in' })).toBe('Not plugged in');
    expect(contactReason('here')).toBe('');
  });

  it('names a folder by the end of its path', () => {
    expect(['/home/ann/Photos', '/home/ann/صور/', '/'].map(folderName)).toEqual(['Photos', 'صور', '/']);
  });
});

describe('a path that was typed', () => {
  it('is taken below the folder', () => {
    expect(below('/home/ann/Photos', '/home/ann/Photos/a/b.jpg')).toBe('a/b.jpg');
    expect(below('/home/ann/Photos', './a//b.jpg')).toBe('a/b.jpg');
    expect(below('/home/ann/Photos', ' a ')).toBe(' a ');
  });

  it('is refused elsewhere', () => {
    for (const path of ['', '/', '/etc/passwd', '/home/ann/Photos', '/home/ann/Photos2/a', '../a', 'a/../../b']) {
      expect(below('/home/ann/Photos', path), path).toBeUndefined();
    }
  });

  it('travels as its bytes', () => {
    expect(hex('é/a')).toBe('c3a92f61');
    expect(hex('')).toBe('');
  });
});

describe('a long list', () => {
  it('makes the rows in sight and few more', () => {
    expect(slice(10_000, 50, 0, 500)).toEqual({ first: 0, end: 16 });
    expect(slice(10_000, 50, 250_000, 500)).toEqual({ first: 4_994, end: 5_016 });
    expect(slice(10_000, 50, 499_500, 500)).toEqual({ first: 9_984, end: 10_000 });
  });

  it('that became shorter than it was scrolled makes no rows before its end', () => {
    expect(slice(3, 50, 10_000, 500)).toEqual({ first: 3, end: 3 });
    expect(slice(0, 50, 0, 500)).toEqual({ first: 0, end: 0 });
  });
});

describe('who did what', () => {
  const history = (next: number | null, ...at: number[]): History => ({
    deeds: at.map((one) => deed({ at: one, commit: `${one}` })),
    next,
    trouble: '',
  });
  const seen = (histories: Record<string, History>): [string[], string[]] => {
    const { rows, behind } = mixed(new Map(Object.entries(histories)));
    return [rows.map(({ folder, at }) => `${folder}${at}`), behind];
  };

  it('is mixed as far back as it is known of all folders', () => {
    expect(seen({})).toEqual([[], []]);
    expect(seen({ a: history(null, 9, 3), b: history(null, 7, 1) })).toEqual([['a9', 'b7', 'a3', 'b1'], []]);
    expect(seen({ a: history(2, 9, 5), b: history(2, 7, 1) })).toEqual([['a9', 'b7', 'a5'], ['a']]);
    expect(seen({ a: history(2, 9, 5), b: history(2, 7, 5) })).toEqual([['a9', 'b7', 'a5', 'b5'], ['a', 'b']]);
    expect(seen({ a: history(2, 9, 5), b: history(null) })).toEqual([['a9', 'a5'], ['a']]);
  });

  it('goes on without what is known already', () => {
    const more = withPart({ ...history(2, 9, 8), trouble: 'gone' }, history(null, 8, 7));
    expect([more.deeds.map(({ at }) => at), more.next, more.trouble]).toEqual([[9, 8, 7], null, '']);
  });

  it('is told in words', () => {
    const did = deed({ added: 1, changed: 2, renamed: 1, deleted: 1_204 });
    expect(activity.did(did)).toBe('added 1 file, changed 2 files, renamed 1 file and deleted 1,204 files');
    expect(activity.more(did)).toBe('and 1,207 more');
    expect(activity.more(deed({ added: 1 }))).toBe('');
  });
});
