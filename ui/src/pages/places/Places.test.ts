import { fireEvent, render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';

import { folder, place, status } from '../../backend/fake/samples';
import type { Command } from '../../contract';
import { PAGE_SIZE } from '../../common/files/paging';
import { file, stubBackend } from '../../testing/stub';
import Places from './Places.svelte';

it('the places list the files that wait for one, and those of few copies, and ask once while nothing changes', async () => {
  const asked: Command[] = [];
  const backend = stubBackend((command) => {
    asked.push(command);
    return Promise.resolve({ files: { total: 1, files: [file('a.jpg')] } });
  });
  const photos = folder('/a/Photos', { few_copies: 2, places: [place('stick', { wants: 3, wants_bytes: 5 })] });
  const { rerender } = render(Places, { status: status([photos]), backend });
  await fireEvent.click(screen.getByRole('button', { name: 'Show files: stick, Photos' }));
  await screen.findByRole('region', { name: 'Files left to copy to stick' });
  await fireEvent.click(screen.getByRole('button', { name: 'Show files: Photos' }));
  await screen.findByRole('region', { name: 'Files of Photos with too few copies' });
  await rerender({ status: status([structuredClone(photos)]) });
  expect(asked).toEqual([
    { files: { which: { 'wanted-by': 'stick' }, skip: 0, count: PAGE_SIZE } },
    { files: { which: 'few-copies', skip: 0, count: PAGE_SIZE } },
  ]);
});
