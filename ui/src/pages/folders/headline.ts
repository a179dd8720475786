import type { Folder, State, Status } from '../../contract';
import { sentence } from '../../common/format';
import { text } from '../../text';
import { pauseSentence } from './pause';

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
