import { fireEvent, render, screen } from '@testing-library/svelte';
import { describe, expect, it, vi } from 'vitest';

import type { Answer, Looked, Request } from '../../contract';
import { stubBackend, unreachable } from '../../testing/stub';
import AnotherComputer from './AnotherComputer.svelte';

const ORDER = ['reach', 'login', 'git', 'annex', 'place', 'room'] as const;

/** All is well up to a check that fails. */
function looked(failed: (typeof ORDER)[number] | null, there: Looked['there'] = 'nothing'): Answer {
  const end = failed === null ? ORDER.length : ORDER.indexOf(failed);
  const checks = ORDER.map((check, at) => ({
    check,
    verdict: at < end ? ('passed' as const) : at === end ? ('failed' as const) : ('not-reached' as const),
    words: at === end ? `no ${check}` : '',
  }));
  return { looked: { checks, there: failed === null ? there : null, free: null, question: null } };
}

function show(folder: string | null, look: () => Answer) {
  const backend = stubBackend(unreachable, (request: Request) =>
    Promise.resolve(
      request === 'computers'
        ? { computers: ['desk'] }
        : request === 'make-key'
          ? { key: 'echo key' }
          : typeof request === 'object' && 'look' in request
            ? look()
            : typeof request === 'object' && 'inspect' in request
              ? { found: { path: '/home/ann/Photos', what: 'nothing' as const, files: 0 } }
              : { done: 'it is done' },
    ),
  );
  const ondone = vi.fn();
  render(AnotherComputer, { backend, folder, ondone, oncancel: vi.fn() });
  const asked = (): unknown[] =>
    backend.request.mock.calls.map(([one]) => one).filter((one) => typeof one === 'object' && !('inspect' in one));
  return { ondone, asked };
}

const type = (label: string, value: string): Promise<void> =>
  fireEvent.input(screen.getByLabelText(label), { target: { value } }).then(() => undefined);
const click = (name: string): Promise<void> => fireEvent.click(screen.getByRole('button', { name })).then(() => undefined);

describe('a place on another computer', () => {
  it('is made only after all was checked', async () => {
    const { ondone, asked } = show('/a/Photos', () => looked(null));
    await type('Computer', ' desk ');
    await type('Folder there', 'Photos');
    await click('Check');
    await fireEvent.click(await screen.findByRole('button', { name: 'Make the place' }));
    await vi.waitFor(() => expect(ondone).toHaveBeenCalledWith('It is done', '/a/Photos'));
    expect(asked()).toEqual([
      { look: { address: 'desk:Photos' } },
      { 'add-computer': { folder: '/a/Photos', address: 'desk:Photos', bare: false } },
    ]);
  });

  it('is checked again when the address changes', async () => {
    show('/a/Photos', () => looked(null));
    await type('Computer', 'desk');
    await type('Folder there', 'Photos');
    await click('Check');
    await screen.findByRole('button', { name: 'Make the place' });
    await type('Folder there', 'Pictures');
    expect(screen.queryByRole('list')).toBeNull();
    expect(screen.getByRole('button', { name: 'Check' })).toBeTruthy();
  });

  it('says which check failed, and helps with a refused login', async () => {
    show('/a/Photos', () => looked('login'));
    await type('Computer', 'desk');
    await type('Folder there', 'Photos');
    await click('Check');
    await screen.findByText('no login');
    expect(screen.getByText('You may log in').textContent).toContain('no');
    expect(screen.getByRole('button', { name: 'Check' })).toBeTruthy();
    await click('Log in with a key…');
    const line = await screen.findByLabelText<HTMLTextAreaElement>('Run this line on the other computer, then check again:');
    expect(line.value).toBe('echo key');
  });

  it('asks what the login asks, and goes on with the answer', async () => {
    const question = { id: 'login-1', text: 'desk wants the password of ann.', yes: 'Log in', no: 'Not now', typed: 'secret' as const };
    const asking: Answer = {
      looked: { checks: [{ check: 'login', verdict: 'asking', words: '' }], there: null, free: null, question },
    };
    const answers = [asking, looked(null)];
    const { asked } = show('/a/Photos', () => answers.shift() ?? asking);
    await type('Computer', 'desk');
    await type('Folder there', 'Photos');
    await click('Check');
    await screen.findByText('desk wants the password of ann.');
    await type('Your answer', 'open sesame');
    await click('Log in');
    await screen.findByRole('button', { name: 'Make the place' });
    expect(asked()).toEqual([
      { look: { address: 'desk:Photos' } },
      { 'answer-login': { question: 'login-1', yes: true, text: 'open sesame' } },
      { look: { address: 'desk:Photos' } },
    ]);
  });

  it('is no folder to bring if nothing is there', async () => {
    const { asked } = show(null, () => looked(null));
    await type('Computer', 'desk');
    await type('Folder there', 'Photos');
    await type('Folder here', '~/Photos');
    await click('Check');
    await screen.findByText('No folder of Anabranch, git-annex or git is at this path.');
    await click('Check');
    expect(asked()).toEqual([{ look: { address: 'desk:Photos' } }, { look: { address: 'desk:Photos' } }]);
  });

  it('is brought here', async () => {
    const { ondone, asked } = show(null, () => looked(null, 'repository'));
    await type('Computer', 'desk');
    await type('Folder there', 'Photos');
    await type('Folder here', '~/Photos');
    await click('Check');
    await fireEvent.click(await screen.findByRole('button', { name: 'Bring it here' }));
    await vi.waitFor(() => expect(ondone).toHaveBeenCalledOnce());
    expect(asked()).toContainEqual({ 'clone-from': { address: 'desk:Photos', path: '~/Photos' } });
  });
});
