import type { Answer, Command, Reply, Request } from '../contract';
import { sentence } from '../common/format';
import { text } from '../text';
import type { Backend } from '.';

type Refused = { refused: string };
type Keys<From> = From extends string ? never : From extends unknown ? keyof From : never;
type Part<From, Key extends string> = Extract<From, Record<Key, unknown>>[Key];

/** Asks the engine of a folder. That nobody answers is a refusal too, in words. */
export async function ask(backend: Backend, folder: string, command: Command): Promise<Reply> {
  return backend.ask(folder, command).catch(unanswered);
}

/** Asks the program as a whole. That nobody answers is a refusal too, in words. */
export async function request(backend: Backend, asked: Request): Promise<Answer> {
  return backend.request(asked).catch(unanswered);
}

/** Has a file or directory shown. Gives why not, as a sentence; empty if the desktop was asked to. */
export async function show(backend: Backend, path: string): Promise<string> {
  return backend.show(path).then(
    () => '',
    (error: unknown) => refusal(unanswered(error)),
  );
}

/** What was answered, if it is of that kind. */
export function part<From extends Reply | Answer, Key extends Keys<From> & string>(
  answer: From,
  key: Key,
): Part<From, Key> | undefined {
  return typeof answer === 'object' && key in answer ? (answer as Record<Key, Part<From, Key>>)[key] : undefined;
}

/** Why not, as a sentence; empty if it was done. */
export function refusal(answer: Reply | Answer): string {
  return typeof answer === 'object' && 'refused' in answer ? sentence(answer.refused) : '';
}

function unanswered(error: unknown): Refused {
  return { refused: `${text.noAnswer} ${String(error)}` };
}
