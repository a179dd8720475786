import type { Status } from '../../contract';

/** How many problems and questions wait for the user. */
export function countProblems({ folders, problems }: Status): number {
  return folders.reduce((sum, folder) => sum + folder.problems.length + (folder.question ? 1 : 0), problems.length);
}
