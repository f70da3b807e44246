import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { S3 } from '@aws-sdk/client-s3';
import type { Browser, Page } from 'playwright-core';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { Metrics } from '../../contract/schema/metrics.ts';
import type { SampleRecord } from '../../contract/schema/record.ts';
import { claim } from '../../dataset/claim.ts';
import { readShardSamples } from '../../dataset/shard/read.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { described, growDataset, growShards, readersDataset } from '../readers/fixture.ts';
import { planOf, RUN } from '../support/dataset.ts';
import { violationsOn } from './axe.ts';
import { launchChromium, missingChromium, openPage, until, type WatchedPage } from './chromium.ts';
import { type Served, serve } from './served.ts';

/** A person uses the page, in a real browser, on datasets in a real S3. */

/** A picture of an accepted image, or its placeholder. */
const PICTURE = '[aria-label="Accepted images"] .picture';

/** As the trainer writes them for the stage that compares; one number identifies each place. */
const METRICS = {
  apiVersion: 'cohortfarm.dev/metrics/v2',
  stage: { name: 'pretrain', type: 'Compare' },
  configDigest: 'c'.repeat(64),
  model: { architecture: 'any', imageSize: 64, labels: ['edema'] },
  headline: { auroc: 0.8125 },
  evaluations: [],
  comparison: {
    realSteps: 10,
    syntheticSteps: 10,
    equalComputeSteps: 20,
    batchSize: 4,
    arms: [
      {
        arm: 'PretrainFinetune',
        initialisation: 'Scratch',
        site: 'site-a',
        seeds: [],
        auroc: { value: 0.912, low: 0.9, high: 0.92 },
        accuracy: { value: 0.8, low: null, high: null },
        calibrationError: { value: 0.05, low: 0.04, high: 0.06 },
        gap: { value: 0.041, low: 0.01, high: 0.09 },
        robustGap: null,
        underdiagnosis: null,
        overdiagnosis: null,
        betweenSd: null,
        matchedBetweenSd: null,
        countedCells: null,
        expectedGap: null,
        excess: null,
        cells: [],
      },
    ],
    primary: { arm: 'PretrainFinetune', minus: 'Mixed', initialisation: 'Scratch', endpoint: 'auroc' },
    contrasts: [],
    curves: [],
  },
} satisfies Metrics;

/** Pixels by which tables are higher than the regions in which they scroll sideways: none needs a vertical scrollbar. */
const rowsOutOfSight = (page: Page): Promise<number> =>
  page.evaluate<number>(
    "Math.max(0, ...[...document.querySelectorAll('.scroll')].map((region) => region.scrollHeight - region.clientHeight))",
  );

const skip = (await missingForServers()) || (await missingChromium());

/** 600 images in 66 cells, some exhausted, with four rejected images kept of each cell. */
function sampleDataset() {
  const dataset = described(readersDataset('jpeg', 600));
  dataset.spec.quality.keepRejected = 4;
  dataset.spec.quality.encoder = { modelUri: 'unused' };
  dataset.spec.output.shard.samples = 200;
  return dataset;
}

describe('browsing in Chromium', { skip }, () => {
  let s3: S3Server;
  let browser: Browser;
  let store: ObjectStore;
  let manifest: Manifest;
  let served: Served;
  const records = new Map<string, SampleRecord>();

  before(async () => {
    s3 = await startS3Server();
    await s3.createBucket('cohorts');
    store = openStore('s3://cohorts/sample', s3.options);
    ({ manifest } = await growDataset(store, sampleDataset()));
    for (const { key } of manifest.shards)
      for (const sample of readShardSamples((await store.get(key))!)) records.set(sample.key, sample.record);
    await store.create('training/pretrain/metrics.json', Buffer.from(JSON.stringify(METRICS)), {
      contentType: 'application/json',
    });
    served = await serve(['s3://cohorts/sample'], s3.env);
    browser = await launchChromium();
  });
  after(async () => {
    await browser?.close();
    await served?.stop();
    await s3?.stop();
  });

  /** Opens the page; whatever a test does, the page must have had no fault in the end. */
  async function visit(
    t: { after(fn: () => Promise<void>): void },
    query = '',
    options: Parameters<typeof openPage>[1] = {},
  ): Promise<Page> {
    const watched: WatchedPage = await openPage(browser, options);
    t.after(async () => {
      await watched.close();
      assert.deepEqual(watched.faults, []);
    });
    await watched.page.goto(served.url + query);
    await watched.page.waitForSelector('.tile a');
    return watched.page;
  }

  const shownKeys = (page: Page): Promise<string[]> =>
    page
      .locator('[aria-label="Accepted images"] a')
      .evaluateAll((links) =>
        links.map((link) => new URL((link as unknown as { href: string }).href).searchParams.get('image') ?? ''),
      );

  /** Waits until all pictures on the page are drawn, and says how large they are. */
  const drawn = async (page: Page): Promise<number[]> => {
    await until(page, '[...document.images].every((image) => image.complete && image.naturalWidth > 0)');
    return page.evaluate<number[]>('[...document.images].map((image) => image.naturalWidth)');
  };

  test('the page says what the manifest says', async (t) => {
    const page = await visit(t);
    assert.match(await page.title(), /All cells · Small "cohort" of <discs>/);
    assert.equal(await page.locator('h1').textContent(), 'Small "cohort" of <discs>');
    const tiles = await page.locator('.tiles').textContent();
    assert.match(
      tiles!,
      new RegExp(`Images${manifest.samples.accepted}of 600 wanted, ${manifest.samples.exhausted} exhausted`),
    );
    const totals = await page.locator('.heat td b').allTextContents();
    assert.equal(
      totals.map(Number).reduce((a, b) => a + b, 0),
      manifest.samples.accepted,
    );
    assert.ok((await page.locator('.heat td.none').count()) > 0, 'the excluded combination');
    assert.match(
      (await page.locator('section:has(> #training)').textContent())!,
      /pretrain0\.8125.*PretrainFinetunesite-a0\.9120\.900 to 0\.920.*0\.041/s,
    );
    assert.match((await page.locator('#provenance ~ .facts').textContent())!, new RegExp(manifest.planDigest));
  });

  test('a click on a cell of the map shows its images and rejected ones beside them; back leads back', async (t) => {
    const page = await visit(t);
    await page.getByRole('link', { name: /^effusion, 40-59: / }).click();
    await until(page, `document.querySelector('#images').textContent === '40-59 · effusion'`);
    const wanted = [...records.values()]
      .filter(({ axes }) => axes.age === '40-59' && axes.finding === 'effusion')
      .map(({ index }) => index);
    await page.waitForSelector(PICTURE);
    const keys = await shownKeys(page);
    assert.deepEqual(
      keys.map(Number).filter((index) => wanted.includes(index)),
      wanted.filter((index) => index <= Number(keys.at(-1))),
      'every image of the cell, in order',
    );
    assert.match(page.url(), /is\.age=40-59/);
    assert.match(page.url(), /is\.finding=effusion/);
    assert.ok((await drawn(page)).every((width) => width === 64));
    const rejected = page.locator('[aria-label="Rejected images"] a');
    await rejected.first().waitFor();
    assert.match((await rejected.first().textContent())!, /^Rejected by (finding|age|race)[\d.]+, must be /);
    await page.goBack();
    await until(page, `document.querySelector('#images').textContent === 'All cells'`);
  });

  test('a whole row can be picked, pages turned, and the choice undone', async (t) => {
    const page = await visit(t);
    await page.getByRole('link', { name: 'finding effusion, all images' }).click();
    await until(page, `document.querySelector('#images').textContent === 'effusion'`);
    await page.waitForSelector(PICTURE);
    const first = await shownKeys(page);
    assert.equal(first.length, 48);
    await page.getByRole('link', { name: 'Next' }).click();
    await until(page, `location.search.includes('page=2') && document.querySelector('${PICTURE}')`);
    const second = await shownKeys(page);
    assert.ok(second.length > 0 && second.every((key) => !first.includes(key)));
    await page.getByRole('button', { name: 'Show all combinations' }).click();
    await until(page, `document.querySelector('#images').textContent === 'All cells'`);
    assert.doesNotMatch(page.url(), /is\./);
  });

  test('on a phone a pick brings its images to view', async (t) => {
    const page = await visit(t, '', { viewport: { width: 390, height: 844 }, hasTouch: true });
    const heading = `document.querySelector('#images').getBoundingClientRect().top`;
    const cell = page.getByRole('link', { name: /^cardiomegaly, 18-39: / });
    await cell.evaluate((link) => (link as unknown as { scrollIntoView(top: boolean): void }).scrollIntoView(true));
    await page.evaluate('scrollBy(0, -500)');
    assert.ok(await page.evaluate<boolean>(`${heading} > innerHeight`), 'the images are out of sight');
    await cell.tap();
    await until(page, `document.querySelector('#images').textContent === '18-39 · cardiomegaly'`);
    await until(page, `${heading} < innerHeight / 4`);
  });

  test('axes, colours and filters change the map', async (t) => {
    const page = await visit(t);
    await page.getByLabel('Rows', { exact: true }).selectOption('race');
    await page.getByLabel('Columns', { exact: true }).selectOption('sex');
    assert.deepEqual(await page.locator('.heat tbody th').allTextContents(), ['ASIAN', 'BLACK', 'WHITE']);
    await page.getByLabel('finding', { exact: true }).selectOption('edema');
    await until(page, `document.querySelector('#images').textContent === 'edema'`);
    const ofCell = manifest.cells.filter(
      ({ axes }) => axes.finding === 'edema' && axes.race === 'ASIAN' && axes.sex === 'male',
    );
    const accepted = ofCell.reduce((sum, cell) => sum + cell.accepted, 0);
    assert.match(
      (await page.getByRole('link', { name: /^ASIAN, male: / }).textContent())!,
      new RegExp(`^ASIAN, male: ${accepted}\\D`),
    );
    await page.getByLabel('Colour', { exact: true }).selectOption('rejected by finding');
    assert.match((await page.locator('.scale').textContent())!, /100 % rejected by finding/);
    await page.reload();
    await page.waitForSelector('.tile a');
    assert.equal(await page.getByLabel('Rows', { exact: true }).inputValue(), 'race');
    assert.equal(await page.locator('#images').textContent(), 'edema');
  });

  test('the map is walked by arrow keys and picked by Enter; the viewer closes by Escape', async (t) => {
    const page = await visit(t);
    await page.getByRole('link', { name: /^cardiomegaly, 18-39: / }).focus();
    for (const key of ['ArrowRight', 'ArrowDown', 'ArrowDown', 'ArrowUp', 'End', 'Home', 'ArrowRight'])
      await page.keyboard.press(key);
    const name = await page.evaluate<string>(`document.activeElement.textContent`);
    assert.match(name, /^edema, 40-59: /);
    await page.keyboard.press('Enter');
    await until(page, `document.querySelector('#images').textContent === '40-59 · edema'`);
    await page.waitForSelector(PICTURE);
    await page.locator('[aria-label="Accepted images"] a').nth(1).focus();
    await page.keyboard.press('Enter');
    await page.waitForSelector('dialog[open] blockquote');
    const key = new URL(page.url()).searchParams.get('image');
    await page.keyboard.press('ArrowLeft');
    await until(page, `!location.search.includes('${key}')`);
    await page.keyboard.press('ArrowRight');
    await until(page, `location.search.includes('${key}')`);
    await page.keyboard.press('Escape');
    await until(page, `!document.querySelector('dialog').open && !location.search.includes('image')`);
    assert.equal(
      await page.evaluate<string>(`new URL(document.activeElement.href).searchParams.get('image')`),
      key,
      'the focus is back where it was',
    );
  });

  test('a click on an image shows all that is known of it, and the command to make it again', async (t) => {
    const [key, record] = [...records].find(([, { attempt, axes }]) => attempt > 0 && axes.race !== 'BLACK')!;
    const page = await visit(t, `?is.finding=${record.axes.finding}`, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await page.goto(`${served.url}?image=${key}`);
    const dialog = page.locator('dialog');
    await dialog.locator('blockquote').waitFor();
    assert.equal(await dialog.locator('blockquote').textContent(), record.prompt);
    const text = (await dialog.textContent())!;
    assert.match(text, new RegExp(`Seed${record.seed}`));
    assert.match(text, /Attemptthe 2nd|Attemptthe 3rd/);
    for (const [gate, score] of Object.entries(record.scores)) {
      const row = dialog
        .locator('.scores')
        .first()
        .locator('tr', { has: page.getByRole('rowheader', { name: gate, exact: true }) });
      assert.match((await row.textContent())!, new RegExp(String(Number(score.toPrecision(4))).replace('.', '\\.')));
    }
    assert.match(text, new RegExp(`rejected by ${record.rejected[0]!.gate}`));
    const sizes = await page.evaluate<number[]>(
      `(async () => { const image = document.querySelector('.stage img'); await image.decode(); return [image.naturalWidth, image.naturalHeight]; })()`,
    );
    assert.deepEqual(sizes, [64, 64]);
    await dialog.getByRole('button', { name: 'Copy' }).click();
    await dialog.getByRole('button', { name: 'Copied' }).waitFor();
    assert.equal(
      await page.evaluate<string>('navigator.clipboard.readText()'),
      `cohortfarm replay s3://cohorts/sample ${key}`,
    );
    await dialog.getByRole('button', { name: 'Close' }).click();
    await until(page, `!location.search.includes('image')`);
  });

  test('a rejected image leads to what became of its sample', async (t) => {
    const page = await visit(t, '?is.finding=edema');
    await page.locator('[aria-label="Rejected images"] a').first().click();
    const dialog = page.locator('dialog');
    await dialog.getByRole('heading', { name: /^Rejected by / }).waitFor();
    await dialog.getByText('refused the image').waitFor();
    const link = dialog.getByRole('link', { name: /^What became of sample / });
    const key = /\d{9}/.exec((await link.textContent())!)![0];
    await link.click();
    await dialog.getByRole('heading', { name: `Sample ${key}` }).waitFor();
    const text = records.has(key) ? records.get(key)!.prompt : 'No attempt passed every gate';
    await dialog.getByText(text).first().waitFor();
  });

  test('a sample whose every attempt was refused says so', async (t) => {
    const lost = Array.from({ length: 600 }, (_, i) => String(i).padStart(9, '0')).find((key) => !records.has(key))!;
    const page = await visit(t, `?image=${lost}`);
    await page.locator('dialog').getByText('No attempt passed every gate, so there is no image.').waitFor();
  });

  test('an image stands beside the one that is nearest to it, and one leads to the other', async (t) => {
    const key = [...records.keys()][7]!;
    const page = await visit(t);
    await page.goto(`${served.url}?image=${key}`);
    const nearest = page.locator('dialog section', { hasText: 'Nearest by features' });
    await nearest.getByText(/^Distance /).waitFor();
    assert.match((await nearest.textContent())!, new RegExp(`Among all ${records.size} images`));
    assert.match((await nearest.textContent())!, /Training image.*--reference/);
    const link = nearest.locator('a');
    const other = (await link.textContent())!;
    await link.click();
    await page
      .locator('dialog')
      .getByRole('heading', { name: `Sample ${other}` })
      .waitFor();
    await page.goBack();
    await page
      .locator('dialog')
      .getByRole('heading', { name: `Sample ${key}` })
      .waitFor();
  });

  test('the map of a selection is pointed at, walked by arrow keys and opened by Enter', async (t) => {
    const page = await visit(t, '?is.finding=edema');
    await page.getByRole('link', { name: 'Map', exact: true }).click();
    const points = page.locator('.plane svg a');
    await points.first().waitFor();
    const edema = [...records.values()].filter(({ axes }) => axes.finding === 'edema').length;
    assert.equal(await points.count(), edema);
    await page.getByLabel('Colour of the points').selectOption('sex');
    assert.deepEqual(await page.locator('.legend li').allTextContents(), ['female', 'male']);
    const shown = async (): Promise<string> => (await page.locator('.pointed figcaption').textContent())!.slice(0, 9);
    await page.locator('.plane svg a[tabindex="0"]').focus();
    const visited = new Set([await shown()]);
    for (const arrow of ['ArrowRight', 'ArrowDown', 'ArrowLeft', 'ArrowUp', 'ArrowRight', 'ArrowRight']) {
      await page.keyboard.press(arrow);
      visited.add(await shown());
    }
    assert.ok(visited.size > 1, 'arrow keys move');
    const key = await shown();
    await page.keyboard.press('Enter');
    await page
      .locator('dialog')
      .getByRole('heading', { name: `Sample ${key}` })
      .waitFor();
    await page.keyboard.press('Escape');
    await until(page, `!document.querySelector('dialog').open`);
    const far = points.nth(edema - 1);
    await far.hover();
    assert.equal(await page.locator('.plane .at').count(), 1);
    const [under, at] = [(await far.boundingBox())!, (await page.locator('.plane .at').boundingBox())!];
    const apart = Math.hypot(
      under.x + under.width / 2 - at.x - at.width / 2,
      under.y + under.height / 2 - at.y - at.height / 2,
    );
    assert.ok(apart < 2, `the point under the pointer is ${apart} pixels away`);
    await page.reload();
    await points.first().waitFor();
    assert.equal(await page.getByLabel('Colour of the points').inputValue(), 'sex');
  });

  test('the most suspicious come first, each beside its nearest, and are walked through in the viewer', async (t) => {
    const page = await visit(t);
    await page.getByRole('link', { name: 'Most suspicious' }).click();
    const list = page.locator('[aria-label="Images nearest to another one"] > li');
    await list.first().waitFor();
    assert.equal(await list.count(), 24);
    const stated = await list
      .locator('.caption')
      .evaluateAll((captions) => captions.map(({ firstChild }) => firstChild!.textContent!));
    const distances = stated.map((text) => (text === 'below 0.0001' ? 0 : Number(text)));
    assert.deepEqual(
      distances,
      distances.toSorted((a, b) => a - b),
    );
    await drawn(page);
    assert.match((await page.locator('.images').textContent())!, /Not known. Start the page with --reference/);
    await list.first().locator('a').first().click();
    const dialog = page.locator('dialog');
    await dialog.getByText(`Distance ${stated[0]}`).waitFor();
    await page.keyboard.press('ArrowRight');
    const second = /\d{9}/.exec((await list.nth(1).locator('.caption small').textContent())!)![0];
    await dialog.getByRole('heading', { name: `Sample ${second}` }).waitFor();
  });

  test('the report opens from S3 by itself: its type is HTML, and it needs nothing else', async (t) => {
    const client = new S3({ ...s3.options, forcePathStyle: true });
    t.after(() => client.destroy());
    const object = { Bucket: 'cohorts', Key: `sample/${objects.report}` };
    const { ContentType, ContentLength } = await client.headObject(object);
    assert.equal(ContentType, 'text/html; charset=utf-8');
    assert.ok(ContentLength! < 3e6);
    const body = await (await client.getObject(object)).Body!.transformToString();
    for (const [colorScheme, width] of [
      ['light', 1280],
      ['dark', 390],
    ] as const) {
      const { page, faults, close } = await openPage(browser, { colorScheme, viewport: { width, height: 900 } });
      t.after(close);
      await page.route('http://127.0.0.1:9/**', (route) => route.fulfill({ body, contentType: ContentType! }));
      await page.goto('http://127.0.0.1:9/sample/report.html');
      assert.equal(await page.locator('h1').textContent(), 'Small "cohort" of <discs>');
      assert.ok((await drawn(page)).length > 40, 'thumbnails');
      assert.deepEqual(await violationsOn(page), [], `${colorScheme}, ${width} pixels`);
      assert.equal(await rowsOutOfSight(page), 0, `${colorScheme}, ${width} pixels`);
      assert.deepEqual(faults, []);
    }
  });

  test('nothing on the page is out of reach for assistive technology, in any scheme or width', async (t) => {
    const key = [...records.keys()][5]!;
    for (const colorScheme of ['light', 'dark'] as const) {
      for (const width of [1280, 390]) {
        const page = await visit(t, '?is.finding=edema&is.age=40-59', {
          colorScheme,
          viewport: { width, height: 900 },
        });
        await drawn(page);
        assert.deepEqual(await violationsOn(page), [], `${colorScheme}, ${width} pixels`);
        const overflow = await page.evaluate<number>('document.scrollingElement.scrollWidth - innerWidth');
        assert.ok(overflow <= 0, `${width} pixels: ${overflow} too wide`);
        assert.equal(await rowsOutOfSight(page), 0, `${colorScheme}, ${width} pixels`);
        for (const [show, content] of [
          ['map&by=race', '.plane svg a'],
          ['suspicious', '.two'],
        ] as const) {
          await page.goto(`${served.url}?is.age=40-59&show=${show}`);
          await page.waitForSelector(content);
          assert.deepEqual(await violationsOn(page), [], `${show}, ${colorScheme}, ${width} pixels`);
          const wider = await page.evaluate<number>('document.scrollingElement.scrollWidth - innerWidth');
          assert.ok(wider <= 0, `${show}, ${width} pixels: ${wider} too wide`);
        }
        await page.goto(`${served.url}?image=${key}`);
        await page.waitForSelector('dialog[open] .scores');
        await page
          .getByText(/^Distance /)
          .first()
          .waitFor();
        assert.deepEqual(await violationsOn(page), [], `the viewer, ${colorScheme}, ${width} pixels`);
      }
    }
  });

  test('a growing dataset shows what there is, and becomes a published one before the eyes', async (t) => {
    const dataset = sampleDataset();
    const [plan, growing] = [planOf(dataset), openStore('s3://cohorts/growing', s3.options)];
    await claim(growing, plan, RUN);
    await growShards(growing, plan, [1]);
    await growShards(growing, plan, [0], { partsOf: 5 });
    const server = await serve(['s3://cohorts/growing'], s3.env);
    t.after(() => server.stop());
    const { page, faults, close } = await openPage(browser);
    t.after(close);
    await page.goto(server.url);
    await page.waitForSelector(PICTURE);
    assert.match((await page.locator('header').textContent())!, /still growing/);
    assert.match((await page.locator('.tiles').textContent())!, /Shards1of 3 committed/);
    assert.ok((await page.locator('.picture.pending').count()) > 0, 'some are to come');
    assert.ok((await page.locator('img.picture').count()) > 0, 'some are there');
    await drawn(page);
    assert.deepEqual(await violationsOn(page), []);
    await growDataset(growing, dataset);
    await page.getByText('Published synthetic cohort').waitFor({ timeout: 15_000 });
    await until(page, `!document.querySelector('.picture.pending')`);
    assert.match((await page.locator('.tiles').textContent())!, /Shards3of 3 committed/);
    assert.deepEqual(faults, []);
  });
});
