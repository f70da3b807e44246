import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { TRAINER, TRAINER_ENVIRONMENT, virtualPython } from '../cli/train/venv.ts';
import { publish } from '../dataset/publish/publish.ts';
import { encodeImage, type RawImage } from '../platform/image/image.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../test/support/dataset.ts';
import { startS3Server } from '../testbed/servers/s3.ts';
import { runShard } from '../worker/run-shard.ts';
import { interleave, median, type Peer, speedup, startPeer } from './measure.ts';

/** The trainer's loader against plain webdataset, from shards in S3, with 1 and 2 workers. Writes bench/loader.md. */

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '5' } } });
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

const server = await startS3Server();
const python = await virtualPython(TRAINER_ENVIRONMENT);
await server.createBucket('bench');
Object.assign(process.env, server.env, { PYTHONPATH: TRAINER });
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
  await writeFile(new URL('loader.md', import.meta.url), `${lines.join('\n')}\n`);
} finally {
  await server.stop();
}
