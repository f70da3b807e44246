import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import type { Browser, Page } from 'playwright-core';
import { PAGE_SIZE } from '../browse/wire.ts';
import { cellsWhere, selectSamples } from '../dataset/read/select.ts';
import { openStore } from '../platform/store/store.ts';
import { launchChromium, missingChromium } from '../test/browse/chromium.ts';
import { serve } from '../test/browse/served.ts';
import { startS3Server } from '../testbed/servers/s3.ts';
import { type BenchDataset, type Grid, writeBenchDataset } from './browse-dataset.ts';
import { type CountingProxy, startCountingProxy } from './counting-proxy.ts';
import { median } from './measure.ts';

/**
 * How long a person waits in `cohortfarm browse` on a dataset of 565,000 images in S3, in Chromium, until 48 thumbnails are
 * drawn. Writes bench/browse.md.
 */

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
const rounds = Number(values.rounds);

const GRIDS: readonly (Grid & { readonly name: string })[] = [
  { name: '128 cells, images of 512x512', races: 4, findings: 4, side: 512 },
  { name: '2,000 cells, images of 128x128', races: 10, findings: 25, side: 128 },
];
/** Milliseconds added to each request to the store: none, and what a store in the same region takes. */
const DELAYS = [0, 20];

/** Visits of each round, in order: the whole dataset, a cell, and a page in the middle of a row of the map. */
const VISITS = [
  { name: 'opening the dataset', query: '' },
  { name: 'opening one cell', query: '?is.age=40-59&is.sex=female&is.race=RACE-002&is.finding=finding-001' },
  { name: 'opening a page in the middle of one finding', query: '?is.finding=finding-003&page=200' },
] as const;

interface Visit {
  readonly seconds: number;
  readonly requests: number;
  readonly bytes: number;
  readonly largest: number;
}

/** Every thumbnail of the page is decoded. */
const DRAWN = `(() => {
  const images = [...document.querySelectorAll('[aria-label="Accepted images"] img')];
  return images.length === ${PAGE_SIZE} && images.every((image) => image.complete && image.naturalWidth > 0);
})()`;

async function waitUntilDrawn(page: Page): Promise<number> {
  const deadline = performance.now() + 60_000;
  while (!(await page.evaluate<boolean>(DRAWN))) {
    if (performance.now() > deadline) throw new Error(`no page of thumbnails within a minute: ${page.url()}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now();
}

/** A new server and a new browser profile for each visit, so that nothing is remembered. */
async function visit(browser: Browser, uri: string, env: NodeJS.ProcessEnv, proxy: CountingProxy, query: string) {
  proxy.take();
  const begun = performance.now();
  const served = await serve([uri, '--path-style'], env);
  const ready = performance.now();
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 } });
  const page = await context.newPage();
  await page.goto('about:blank');
  const start = performance.now();
  await page.goto(served.url + query, { waitUntil: 'commit' });
  const drawn = await waitUntilDrawn(page);
  const { requests, bytes, largest } = proxy.take();
  await context.close();
  await served.stop();
  return { startup: (ready - begun) / 1000, seconds: (drawn - start) / 1000, requests, bytes, largest };
}

/** The shards of which the visits show images. */
function shardsOf({ manifest }: BenchDataset): Set<number> {
  const shards = new Set<number>();
  for (const { query } of VISITS) {
    const params = new URLSearchParams(query);
    const where = Object.fromEntries([...params].filter(([name]) => name !== 'page').map(([n, v]) => [n.slice(3), v]));
    const start = (Number(params.get('page') ?? '1') - 1) * PAGE_SIZE;
    const { samples } = selectSamples(manifest, cellsWhere(manifest, where), { start, end: start + PAGE_SIZE });
    for (const { index } of samples) shards.add(manifest.shards.findIndex((shard) => index < shard.end));
  }
  return shards;
}

const missing = await missingChromium();
if (missing) throw new Error(missing);
const s3 = await startS3Server();
const browser = await launchChromium();
const proxy = await startCountingProxy(s3.endpoint);
const env = { ...s3.env, AWS_ENDPOINT_URL_S3: proxy.endpoint };
const rows: string[] = [];
const notes: string[] = [];
try {
  for (const [i, grid] of GRIDS.entries()) {
    const bucket = `cohorts-${i}`;
    await s3.createBucket(bucket);
    process.stderr.write(`${grid.name}: writing index and shards ...\n`);
    const dataset = await writeBenchDataset(openStore(`s3://${bucket}/balanced`, s3.options), grid);
    const shards = shardsOf(dataset);
    await dataset.storeShards(shards);
    const shardBytes = dataset.manifest.shards[0]!.bytes;
    notes.push(
      `- ${grid.name}: index.parquet ${(dataset.indexBytes / 1e6).toFixed(1)} MB, shards of ${(shardBytes / 1e6).toFixed(1)} MB, ${shards.size} of ${dataset.manifest.shards.length} stored.`,
    );
    for (const delay of DELAYS) {
      proxy.delay = delay;
      for (const { name, query } of VISITS) {
        const visits: (Visit & { startup: number })[] = [];
        for (let round = 0; round < rounds; round++)
          visits.push(await visit(browser, `s3://${bucket}/balanced`, env, proxy, query));
        const seconds = visits.map((one) => one.seconds);
        const [last] = visits.slice(-1);
        const cells = [
          grid.name,
          `${delay} ms`,
          name,
          `${median(seconds).toFixed(2)} s`,
          `${Math.max(...seconds).toFixed(2)} s`,
          String(last!.requests),
          `${(last!.bytes / 1e6).toFixed(1)} MB`,
          `${(last!.largest / 1e6).toFixed(2)} MB`,
          `${median(visits.map((one) => one.startup)).toFixed(2)} s`,
        ];
        rows.push(`| ${cells.join(' | ')} |`);
        process.stdout.write(`${rows.at(-1)}\n`);
      }
    }
  }
} finally {
  proxy.close();
  await browser.close();
  await s3.stop();
}

const text = `# First page of the browser

Written by \`npm run bench:browse\` on ${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}: Chromium, the browser's
server and the S3 server share them. ${rounds} visits each, every one with a new server process and a new browser profile;
the time runs from entering the URL until all ${PAGE_SIZE} thumbnails are decoded. The target is 1 s.

| dataset of 565,000 images | added to each S3 request | visit | median | worst | S3 requests since the start of the command | read, the manifest included | largest answer | starting the command |
| --- | --- | --- | --- | --- | --- | --- | --- | --- |
${rows.join('\n')}

${notes.join('\n')}

Of the stored shards every byte is as a worker writes it; the manifest names the others with a digest of zeros, and every row
of the index is real. "Starting the command" runs until the URL is printed: Node, the manifest.
`;
await writeFile(new URL('browse.md', import.meta.url), text);
