/** The words of the page Problems. */
export const problems = {
  hint: 'Things that need you.',
  none: 'No problems.',
  program: 'Anabranch itself',
  question: 'Anabranch asks you a question on the page Folders.',
  lost: 'Is anything lost?',
  next: 'What happens next?',
  remedy: 'What can you do?',
  drives: 'See the drives',
  show: 'Show it',
};
