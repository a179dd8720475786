import type { Answer, Command, Reply, Request, Status } from '../contract';

/** The one door to the program. */
export interface Backend {
  /** Everything there is to see now. */
  status(): Promise<Status>;
  /** Asks the engine of one folder, named by its path. Refusals are replies; it fails when nobody answers. */
  ask(folder: string, command: Command): Promise<Reply>;
  /** Asks the program as a whole. */
  request(request: Request): Promise<Answer>;
  /** Shows a file or directory that a problem says to look at, with the desktop's program for it. */
  show(path: string): Promise<void>;
  /** Calls back with each new status, until the function that it gives is called. */
  watch(onStatus: (status: Status) => void): Promise<() => void>;
}
