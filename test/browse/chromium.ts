import { execFile } from 'node:child_process';
import { access } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type Browser, type BrowserContextOptions, chromium, type Page } from 'playwright-core';

/** A real Chromium, Debian's. */

const run = promisify(execFile);

const PROGRAM = '/usr/bin/chromium';

/**
 * One line that says what to install before pages can be tested, for `describe(name, {skip})`; false when it is there, or
 * could be installed. With CI set, what is missing is an error instead: nothing skips there.
 */
export async function missingChromium(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  const isThere = () =>
    access(PROGRAM).then(
      () => true,
      () => false,
    );
  if (await isThere()) return false;
  const problem = process.getuid?.() === 0 ? await install() : 'only root can install it';
  if (await isThere()) return false;
  const line = `these tests need Chromium at ${PROGRAM}: apt-get install chromium (${problem})`;
  if (env.CI) throw new Error(line);
  return line;
}

/** One installation at a time. Returns what went wrong, or ''. */
async function install(): Promise<string> {
  process.stderr.write('installing Chromium for the tests (a minute, once)\n');
  const script = `test -e ${PROGRAM} || { apt-get update && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends chromium; }`;
  const lock = join(tmpdir(), 'cohortfarm-chromium.lock');
  return run('flock', [lock, 'sh', '-c', script]).then(
    () => '',
    (error: { stderr?: string }) => String(error.stderr).trim().slice(-300),
  );
}

/** Starts Chromium with a fresh profile and nothing that reaches out by itself. It ends with this process. */
export function launchChromium(): Promise<Browser> {
  return chromium.launch({
    executablePath: PROGRAM,
    args: [
      '--headless',
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  });
}

/** A page, and everything on it that no page should have: errors on the console, exceptions, requests to elsewhere. */
export interface WatchedPage {
  readonly page: Page;
  readonly faults: string[];
  close(): Promise<void>;
}

export async function openPage(browser: Browser, options: BrowserContextOptions = {}): Promise<WatchedPage> {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  const page = await context.newPage();
  const faults: string[] = [];
  page.on('console', (message) => {
    if (['error', 'warning'].includes(message.type())) faults.push(`${message.type()}: ${message.text()}`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.message}`));
  page.on('dialog', (dialog) => {
    faults.push(`dialog: ${dialog.message()}`);
    void dialog.dismiss();
  });
  page.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    const isOurs = hostname === '127.0.0.1' || protocol === 'file:' || protocol === 'data:';
    if (!isOurs) faults.push(`request to ${request.url()}`);
  });
  return { page, faults, close: () => context.close() };
}

/** Waits until an expression is true on the page; unlike Playwright's own waiting it needs no eval there, which pages forbid. */
export async function until(page: Page, expression: string): Promise<void> {
  const deadline = Date.now() + 15_000;
  while (!(await page.evaluate<boolean>(`Boolean(${expression})`))) {
    if (Date.now() > deadline) throw new Error(`after 15 s it is still not true that ${expression}`);
    await sleep(50);
  }
}
