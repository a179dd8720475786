import { describe, expect, it } from 'vitest';

import type { Allow, Rule } from '../../contract';
import { carries, type Directory, effective, exceptions, isSameRules, rulesOfUnknownPlaces, tick, withRule, withTick } from './rules';

function rule(place: string | null, directory: Directory, allow: Allow): Rule {
  return { place, directory, allow };
}

const DIRECTORIES: Directory[] = [null, 'a', 'a/b', 'a/b/c', 'ab'];
const PLACES = ['stick', 'disk'];
const ALLOWS: Allow[] = ['everything', 'git-only', 'content-up', 'content-down', 'nothing'];

/** Every rule of a small world. */
const ALL = [null, ...PLACES].flatMap((place) =>
  DIRECTORIES.flatMap((directory) => ALLOWS.map((allow) => rule(place, directory, allow))),
);

/** Rules to try: each alone, each pair, and threes chosen by a sequence that is the same in every run. */
function* worlds(): Generator<Rule[]> {
  yield [];
  let seed = 7;
  const any = (): Rule[] => {
    seed = (seed * 48_271) % 2_147_483_647;
    return ALL.slice(seed % ALL.length).slice(0, 1);
  };
  for (const one of ALL) {
    yield [one];
    for (const other of ALL) {
      yield [one, other];
      yield [one, other, ...any(), ...any()];
    }
  }
}

/** What all rules come to. */
function all(rules: Rule[], place: string): Map<Directory, Allow> {
  return new Map(DIRECTORIES.map((directory) => [directory, effective(rules, place, directory)]));
}

function isBelow(inner: Directory, outer: Directory): boolean {
  return inner !== null && inner !== outer && (outer === null || inner.startsWith(`${outer}/`));
}

describe('of the rules for a directory', () => {
  it('the longest counts, then the one that names the place, then the last', () => {
    expect(effective([], 'stick', 'a')).toBe('everything');
    expect(effective([rule('stick', null, 'nothing'), rule(null, 'a', 'content-up')], 'stick', 'a/b')).toBe('content-up');
    expect(effective([rule('stick', 'a', 'nothing'), rule(null, 'a', 'content-up')], 'stick', 'a')).toBe('nothing');
    expect(effective([rule('disk', 'a', 'nothing')], 'stick', 'a')).toBe('everything');
    expect(effective([rule(null, 'a', 'nothing'), rule(null, 'a', 'git-only')], 'stick', 'a')).toBe('git-only');
  });

  it('none counts for the directories around it, or for one whose name only begins so', () => {
    const rules = [rule(null, 'a', 'nothing')];
    expect(DIRECTORIES.filter((one) => effective(rules, 'stick', one) === 'nothing')).toEqual(['a', 'a/b', 'a/b/c']);
  });
});

describe('a cell', () => {
  it('that is set says so, and nothing else changes that has rules of its own', () => {
    for (const rules of worlds()) {
      for (const allow of ALLOWS) {
        const next = withRule(rules, 'stick', 'a', allow);
        expect(effective(next, 'stick', 'a')).toBe(allow);
        expect(all(next, 'disk')).toEqual(all(rules, 'disk'));
        expect(effective(next, 'stick', null)).toBe(effective(rules, 'stick', null));
        expect(effective(next, 'stick', 'ab')).toBe(effective(rules, 'stick', 'ab'));
      }
    }
  });

  it('that is set to what it is already changes no rule that makes a difference, and back is as it was', () => {
    for (const rules of worlds()) {
      const before = effective(rules, 'stick', null);
      expect(all(withRule(rules, 'stick', null, before), 'stick')).toEqual(all(rules, 'stick'));
      const back = withRule(withRule(rules, 'stick', null, 'nothing'), 'stick', null, before);
      expect(all(back, 'stick')).toEqual(all(rules, 'stick'));
    }
  });

  it('keeps the place of a rule in the file, and writes none that is not needed', () => {
    const rules = [rule('stick', null, 'nothing'), rule('disk', null, 'git-only')];
    expect(withRule(rules, 'stick', null, 'content-up')).toEqual([rule('stick', null, 'content-up'), rules[1]]);
    expect(withRule(rules, 'stick', null, 'everything')).toEqual([rules[1]]);
    expect(withRule([], 'stick', null, 'everything')).toEqual([]);
  });
});

describe('a tick', () => {
  it('that is set or taken away is so for all below, and nothing changes elsewhere', () => {
    for (const rules of worlds()) {
      for (const [directory, allow] of [[null, 'git-only'], ['a', 'everything'], ['a', 'git-only'], ['a/b', 'content-up']] as const) {
        const next = withTick(rules, 'stick', directory, allow);
        expect(tick(next, 'stick', directory)).toBe(carries(allow) ? 'on' : 'off');
        expect(effective(next, 'stick', directory)).toBe(allow);
        expect(all(next, 'disk')).toEqual(all(rules, 'disk'));
        for (const other of DIRECTORIES.filter((one) => one !== directory && !isBelow(one, directory))) {
          expect(effective(next, 'stick', other)).toBe(effective(rules, 'stick', other));
        }
      }
    }
  });

  it('loses no rule about another place or about all', () => {
    for (const rules of worlds()) {
      const next = withTick(rules, 'stick', 'a', 'git-only');
      for (const one of rules.filter(({ place }) => place !== 'stick')) {
        expect(next).toContainEqual(one);
      }
    }
  });

  it('keeps a direction below it', () => {
    const rules = [rule('stick', 'a/b', 'content-up'), rule('stick', 'a/b/c', 'everything')];
    expect(withTick(rules, 'stick', 'a', 'everything')).toEqual(rules);
    expect(withTick(rules, 'stick', 'a', 'git-only')).toEqual([rule('stick', 'a', 'git-only')]);
  });

  it('of a directory in which some is otherwise is mixed', () => {
    const rules = [rule('stick', 'a/b', 'git-only')];
    expect(DIRECTORIES.map((one) => tick(rules, 'stick', one))).toEqual(['mixed', 'mixed', 'off', 'off', 'on']);
    expect(tick(rules, 'disk', 'a')).toBe('on');
    expect(tick([rule(null, 'a/b', 'content-up')], 'stick', 'a')).toBe('on');
  });

  it('overrules a rule for all places', () => {
    const rules = [rule(null, 'a/b', 'nothing')];
    const next = withTick(rules, 'stick', 'a', 'everything');
    expect(next).toEqual([rules[0], rule('stick', 'a/b', 'everything')]);
  });

  it('taken away and set again leaves the rules as they were', () => {
    expect(withTick(withTick([], 'stick', 'a', 'git-only'), 'stick', 'a', 'everything')).toEqual([]);
    const chosen = [rule('stick', null, 'git-only'), rule('stick', 'a', 'everything')];
    expect(withTick(withTick(chosen, 'stick', 'a', 'git-only'), 'stick', 'a', 'everything')).toEqual(chosen);
  });
});

it('the exceptions of a place are told, and rules about places that are not known are kept', () => {
  const rules = [rule(null, 'b', 'git-only'), rule('stick', 'a', 'everything'), rule('gone', null, 'nothing')];
  expect(exceptions(rules, 'stick')).toEqual([{ directory: 'b', allow: 'git-only', around: 'everything' }]);
  const nested = [rule(null, 'b', 'git-only'), rule('stick', 'b/c', 'everything'), rule('stick', 'b/c/d', 'everything')];
  expect(exceptions(nested, 'stick').map((one) => one.directory)).toEqual(['b', 'b/c']);
  expect(rulesOfUnknownPlaces(rules, PLACES)).toEqual([rules[2]]);
  expect(rulesOfUnknownPlaces(withTick(withRule(rules, 'stick', null, 'nothing'), 'disk', null, 'git-only'), PLACES)).toEqual([rules[2]]);
  expect(isSameRules(rules, rules.map((one) => ({ ...one })))).toBe(true);
  expect(isSameRules(rules, rules.slice(1))).toBe(false);
  expect(isSameRules([rule('a', null, 'nothing')], [rule('a', null, 'git-only')])).toBe(false);
});
