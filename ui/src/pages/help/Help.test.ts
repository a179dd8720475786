import { render, screen } from '@testing-library/svelte';
import { expect, it } from 'vitest';

import { settings, status as statusOf } from '../../backend/fake/samples';
import Help from './Help.svelte';

it('help tells of each sign of the tray, and where the settings are written', async () => {
  const { rerender } = render(Help, { status: statusOf([]) });
  expect(screen.getAllByRole('img').map((sign) => sign.getAttribute('aria-label'))).toEqual([
    ...['Exclamation mark', 'Empty circle', 'Two bars', 'Arrow up', 'Arrow down', 'Both arrows'],
    ...['Dot in a circle', 'A river and its arm'],
  ]);
  expect(screen.getByText('/home/ann/.config/anabranch/settings.toml')).toBeTruthy();
  await rerender({ status: statusOf([], { settings: settings({ file: '' }) }) });
  expect(screen.queryByText('/home/ann/.config/anabranch/settings.toml')).toBeNull();
  expect(screen.getByText(/started without a settings file/)).toBeTruthy();
});
