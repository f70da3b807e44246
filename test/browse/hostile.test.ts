import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import type { SampleDetail, SamplesView } from '../../browse/wire.ts';
import { manifestSchema } from '../../contract/schema/manifest.ts';
import { renderPublishedReport } from '../../dataset/publish/publish.ts';
import { openStore } from '../../platform/store/store.ts';
import { launchChromium, missingChromium, openPage, until } from './chromium.ts';
import { ATTACKS, growHostile } from './hostile.ts';
import { type Served, serve } from './served.ts';

/** Datasets come from anywhere: what they say may not run, load or change anything in the page that shows them. */

/** A folder can have such a name, and the command to copy holds it. */
const HOSTILE_FOLDER = `cohortfarm it's $(touch pwned) "\`id\`" <b>;&|-`;

describe('hostile datasets in Chromium', { skip: await missingChromium() }, () => {
  let dir: string;
  let browser: Browser;
  let served: Served;

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), HOSTILE_FOLDER));
    await growHostile(openStore(dir));
    served = await serve([dir]);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await served?.stop();
    await rm(dir, { recursive: true, force: true });
  });

  /** Nothing ran, nothing was added: no script, frame, form, base or handler that the page itself does not have. */
  async function assertUnharmed(page: Page, scripts: number): Promise<void> {
    assert.equal(await page.evaluate('window.pwned'), undefined);
    const counts = await page.evaluate<Record<string, number>>(`({
      scripts: document.scripts.length,
      foreign: document.querySelectorAll('iframe, form, base, object, embed, meta[http-equiv=refresh], image, [onerror], [onload], [onfocus], [onmouseover]').length,
      links: [...document.links].filter(({ protocol }) => !['http:', 'file:'].includes(protocol)).length,
      strange: Object.keys(Object.prototype).length,
    })`);
    assert.deepEqual(counts, { scripts, foreign: 0, links: 0, strange: 0 });
  }

  test('the page of the browser shows attacks as text, wherever a person goes', async () => {
    const { page, faults, close } = await openPage(browser);
    await page.goto(served.url);
    await page.waitForSelector('.tile .picture');
    assert.equal(await page.locator('h1').textContent(), ATTACKS[4], 'the title is its text');
    await assertUnharmed(page, 1);
    const overflow = await page.evaluate<number>('document.scrollingElement.scrollWidth - innerWidth');
    assert.ok(overflow <= 0, `long words make the page ${overflow} pixels too wide`);
    // Through every image of the page, by the button that a person would press.
    await page.locator('[aria-label="Accepted images"] a').first().click();
    const seen = new Set<string>();
    for (let i = 0; i < ATTACKS.length * 2; i++) {
      await page.waitForSelector('dialog h2');
      await until(page, `document.querySelector('dialog blockquote, dialog p.picture, dialog .failure')`);
      seen.add((await page.locator('dialog').textContent())!);
      await assertUnharmed(page, 1);
      const next = page.getByRole('button', { name: 'Next' });
      if ((await next.getAttribute('aria-disabled')) === 'true') break;
      await next.click();
    }
    for (const attack of ATTACKS)
      assert.ok(
        [...seen].some((text) => text.includes(attack)),
        `shown as text: ${attack}`,
      );
    await page.keyboard.press('Escape');
    await page.locator('[aria-label="Rejected images"] a').first().click();
    await page.getByText('refused the image').first().waitFor();
    await page.keyboard.press('Escape');
    for (const link of await page.locator('.heat a').all()) await link.click();
    for (const row of await page.locator('section:has(#cells) a').all()) await row.hover();
    await assertUnharmed(page, 1);
    assert.deepEqual(faults, []);
    await close();
  });

  test('neither the map nor the suspicious images run anything', async () => {
    const { page, faults, close } = await openPage(browser);
    for (const [show, content] of [
      ['map', '.plane svg a'],
      ['suspicious', '.two'],
    ] as const) {
      for (const by of ['age', ATTACKS[1]]) {
        await page.goto(`${served.url}?show=${show}&by=${encodeURIComponent(by)}`);
        await page.waitForSelector(content);
        await page.locator(content).last().hover();
        await assertUnharmed(page, 1);
        const overflow = await page.evaluate<number>('document.scrollingElement.scrollWidth - innerWidth');
        assert.ok(overflow <= 0, `${show}: ${overflow} pixels too wide`);
      }
    }
    assert.deepEqual(faults, []);
    await close();
  });

  test('the command to copy is one command for a shell, whatever the folder is called', async () => {
    const { samples } = (await (await fetch(`${served.url}api/samples`)).json()) as SamplesView;
    const { key } = samples.find(({ state }) => state === 'accepted')!;
    const { replay } = (await (await fetch(`${served.url}api/sample?key=${key}`)).json()) as SampleDetail;
    const { stdout } = await promisify(execFile)('sh', ['-c', `set -- ${replay}; printf '%s\\n' "$@"`]);
    const words = stdout.trimEnd().split('\n');
    assert.deepEqual([...words.slice(0, 2), ...words.slice(3)], ['cohortfarm', 'replay', key]);
    assert.equal(fileURLToPath(words[2]!), dir);
  });

  test('a hostile link is an ordinary page', async () => {
    const { page, faults, close } = await openPage(browser);
    for (const attack of ATTACKS) {
      const hostile = encodeURIComponent(attack.slice(0, 200));
      await page.goto(
        `${served.url}?rows=${hostile}&columns=${hostile}&colour=${hostile}&is.age=${hostile}&page=${hostile}&image=${hostile}&rejected=${hostile}#${hostile}`,
      );
      await page.waitForSelector('.tile .picture');
      await assertUnharmed(page, 1);
    }
    assert.deepEqual(faults, []);
    await close();
  });

  test('the report shows attacks as text, too', async () => {
    const store = openStore(dir);
    const manifest = manifestSchema.parse(JSON.parse(Buffer.from((await store.get('dataset.json'))!).toString()));
    const report = join(dir, 'hostile-report.html');
    await writeFile(report, await renderPublishedReport(store, manifest));
    const { page, faults, close } = await openPage(browser);
    await page.goto(pathToFileURL(report).href);
    assert.equal(await page.locator('h1').textContent(), ATTACKS[4]);
    await assertUnharmed(page, 0);
    for (const label of await page.locator('.controls label').all()) await label.click();
    for (const summary of await page.locator('summary').all()) await summary.click();
    for (const image of await page.locator('img').all()) await image.hover();
    await assertUnharmed(page, 0);
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 900 });
      const overflow = await page.evaluate<number>('document.scrollingElement.scrollWidth - innerWidth');
      assert.ok(overflow <= 0, `${width} pixels: ${overflow} too wide`);
    }
    assert.deepEqual(faults, []);
    await close();
  });
});
