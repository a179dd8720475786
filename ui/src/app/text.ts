/** The words around the pages. */
export const app = {
  name: 'Anabranch',
  skip: 'Skip to content',
  failed: {
    title: 'Anabranch does not answer',
    hint: 'Your files are as they were. Try again, or close this window and open it again.',
    again: 'Try again',
  },
  changed: (folder: string, state: string): string => `${folder}: ${state}`,
};
