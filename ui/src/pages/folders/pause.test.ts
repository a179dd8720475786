import { describe, expect, it } from 'vitest';

import { pauseEnd, pauseSentence } from './pause';

describe('a pause', () => {
  const now = new Date(2026, 10, 30, 23, 50);

  it('ends when it says', () => {
    const seconds = now.getTime() / 1000;
    expect(pauseEnd('half-hour', now)).toBe(seconds + 1_800);
    expect(pauseEnd('hour', now)).toBe(seconds + 3_600);
    const until = (...at: [number, number, number, number, number]): number => pauseEnd('tomorrow', new Date(...at)) ?? 0;
    const morning = (day: number): number => new Date(2026, 11, day, 7).getTime() / 1000;
    expect(pauseEnd('tomorrow', now)).toBe(morning(1));
    expect([until(2026, 11, 1, 0, 0), until(2026, 11, 1, 6, 59), until(2026, 11, 1, 7, 0)]).toEqual([1, 1, 2].map(morning));
    expect(pauseEnd('open', now)).toBeNull();
  });

  it('says why and until when', () => {
    const until = new Date(2026, 11, 1, 7).getTime() / 1000;
    expect(pauseSentence({ reason: 'asked', until }, now)).toBe('Paused until 1 Dec, 07:00.');
    expect(pauseSentence({ reason: 'asked', until: null }, now)).toContain('until you resume');
    expect(pauseSentence(null, now)).toContain('until you resume');
    expect(pauseSentence({ reason: 'battery', until: null }, now)).toContain('battery');
  });
});
