import { existsSync, mkdirSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { extname, join, normalize } from 'node:path';
import { fileURLToPath } from 'node:url';

import axe from 'axe-core';
import { type BrowserContext, type BrowserContextOptions, chromium, type Page } from 'playwright-core';
import { build } from 'vite';

const UI = fileURLToPath(new URL('..', import.meta.url));
const DIST = join(UI, 'dist');
const CHROMIUM = '/usr/bin/chromium';

/** No server: what the page asks for at this address comes from `dist`, and all else is a fault. */
const ADDRESS = 'https://window.test/';

/** As strict as the program's own: no inline script or style, nothing from elsewhere. */
const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; font-src 'self'; base-uri 'none'; form-action 'none'";

const KINDS: Record<string, string> = {
  '.html': 'text/html',
  '.js': 'text/javascript',
  '.css': 'text/css',
  '.svg': 'image/svg+xml',
};

/** Where the pictures of this run are. */
export const pictures = process.env['ANABRANCH_PICTURES'] ?? mkdtempSync(join(tmpdir(), 'anabranch-pictures-'));

/** A browser with a profile of its own. */
export interface Browser {
  open(scene: string, page?: string, options?: BrowserContextOptions): Promise<Page>;
  /** Closes what was opened; what went wrong in it: errors, refused styles and scripts, requests to elsewhere. */
  end(): Promise<string[]>;
  close(): Promise<void>;
}

/** Starts Chromium. */
export async function start(): Promise<Browser> {
  if (!existsSync(join(DIST, 'index.html'))) {
    throw new Error('the window is not built: npm run build');
  }
  mkdirSync(pictures, { recursive: true });
  const program = await bundled();
  const browser = await chromium.launch({
    executablePath: CHROMIUM,
    // No sandbox, since tests may run as root; and nothing that reaches for the network.
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
  const faults: string[] = [];
  const contexts: BrowserContext[] = [];
  return {
    async open(scene, page = '/folders', options = {}) {
      // Still, so that no picture and no contrast is taken in the middle of a change of colour.
      const still = { viewport: { width: 1100, height: 760 }, reducedMotion: 'reduce' as const };
      const context = await browser.newContext({ ...still, ...options });
      contexts.push(context);
      await context.addInitScript({ content: program });
      await context.route('**/*', (route) => {
        const url = new URL(route.request().url());
        const file = join(DIST, normalize(url.pathname === '/' ? '/index.html' : url.pathname));
        if (!url.href.startsWith(ADDRESS) || !existsSync(file)) {
          faults.push(`asked for ${url.href}`);
          return route.abort();
        }
        return route.fulfill({
          body: readFileSync(file),
          contentType: KINDS[extname(file)] ?? 'application/octet-stream',
          headers: { 'content-security-policy': POLICY },
        });
      });
      const opened = await context.newPage();
      opened.on('pageerror', (error) => faults.push(`error: ${error.message}`));
      opened.on('console', (message) => {
        if (message.type() === 'error' || message.type() === 'warning') {
          faults.push(`console: ${message.text()}`);
        }
      });
      await opened.goto(`${ADDRESS}?scene=${scene}#${page}`);
      await opened.waitForSelector('h1');
      return opened;
    },
    async end() {
      await Promise.all(contexts.splice(0).map((context) => context.close()));
      return faults.splice(0);
    },
    close: () => browser.close(),
  };
}

/** The stand-in for the program as one script. */
async function bundled(): Promise<string> {
  const made = await build({
    configFile: false,
    root: UI,
    logLevel: 'error',
    build: {
      write: false,
      lib: { entry: join(UI, 'browser/program.ts'), formats: ['iife'], name: 'program' },
    },
  });
  const [output] = Array.isArray(made) ? made : [made];
  if (!output || !('output' in output)) {
    throw new Error('the stand-in for the program could not be built');
  }
  return output.output[0].code;
}

/** What axe finds wrong, one line each. */
export async function wrongs(page: Page): Promise<string[]> {
  // By the debugger's door: the page's policy allows no script that is not its own.
  if (!(await page.evaluate(() => 'axe' in window))) {
    await page.evaluate(axe.source);
  }
  return page.evaluate(async () => {
    const { axe } = window as unknown as { axe: typeof import('axe-core') };
    const { violations } = await axe.run(document, { resultTypes: ['violations'] });
    return violations.flatMap((one) => one.nodes.map((node) => `${one.id}: ${node.html} ${node.failureSummary ?? ''}`));
  });
}

/** Takes a picture of what is seen, for people to look at. */
export async function picture(page: Page, name: string): Promise<void> {
  await page.screenshot({ path: join(pictures, `${name.replaceAll(/[^a-z0-9]+/g, '-')}.png`) });
}

/** Waits until the page has loaded all that it shows. */
export async function atRest(page: Page): Promise<void> {
  await page.waitForFunction(() => !/Reading the rules…|Looking( for conflicts)?…|Loading…/.test(document.body.innerText));
}

/** The names of what Tab reaches, from where the focus is, until it leaves the page. */
export async function walk(page: Page): Promise<string[]> {
  const names: string[] = [];
  for (let step = 0; step < 200; step += 1) {
    await page.keyboard.press('Tab');
    const name = await page.evaluate(() => {
      const on = document.activeElement;
      if (!(on instanceof HTMLElement) || on === document.body) {
        return null;
      }
      const { outlineStyle, outlineWidth } = getComputedStyle(on);
      const isSeen = outlineStyle !== 'none' && Number.parseFloat(outlineWidth) >= 1;
      return (on.getAttribute('aria-label') ?? on.innerText).split('\n')[0]?.trim() + (isSeen ? '' : ' (unseen)');
    });
    if (name === null || (names.length > 0 && name === names[0])) {
      return names;
    }
    names.push(name);
  }
  throw new Error('Tab never leaves the page');
}
