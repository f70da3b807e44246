import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, loadavg, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { TRAINER, TRAINER_ENVIRONMENT, virtualPython } from '../cli/train/venv.ts';
import { publish } from '../dataset/publish/publish.ts';
import { encodeImage, type RawImage } from '../platform/image/image.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../test/support/dataset.ts';
import { startS3Server } from '../testbed/servers/s3.ts';
import { runShard } from '../worker/run-shard.ts';
import { interleave, median, type Peer, speedup, startPeer } from './measure.ts';

/**
 * The trainer's loader against plain webdataset, from shards in S3, with 1 and 2 workers, and by itself on full-size films.
 * Writes bench/loader.md; with --films only the part on films.
 */

const { values } = parseArgs({
  options: { rounds: { type: 'string', default: '5' }, films: { type: 'boolean', default: false } },
});
const rounds = Number(values.rounds);

const BATCH = 32;
const SHARD = 256;
const CASES = [
  { name: 'images of 512x512, scaled to 224', side: 512, size: 224, images: 1536 },
  { name: 'images of 128x128 as they are', side: 128, size: 128, images: 6144 },
] as const;

/** A smooth image with some noise, which compresses as a film does. */
function drawFilm(seed: number, side: number): RawImage {
  const data = new Uint8Array(side * side);
  for (let y = 0; y < side; y++) {
    for (let x = 0; x < side; x++) {
      const wave = Math.sin((x * (1 + (seed % 5))) / side) * Math.cos(((y + seed) * 3) / side);
      data[y * side + x] = 128 + 90 * wave + (Math.imul(seed + 1, x + y * side + 1) >>> 28);
    }
  }
  return { width: side, height: side, channels: 1, data };
}

async function grow(store: ObjectStore, side: number, images: number): Promise<void> {
  const dataset = smallDataset((spec) => {
    spec.quota.samples = images;
    spec.quota.axes.finding = { values: ['no-finding', 'edema'] };
    spec.model.sampling = { steps: 1, height: side, width: side };
    spec.output.image = { format: 'jpeg' };
    spec.output.shard = { samples: SHARD };
    spec.quality!.gates = [];
  });
  const plan = planOf(dataset);
  for (let shard = 0; shard < plan.shards; shard++) {
    const context = drawingContext(plan, store, {
      generate: async (batch) => batch.map(({ seed }) => drawFilm(seed, side)),
      judge: async (images) => images.map(() => ({})),
      encode: (image, prompt) => encodeImage(image, { format: 'jpeg', quality: 95, description: prompt }),
    });
    await runShard(context, shard);
  }
  await publish({ plan, dataset, ...RUN, store, version: 'bench' });
}

/** Images of 224 pixels that a GPU takes in a second, an assumption: from DenseNet-121 on an older one to small networks on a new one. */
const DEVICES = [500, 1000, 2000, 4000];
const FILMS = 64;
const FILMS_PART = '## Full-size films';

/** Full-size films: decoded whole with two workers, as before; scaled by the codec; from the cache on disk; and beside a GPU. */
async function filmRows(python: string): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-films-'));
  const load = loadavg()[0]!.toFixed(1);
  const peer = await startPeer(python, ['bench/python/training_loader.py', folder, String(FILMS)]);
  try {
    const ways = [
      { name: 'decoded whole', way: 'whole', batch: 8, steps: 32 },
      { name: 'scaled by the codec', way: 'codec', batch: 8, steps: 32 },
      { name: 'from the cache on disk', way: 'cache', batch: 32, steps: 128 },
    ];
    const measured = await interleave(
      ways.map(({ name, ...request }) => ({
        name,
        run: async () => (await peer.ask({ ...request, workers: 2, device: 0 })).seconds,
      })),
      rounds,
    );
    const films = measured.map(
      (way) => `| ${way.name} | ${(1 / median(way.seconds)).toFixed(0)} | ${speedup(way, measured[0]!).toFixed(1)} |`,
    );
    const waits: string[] = [];
    for (const device of DEVICES) {
      const shares: number[] = [];
      for (let round = 0; round < rounds; round++) {
        const answer = await peer.ask({ way: 'cache', workers: 2, batch: 32, steps: 96, device });
        shares.push(answer.waiting!);
      }
      waits.push(`| ${device} | ${(32_000 / device).toFixed(0)} | ${(100 * median(shares)).toFixed(1)} % |`);
    }
    return [
      '',
      FILMS_PART,
      '',
      `JPEGs of 2500x3000 pixels (about 2.6 MB) from a folder, scaled to 224, with two loader workers; ${FILMS} films, none`,
      `kept in memory. Decoded whole is how they were read before. The load of the machine was ${load} as this began.`,
      '',
      '| films | images/s | times |',
      '| --- | --- | --- |',
      ...films,
      '',
      'The share of the time of steps of 32 images that waits for data, from the cache on disk, where a GPU takes so many images',
      'a second. There is no GPU here: the training process sleeps through each step, and the two loaders have both cores.',
      '',
      '| images/s of the GPU | ms of a step | waiting |',
      '| --- | --- | --- |',
      ...waits,
    ];
  } finally {
    peer.end();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Epochs over shards in S3, beside plain webdataset. */
async function shardRows(python: string): Promise<string[]> {
  const server = await startS3Server();
  await server.createBucket('bench');
  Object.assign(process.env, server.env);
  const lines = [
    '# The loader',
    '',
    `Written by \`npm run bench:loader\` on ${cpus()[0]!.model.trim()}, ${availableParallelism()} cores: one epoch of`,
    `${CASES.map(({ images }) => images).join(' and ')} images in shards of ${SHARD} and batches of ${BATCH}, on an S3 server on this machine, which shares the cores.`,
    `Both decode with the same function. They run in turn; a ratio is the median over ${rounds} rounds of the ratio within the round,`,
    "and above 1 means that the trainer's loader is faster.",
    '',
    '| what | loader workers | trainer, images/s | plain webdataset, images/s | ratio |',
    '| --- | --- | --- | --- | --- |',
  ];
  try {
    for (const { name, side, size, images } of CASES) {
      const uri = `s3://bench/side-${side}`;
      await grow(openStore(uri, server.options), side, images);
      const start = (kind: string): Promise<Peer> =>
        startPeer(python, ['bench/python/loader.py', kind, uri, server.endpoint]);
      const peers = { ours: await start('ours'), webdataset: await start('webdataset') };
      for (const workers of [1, 2]) {
        const ask = (peer: Peer) => async () => (await peer.ask({ workers, size, batch: BATCH })).seconds;
        const [ours, theirs] = await interleave(
          [
            { name: 'trainer', run: ask(peers.ours) },
            { name: 'webdataset', run: ask(peers.webdataset) },
          ],
          rounds,
        );
        const rate = (seconds: readonly number[]): string => (1 / median(seconds)).toFixed(0);
        const row = `| ${name} | ${workers} | ${rate(ours!.seconds)} | ${rate(theirs!.seconds)} | ${speedup(ours!, theirs!).toFixed(2)} |`;
        process.stdout.write(`${row}\n`);
        lines.push(row);
      }
      for (const peer of Object.values(peers)) peer.end();
    }
    return lines;
  } finally {
    await server.stop();
  }
}

const python = await virtualPython(TRAINER_ENVIRONMENT);
process.env.PYTHONPATH = TRAINER;
const file = new URL('loader.md', import.meta.url);
const kept = values.films
  ? (await readFile(file, 'utf8')).split(`\n\n${FILMS_PART}`)[0]!
  : (await shardRows(python)).join('\n');
await writeFile(file, `${kept.trimEnd()}\n${(await filmRows(python)).join('\n')}\n`);
