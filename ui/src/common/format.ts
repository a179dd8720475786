/** The language of the catalogue; numbers and times are written its way. */
export const LANGUAGE = 'en-GB';

const rules = new Intl.PluralRules(LANGUAGE);
const whole = new Intl.NumberFormat(LANGUAGE);
const clock = new Intl.DateTimeFormat(LANGUAGE, { hour: '2-digit', minute: '2-digit' });
const day = new Intl.DateTimeFormat(LANGUAGE, { day: 'numeric', month: 'short' });
const dayOfYear = new Intl.DateTimeFormat(LANGUAGE, { day: 'numeric', month: 'short', year: 'numeric' });

const UNITS = ['kB', 'MB', 'GB', 'TB', 'PB'];

/** A count with its noun; every form has the count in it, so that a language may put it where it belongs. */
export function plural(count: number, forms: { one: string; other: string }): string {
  const form = rules.select(count) === 'one' ? forms.one : forms.other;
  return form.replace('#', whole.format(count));
}

/** A number of files. */
export function files(count: number): string {
  return plural(count, { one: '# file', other: '# files' });
}

/** Bytes in the unit that people would say, as file managers count: 1 kB is 1000 bytes. */
export function bytes(count: number): string {
  if (count < 1000) {
    return plural(count, { one: '# byte', other: '# bytes' });
  }
  let unit = 0;
  let value = count / 1000;
  // 999.6 would be written as 1000, and 9.96 as 10.0.
  while (value >= 999.5 && unit < UNITS.length - 1) {
    value /= 1000;
    unit += 1;
  }
  return `${value < 9.95 ? value.toFixed(1) : Math.round(value)} ${UNITS[unit] ?? ''}`;
}

/** How long something still takes, as roughly as anybody can know it. */
export function timeLeft(seconds: number): string {
  if (seconds < 60) {
    return 'less than a minute left';
  }
  const minutes = seconds / 60;
  const round = minutes < 10 ? Math.round(minutes) : 5 * Math.round(minutes / 5);
  if (round < 60) {
    return plural(round, { one: 'about # minute left', other: 'about # minutes left' });
  }
  const hours = Math.round(minutes / 60);
  return hours < 24
    ? plural(hours, { one: 'about # hour left', other: 'about # hours left' })
    : plural(Math.round(hours / 24), { one: 'about # day left', other: 'about # days left' });
}

/** A moment: the clock today, the day before that, the year where it is another one. */
export function moment(seconds: number, now: Date): string {
  const at = new Date(seconds * 1000);
  if (at.toDateString() === now.toDateString()) {
    return clock.format(at);
  }
  const date = at.getFullYear() === now.getFullYear() ? day : dayOfYear;
  return `${date.format(at)}, ${clock.format(at)}`;
}

/** A list of names as in a sentence. */
export function list(names: string[]): string {
  return new Intl.ListFormat(LANGUAGE).format(names);
}

/** A sentence of the engine's, which begins small, as a line of its own. */
export function sentence(words: string): string {
  const [first = '', ...rest] = words;
  return first.toLocaleUpperCase(LANGUAGE) + rest.join('');
}
