import type { Locator, Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';

import { type Browser, atRest, picture, start, wrongs } from './chromium';

/** What people do from the first look to the last click, over the fake. */

let browser: Browser;

beforeAll(async () => {
  browser = await start();
});

afterAll(() => browser.close());

afterEach(async () => {
  expect(await browser.end()).toEqual([]);
});

/** What has the focus, in words. */
function focused(page: Page): Promise<string> {
  return page.evaluate(() => {
    const on = document.activeElement as HTMLElement | null;
    return on?.getAttribute('aria-label') ?? on?.innerText.trim() ?? '';
  });
}

/** Presses a button as somebody does who has no mouse. */
async function press(page: Page, name: string): Promise<void> {
  const button = page.getByRole('button', { name, exact: true });
  await button.focus();
  await page.keyboard.press('Enter');
}

describe('the first run', () => {
  it('leads from nothing to a folder with a full copy on a drive, by keyboard alone', async () => {
    const page = await browser.open('empty');
    await page.getByRole('button', { name: '/home/ann/Library' }).waitFor();
    await picture(page, 'first run');
    await page.getByLabel('Folder', { exact: true }).focus();
    await page.keyboard.type('/etc');
    await page.waitForSelector('text=You may not write there');
    await page.keyboard.press('Enter');
    for (let letter = 0; letter < 4; letter += 1) {
      await page.keyboard.press('Backspace');
    }
    await page.keyboard.type('~/Pictures');
    await page.waitForSelector('text=A folder with 1,204 files. They stay as they are.');
    await picture(page, 'first run found');
    expect(await wrongs(page)).toEqual([]);
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=Where should copies of Pictures be kept?');
    await page.waitForFunction(() => document.activeElement?.id === 'first-where');
    await picture(page, 'first run where');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Use it…: STICK');
    await page.getByRole('radio', { name: 'A full copy' }).focus();
    await page.keyboard.press('ArrowUp');
    expect(await page.getByRole('radio', { name: 'Carry files between computers' }).isChecked()).toBe(true);
    await page.keyboard.press('ArrowDown');
    await picture(page, 'first run drive');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Start using it');
    await page.waitForSelector('text=1,204 files (2.4 GB) left to copy');
    await press(page, 'Done');
    await page.getByRole('heading', { name: 'Pictures' }).waitFor();
    await page.waitForSelector('text=Start Anabranch when you log in?');
    await press(page, 'No');
    await page.getByText('Start Anabranch when you log in?').waitFor({ state: 'detached' });
  });

  it('takes over what is suggested, and every step can be left', async () => {
    const page = await browser.open('empty');
    await press(page, '/home/ann/Library');
    await page.waitForSelector('text=Anabranch uses it as it is.');
    await press(page, 'Protect this folder');
    await page.waitForSelector('text=Where should copies of Library be kept?');
    await press(page, 'Don’t protect this folder');
    await page.waitForSelector('text=Choose a folder to protect');
    await page.getByLabel('Folder', { exact: true }).fill('~/New');
    await page.waitForSelector('text=Nothing is there yet. Anabranch makes an empty folder.');
    await press(page, 'Protect this folder');
    await page.getByLabel('Path for the copies of New').fill('/home/ann/New');
    await page.waitForSelector('text=Something is there already.');
    await page.getByLabel('Path for the copies of New').fill('/srv/New copy');
    // At once: what is there is looked at first.
    await press(page, 'Keep copies there');
    await page.waitForSelector('text=Copies of /home/ann/New are kept in /srv/New copy from now on');
    await press(page, 'Done');
    await page.getByRole('progressbar', { name: 'Copied to New copy' }).waitFor();
  });
});

describe('another computer', () => {
  it('gets a place after the checks, by keyboard alone', async () => {
    const page = await browser.open('everyday', '/places');
    await press(page, 'Use another computer…');
    await page.waitForFunction(() => document.activeElement?.textContent?.includes('A place for Photos on another computer'));
    await page.getByLabel('Computer', { exact: true }).focus();
    await page.keyboard.type('nas');
    await page.keyboard.press('Tab');
    await page.keyboard.type('Films');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=nas refused the login.');
    await press(page, 'Log in with a key…');
    await page.getByLabel('Run this line on the other computer').waitFor();
    await picture(page, 'another computer refused');
    expect(await wrongs(page)).toEqual([]);
    await page.getByLabel('Computer', { exact: true }).fill('cellar');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=cellar wants the password of ann.');
    await picture(page, 'another computer asks');
    expect(await wrongs(page)).toEqual([]);
    await page.getByLabel('Your answer').focus();
    await page.keyboard.type('secret');
    await page.keyboard.press('Enter');
    await page.waitForSelector('text=Nothing is there yet.');
    await picture(page, 'another computer checked');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Make the place');
    await page.waitForSelector('text=cellar:Films was made for');
    expect(await focused(page)).toBe('Use another computer…');
    await page.getByRole('heading', { name: 'cellar' }).waitFor();
  });

  it('gives a folder', async () => {
    const page = await browser.open('empty');
    await press(page, 'Bring a folder from another computer…');
    await page.getByLabel('Computer', { exact: true }).fill('desk');
    await page.getByLabel('Folder there').fill('Photos');
    await page.getByLabel('Folder here').fill('~/From desk');
    await press(page, 'Check');
    await page.waitForSelector('text=A folder with a history is there.');
    await picture(page, 'folder from another computer');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Bring it here');
    await page.waitForSelector('text=Where should copies of From desk be kept?');
  });
});

describe('a drive', () => {
  it('that is not to be used is not asked about, until that is taken back', async () => {
    const page = await browser.open('everyday', '/drives');
    await press(page, 'Not this one: STICK');
    await page.waitForSelector('text=STICK is not used');
    expect(await focused(page)).toBe('STICK');
    await page.evaluate(() => (location.hash = '#/settings'));
    await press(page, 'Ask again about STICK');
    await page.getByRole('button', { name: 'Ask again about STICK' }).waitFor({ state: 'detached' });
    await page.evaluate(() => (location.hash = '#/drives'));
    await page.getByRole('button', { name: 'Use it…: STICK' }).waitFor();
  });

  it('is used for the folder that is chosen', async () => {
    const page = await browser.open('everyday', '/drives');
    await press(page, 'Use it…: STICK');
    await page.getByLabel('For which folder?').selectOption('Notes');
    await picture(page, 'drives using');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Start using it');
    await page.getByRole('article', { name: 'STICK' }).getByText('Has copies of Notes.').waitFor();
    await press(page, 'Use it for another folder…: STICK');
    expect(await page.getByLabel('For which folder?').getByRole('option').allInnerTexts()).toEqual(['Photos', 'Music', 'Films']);
    await press(page, 'Start using it');
    await page.getByRole('article', { name: 'STICK' }).getByText('Has copies of Notes and Photos.').waitFor();
    await page.evaluate(() => (location.hash = '#/places'));
    await page.getByRole('heading', { name: 'STICK' }).first().waitFor();
    expect(await page.getByRole('heading', { name: 'STICK' }).count()).toBe(2);
  });

  it('is ejected when all is on it, or not after all', async () => {
    const page = await browser.open('everyday', '/drives');
    await press(page, 'Eject when done: backup disk');
    await page.waitForSelector('text=213 files (19 GB) left to copy');
    await picture(page, 'drives ejecting');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Don’t eject: backup disk');
    await page.getByRole('status').getByText('The drive stays', { exact: true }).waitFor();
    await page.getByRole('button', { name: 'Eject when done: backup disk' }).waitFor();
    expect(await page.getByRole('alert').count()).toBe(0);
    await press(page, 'Eject when done: PHOTOS-2');
    await page.waitForSelector('text=PHOTOS-2 can be unplugged now');
    expect(await page.getByRole('heading', { name: 'PHOTOS-2' }).count()).toBe(0);
  });
});

it('a transfer is cancelled and a file put first, by keyboard alone', async () => {
  const page = await browser.open('transfers');
  await press(page, 'Cancel: 64 files');
  await page.waitForSelector('text=64 files were cancelled and resume from');
  expect(await focused(page)).toBe('backup disk');
  await page.keyboard.press('Tab');
  expect(await focused(page)).toBe('Show files: backup disk');
  await page.keyboard.press('Enter');
  const list = page.getByRole('region', { name: 'Files left to copy to backup disk' });
  await list.getByRole('button', { name: 'Copy first: 2025/autumn/IMG_00000.jpg' }).waitFor();
  await list.focus();
  for (let step = 0; step < 4; step += 1) {
    await page.keyboard.press('Tab');
  }
  expect(await focused(page)).toBe('Copy first: 2025/autumn/IMG_00001.jpg');
  await page.keyboard.press('Enter');
  await page.waitForSelector('text=IMG_00001.jpg: it is the next to go to backup disk');
  expect(await focused(page)).toBe('Copy first: 2025/autumn/IMG_00001.jpg');
  await picture(page, 'folders next and cancelled');
  expect(await wrongs(page)).toEqual([]);
  const heights = await list.locator('li').evaluateAll((rows) => rows.map((row) => row.getBoundingClientRect().height));
  expect(new Set(heights).size).toBe(1);
  await press(page, 'Sync now: Photos');
  await page.getByText('64 files were cancelled').waitFor({ state: 'detached' });
});

describe('the rules', () => {
  it('are chosen by directory, seen before they hold, applied and taken back', async () => {
    const page = await browser.open('everyday', '/rules');
    await atRest(page);
    const photos = page.getByRole('region', { name: 'Photos' });
    await photos.getByRole('button', { name: 'Choose directories…: backup disk' }).press('Enter');
    const tree = photos.getByRole('group', { name: 'Directories to sync with backup disk' });
    await tree.getByRole('button', { name: 'Show the directories in 2026' }).press('Enter');
    await tree.getByRole('checkbox', { name: 'summer' }).waitFor();
    await picture(page, 'rules tree');
    await tree.getByRole('checkbox', { name: 'summer' }).press('Space');
    await tree.getByRole('checkbox', { name: 'رحلة البحر' }).press('Space');
    await tree.getByRole('button', { name: 'Show the directories in 2025' }).press('Enter');
    await tree.getByRole('checkbox', { name: 'autumn' }).press('Space');
    const isMixed = (name: string): Promise<boolean> =>
      tree.getByRole('checkbox', { name, exact: true }).evaluate((one) => (one as HTMLInputElement).indeterminate);
    expect([await isMixed('2026'), await isMixed('The whole folder'), await isMixed('raw')]).toEqual([true, true, false]);
    // All that waits for the disk lies in the directory that was left out last.
    await photos.getByText('would no longer travel to or from backup disk').waitFor();
    await photos.getByText('Afterwards every file has at least 2 copies').waitFor();
    await picture(page, 'rules preview');
    expect(await wrongs(page)).toEqual([]);
    await photos.getByRole('button', { name: 'Apply: Photos' }).press('Enter');
    await photos.getByText('The rules apply now.').waitFor();
    expect(await focused(page)).toBe('Photos');
    await picture(page, 'rules applied');
    // What was applied is there when one comes back, with what the page cannot show.
    await page.evaluate(() => (location.hash = '#/folders'));
    await page.evaluate(() => (location.hash = '#/rules'));
    await atRest(page);
    const again = page.getByRole('region', { name: 'Photos' });
    await again.getByRole('button', { name: 'Remove the rule for 2026/summer with backup disk' }).waitFor();
    await again.getByText('old laptop: Nothing').waitFor();
  });

  it('of a place are changed with one choice, and undone', async () => {
    const page = await browser.open('everyday', '/rules');
    await atRest(page);
    const notes = page.getByRole('region', { name: 'Notes' });
    const choice = notes.getByRole('combobox', { name: 'origin', exact: true });
    await choice.selectOption('nothing');
    await notes.getByText('Nothing travels between this folder and origin, not even names.').waitFor();
    await notes.getByRole('button', { name: 'Discard: Notes' }).press('Enter');
    await notes.getByRole('combobox', { name: 'origin', exact: true }).and(notes.locator(':has(option[value=everything]:checked)')).waitFor();
    await notes.getByRole('combobox', { name: 'origin', exact: true }).selectOption('content-down');
    await notes.locator('button:text("Apply"):not([aria-disabled=true])').press('Enter');
    await notes.getByRole('button', { name: 'Undo: Notes' }).press('Enter');
    await notes.getByText('The rules are as they were before.').waitFor();
    expect(await notes.getByRole('combobox', { name: 'origin', exact: true }).inputValue()).toBe('everything');
  });

  it('say what is kept in a place, by keyboard, seen before it holds, and taken back', async () => {
    const page = await browser.open('everyday', '/rules');
    await atRest(page);
    const photos = page.getByRole('region', { name: 'Photos' });
    const kept = (place: string): Locator => photos.getByRole('combobox', { name: `Kept there: ${place}` });
    expect(await kept('backup disk').inputValue()).toBe('archive');
    // What is set with git-annex is shown as it is, and one that is not known yet has no choice.
    const notes = page.getByRole('region', { name: 'Notes' });
    await notes.getByText('As set with git-annex: standard (in client).').waitFor();
    expect(await page.getByRole('combobox', { name: 'Kept there: attic' }).count()).toBe(0);
    await kept('desktop').focus();
    // From “Everything, by default” to “Everything”.
    await page.keyboard.press('ArrowDown');
    await kept('backup disk').selectOption('only-new');
    await photos.getByText('backup disk keeps files that no full copy and no other “only new files” place has yet').waitFor();
    await photos.getByText('Nothing is removed').waitFor();
    await photos.getByText('Nothing would be left to copy.').waitFor();
    await picture(page, 'rules keeps');
    expect(await wrongs(page)).toEqual([]);
    await photos.locator('button:text("Apply"):not([aria-disabled=true])').press('Enter');
    await photos.getByText('The rules apply now.').waitFor();
    expect([await kept('desktop').inputValue(), await kept('backup disk').inputValue()]).toEqual(['backup', 'only-new']);
    await photos.getByRole('button', { name: 'Undo: Photos' }).press('Enter');
    await photos.getByText('The rules are as they were before.').waitFor();
    expect([await kept('desktop').inputValue(), await kept('backup disk').inputValue()]).toEqual(['all', 'archive']);
  });

  it('end where their card ends', async () => {
    const page = await browser.open('everyday', '/rules');
    await atRest(page);
    const gaps = await page.evaluate(() =>
      [...document.querySelectorAll('main > section')].map((card) => {
        const shown = [...card.children].filter((one) => !one.classList.contains('hidden'));
        const { paddingBottom, borderBottomWidth } = getComputedStyle(card);
        const around = Number.parseFloat(paddingBottom) + Number.parseFloat(borderBottomWidth);
        return card.getBoundingClientRect().bottom - around - Math.max(...shown.map((one) => one.getBoundingClientRect().bottom));
      }),
    );
    expect(gaps.map((gap) => Math.round(Math.abs(gap)))).toEqual([0, 0, 0, 0]);
  });

  it('with a mistake in their file can only be read', async () => {
    const page = await browser.open('problems', '/rules');
    await atRest(page);
    const papers = page.getByRole('region', { name: 'Papers' });
    await papers.getByText('line 7').waitFor();
    expect(await papers.getByRole('combobox').evaluateAll((all) => all.every((one) => (one as HTMLSelectElement).disabled))).toBe(true);
    expect(await papers.getByRole('button').count()).toBe(0);
  });
});

it('conflicts are resolved one by one, and all at once after one question', async () => {
  const page = await browser.open('everyday', '/conflicts');
  await page.getByRole('button', { name: 'Keep both versions of all…' }).press('Enter');
  await picture(page, 'conflicts all');
  expect(await wrongs(page)).toEqual([]);
  await press(page, 'Cancel');
  await page.getByRole('button', { name: /^Keep this version of letters.*Ben on desktop$/ }).press('Enter');
  await page.waitForSelector('text=1 conflict resolved.');
  expect(await focused(page)).toBe('Notes');
  await press(page, 'Keep both: plan.txt');
  await page.waitForSelector('text=One place changed it and another deleted it');
  await press(page, 'Restore its name: recipes/plum cake.md');
  await page.waitForSelector('text=No conflicts.');
});

it('a file that was deleted in one place goes, and is brought back', async () => {
  const page = await browser.open('everyday', '/conflicts');
  await press(page, 'Delete it: recipes/plum cake.md');
  await page.waitForSelector('text=1 conflict resolved.');
  expect(await page.getByText('plum cake').count()).toBe(0);
  await press(page, 'Undo');
  await page.waitForSelector('text=All versions of 1 file are back.');
  await page.waitForSelector('text=recipes/plum cake.md');
});

it('all conflicts are resolved with one click and one confirmation', async () => {
  const page = await browser.open('everyday', '/conflicts');
  await page.getByRole('button', { name: 'Keep both versions of all…' }).press('Enter');
  await press(page, 'Keep both of all');
  await page.waitForSelector('text=2 conflicts resolved.');
  await press(page, 'Undo');
  await page.waitForSelector('text=All versions of 2 files are back.');
  await page.waitForSelector('text=plan.txt');
  expect(await focused(page)).toBe('All versions of 2 files are back.');
  expect(await page.getByRole('button', { name: 'Undo' }).count()).toBe(0);
  expect(await wrongs(page)).toEqual([]);
});

describe('a setting', () => {
  it('is in force at once, and undone', async () => {
    const page = await browser.open('everyday', '/settings', { colorScheme: 'light' });
    const ground = (): Promise<string> => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const before = await ground();
    await page.getByRole('radio', { name: 'Dark' }).press('Space');
    await page.waitForSelector('html[data-dark]');
    expect(await ground()).not.toBe(before);
    await picture(page, 'settings dark');
    expect(await wrongs(page)).toEqual([]);
    await press(page, 'Undo');
    await page.waitForSelector('html:not([data-dark])');
    await page.getByRole('checkbox', { name: 'Show notifications' }).press('Space');
    await page.waitForSelector('text=Changed.');
    await press(page, 'Undo');
    await page.waitForFunction(() => document.querySelectorAll<HTMLInputElement>('input:checked').length === 4);
  });

  it('that is no limit is not taken', async () => {
    const page = await browser.open('everyday', '/settings');
    const limit = page.getByLabel('Send at most');
    await limit.fill('fast');
    await limit.press('Enter');
    await page.waitForSelector('text=This is not a number above zero');
    expect(await limit.inputValue()).toBe('2.5');
    await limit.fill('');
    await limit.press('Enter');
    await page.waitForSelector('text=Changed.');
  });

  it('of a folder is written, told of everywhere, and undone', async () => {
    const page = await browser.open('everyday', '/settings');
    const photos = page.getByRole('region', { name: 'Copies and space: Photos' });
    const copies = photos.getByLabel('Copies to keep of each file');
    await copies.fill('3');
    await copies.press('Enter');
    await photos.getByText('Changed.').waitFor();
    await picture(page, 'settings folder');
    expect(await wrongs(page)).toEqual([]);
    await page.evaluate(() => (location.hash = '#/places'));
    await page.waitForSelector('text=213 files have too few copies');
    await page.evaluate(() => (location.hash = '#/settings'));
    const notes = page.getByRole('region', { name: 'Copies and space: Notes' });
    const reserve = notes.getByLabel('Leave free on this disk');
    await reserve.fill('5 parsecs');
    await reserve.press('Enter');
    await notes.getByText('"5 parsecs" is not a size').waitFor();
    expect(await reserve.inputValue()).toBe('100 MB');
    await reserve.fill('2,5 GB');
    await reserve.press('Enter');
    await notes.getByText('Changed.').waitFor();
    expect(await reserve.inputValue()).toBe('2.5 GB');
    await press(page, 'Undo');
    await notes.getByRole('button', { name: 'Undo' }).waitFor({ state: 'detached' });
    expect(await reserve.inputValue()).toBe('100 MB');
    expect(await page.evaluate(() => document.activeElement?.id)).toBe(await reserve.getAttribute('id'));
    await notes.getByRole('checkbox', { name: /unlocked/ }).press('Space');
    await notes.getByText('Changed.').waitFor();
  });

  it('lets a folder go after one question', async () => {
    const page = await browser.open('everyday', '/settings');
    await press(page, 'Stop syncing Music…');
    expect(await focused(page)).toBe('Keep syncing');
    await picture(page, 'settings leaving');
    await page.keyboard.press('Enter');
    expect(await focused(page)).toBe('Stop syncing Music…');
    await page.keyboard.press('Enter');
    await press(page, 'Stop syncing it');
    await page.getByRole('button', { name: 'Stop syncing Music…' }).waitFor({ state: 'detached' });
  });
});

it('a file is found by a part of its name, and asked about', async () => {
  const page = await browser.open('everyday', '/why');
  await page.getByLabel('File', { exact: true }).fill('img_00077');
  await page.getByRole('link', { name: 'IMG_00077.jpg' }).press('Enter');
  await page.getByRole('heading', { name: 'IMG_00077.jpg' }).waitFor();
  await page.waitForSelector('text=and it still has to go to backup disk');
  await picture(page, 'why found');
  expect(await wrongs(page)).toEqual([]);
  // The address names that file still.
  await page.getByLabel('File', { exact: true }).fill('/elsewhere');
  await press(page, 'Ask');
  await page.waitForSelector('text=This path is not in the folder.');
  await page.getByLabel('File', { exact: true }).fill('img_00077');
  await page.getByRole('link', { name: 'IMG_00077.jpg' }).press('Enter');
  await page.getByRole('heading', { name: 'IMG_00077.jpg' }).waitFor();
});

it('a folder that cannot be kept is let go, and files of few copies are listed', async () => {
  const page = await browser.open('refused');
  await page.waitForSelector('text=3 folders: 2 need you, 1 safe.');
  await press(page, 'Stop syncing Films…');
  await press(page, 'Stop syncing it');
  await page.waitForSelector('text=2 folders: 1 needs you, 1 safe.');
  await page.evaluate(() => (location.hash = '#/problems'));
  await press(page, 'Stop syncing old…');
  await picture(page, 'problems leaving');
  expect(await wrongs(page)).toEqual([]);
  await press(page, 'Stop syncing it');
  await page.waitForSelector('text=No problems.');
  await page.evaluate(() => (location.hash = '#/places'));
  await press(page, 'Show files: Notes');
  await page.getByRole('region', { name: 'Files of Notes with too few copies' }).getByRole('link').first().waitFor();
  await picture(page, 'places few copies');
  expect(await wrongs(page)).toEqual([]);
});
