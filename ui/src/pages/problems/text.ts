/** The words of the page Problems. */
export const problems = {
  hint: 'What does not go away by waiting alone. Places that are away are no problem.',
  none: 'No problems.',
  program: 'Anabranch itself',
  question: 'A question waits for your answer, on the page Folders.',
  lost: 'Is anything lost?',
  next: 'What happens next by itself',
  remedy: 'What you can do',
  drives: 'See the drives',
  show: 'Show it',
};
