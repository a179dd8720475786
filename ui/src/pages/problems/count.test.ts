import { expect, it } from 'vitest';

import { folder, problem, status } from '../../backend/fake/samples';
import { countProblems } from './count';

it('problems and questions are counted', () => {
const needy = folder('/home/ann/Papers', {
  state: 'needs-you',
  question: { id: 'removed', text: 'Deleted?', yes: 'Delete', no: 'Keep', typed: null },
  problems: [problem('a')],
});
  expect(countProblems(status([folder('/a'), needy]))).toBe(2);
});
