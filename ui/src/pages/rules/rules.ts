import type { Allow, Rule } from '../../contract';

/** A directory of a folder; none for the whole folder. */
export type Directory = string | null;

/** What a directory's tick shows: all contents below it travel, none, or some. */
export type Tick = 'on' | 'off' | 'mixed';

/** True if contents travel, whichever way. */
export function carries(allow: Allow): boolean {
  return allow === 'everything' || allow === 'content-up' || allow === 'content-down';
}

/** What may travel between the folder and a place, of the whole folder or of one directory, as the engine decides it. */
export function effective(rules: Rule[], place: string, directory: Directory): Allow {
  let winner: Rule | undefined;
  for (const rule of rules) {
    if (concerns(rule, place) && covers(rule.directory, directory) && (!winner || weight(rule) >= weight(winner))) {
      winner = rule;
    }
  }
  return winner?.allow ?? 'everything';
}

/** Whether the contents of a directory travel, and whether all below it agree. */
export function tick(rules: Rule[], place: string, directory: Directory): Tick {
  const on = carries(effective(rules, place, directory));
  const others = ruledBelow(rules, place, directory);
  if (others.some((one) => carries(effective(rules, place, one)) !== on)) {
    return 'mixed';
  }
  return on ? 'on' : 'off';
}

/** Rules in which this may travel with a place, of the whole folder or of one directory; what is ruled below it stays. */
export function withRule(rules: Rule[], place: string, directory: Directory, allow: Allow): Rule[] {
  const at = rules.map((rule) => rule.place === place && rule.directory === directory).lastIndexOf(true);
  const without = rules.filter((_, index) => index !== at);
  if (effective(without, place, directory) === allow) {
    return without;
  }
  const rule: Rule = { place, directory, allow };
  return at < 0 ? [...rules, rule] : rules.map((one, index) => (index === at ? rule : one));
}

/** Rules in which the contents of a directory, with all below it, travel or do not. Directions below it stay. */
export function withTick(rules: Rule[], place: string, directory: Directory, allow: Allow): Rule[] {
  const on = carries(allow);
  const agreeing = rules.filter(
    (rule) => rule.place !== place || !isBelow(rule.directory, directory) || carries(rule.allow) === on,
  );
  let next = withRule(agreeing, place, directory, allow);
  for (const below of ruledBelow(next, place, directory)) {
    const now = effective(next, place, below);
    // A rule for all places stays, and is overruled for this one; a rule that says what holds anyway goes.
    next = withRule(next, place, below, carries(now) === on ? now : allow);
  }
  return next;
}

/** A directory in which something else may travel than in the one around it. */
export interface Exception {
  directory: string;
  allow: Allow;
  /** What may travel in the one around it. */
  around: Allow;
}

/** The directories whose own rules make a difference, in the order of their names. */
export function exceptions(rules: Rule[], place: string): Exception[] {
  return ruledBelow(rules, place, null)
    .map((directory) => {
      const [, outer = null] = /^(.*)\/[^/]*$/.exec(directory) ?? [];
      return { directory, allow: effective(rules, place, directory), around: effective(rules, place, outer) };
    })
    .filter(({ allow, around }) => allow !== around);
}

/** The rules about places that the folder does not know: they can only be kept. */
export function rulesOfUnknownPlaces(rules: Rule[], places: string[]): Rule[] {
  return rules.filter((rule) => rule.place !== null && !places.includes(rule.place));
}

/** True if both say the same in the same order. */
export function isSameRules(some: Rule[], others: Rule[]): boolean {
  return (
    some.length === others.length &&
    some.every((rule, at) => {
      const other = others[at];
      return rule.place === other?.place && rule.directory === other.directory && rule.allow === other.allow;
    })
  );
}

/** The directories below one that rules concerning a place name, each once. */
function ruledBelow(rules: Rule[], place: string, directory: Directory): string[] {
  const names = rules
    .filter((rule) => concerns(rule, place) && isBelow(rule.directory, directory))
    .flatMap((rule) => rule.directory ?? []);
  // The outer before the inner, so that what is put for one is known when the next is decided.
  return [...new Set(names)].sort();
}

function concerns(rule: Rule, place: string): boolean {
  return rule.place === null || rule.place === place;
}

/** True if a rule for `ruled` is about all of `directory`. */
function covers(ruled: Directory, directory: Directory): boolean {
  return ruled === null || ruled === directory || isBelow(directory, ruled);
}

function isBelow(inner: Directory, outer: Directory): boolean {
  return inner !== null && (outer === null || inner.startsWith(`${outer}/`));
}

/** The longest directory wins, then the rule that names the place. Those that cover one directory lie in one another. */
function weight(rule: Rule): number {
  return 2 * (rule.directory?.length ?? 0) + (rule.place === null ? 0 : 1);
}
