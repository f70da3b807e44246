import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { objects } from '../contract/names.ts';
import type { Manifest } from '../contract/schema/manifest.ts';
import { createGatherer, realImagesOf } from '../dataset/evidence/gather.ts';
import { randomOf } from '../dataset/evidence/random.ts';
import { toHalf } from '../platform/half.ts';
import type { HalfMatrix } from '../platform/npy.ts';

/**
 * The cost of the evidence against that of the images that it is about, in processor time, which other work on the machine
 * does not change much. Writes evidence.md.
 */

const IMAGES = 96;
const STEPS = 20;
const REAL_IMAGES = { training: 1500, heldOut: 1600 } as const;

const DATASET = `
apiVersion: cohortfarm.dev/v1alpha1
kind: SyntheticDataset
metadata: {name: evidence}
spec:
  quota:
    samples: ${IMAGES}
    axes: {sex: {values: [female, male]}, age: {bins: ["18-49", "50-90"]}, race: {values: [WHITE, BLACK]}, finding: {values: [no-finding, effusion]}}
  prompt: {impressions: {no-finding: ["No acute cardiopulmonary process ."], effusion: ["Left pleural effusion ."]}}
  model: {uri: "embedded:phantom", sampling: {scheduler: PNDM, steps: ${STEPS}, guidanceScale: 3}}
  quality: {encoder: {modelUri: "embedded:phantom/encoder"}}
  output: {uri: out, shard: {samples: ${IMAGES}}}
`;

/** Processor seconds for one image of the phantom model, from a whole run: sampling, decoding, features, shards, publishing. */
async function secondsPerImage(): Promise<number> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-bench-'));
  try {
    const file = join(dir, 'dataset.yaml');
    await writeFile(file, DATASET);
    const run = ['node', join(import.meta.dirname, '../bin/cohortfarm.cjs'), 'run', '-f', file, '-o', join(dir, 'out')];
    const script = `TIMEFORMAT='%U %S'; time ${run.join(' ')} 2>${join(dir, 'log')}`;
    const { stderr } = await promisify(execFile)('bash', ['-c', script]);
    const [user, system] = stderr.trim().split(/\s+/).map(Number) as [number, number];
    const { samples } = JSON.parse(await readFile(join(dir, 'out', objects.manifest), 'utf8')) as Manifest;
    return (user + system) / samples.accepted;
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** Skewed features of some rows, as networks give them. */
function features(key: string, rows: number, columns: number): HalfMatrix {
  const random = randomOf(key);
  const values = new Float32Array(rows * columns);
  for (let i = 0; i < rows; i++) {
    const shared = random();
    for (let k = 0; k < columns; k++) values[i * columns + k] = Math.max(0, shared * (k % 5) + 2 * random() - random());
  }
  const bits = new Uint16Array(values.length);
  toHalf(values, bits);
  return { rows, columns, bits };
}

/** Processor seconds of the evidence about so many images in 43 groups, against a reference. */
async function evidenceSeconds(images: number, dimensions: number): Promise<number> {
  const digits = ['0', '1', '2', '3'];
  const cells = ['0', '1'].flatMap((a) => digits.flatMap((b) => digits.map((c) => ({ a, b, c }))));
  const { training, heldOut } = REAL_IMAGES;
  const digest = 'a'.repeat(64);
  const file = { bytes: 0, sha256: digest };
  const real = realImagesOf(
    {
      description: {
        apiVersion: 'cohortfarm.dev/reference/v1',
        encoder: { name: 'any', sha256: digest },
        dimensions,
        images: { training, heldOut },
        files: { 'features.npy': file, 'rows.csv': file },
      },
      features: features('real', training + heldOut, dimensions),
      rows: Array.from({ length: training + heldOut }, (_, i) => ({
        image: i.toString(16).padStart(64, '0'),
        ...cells[i % cells.length]!,
      })),
    },
    digest,
  );
  const gatherer = createGatherer({ planDigest: digest, encoder: digest, cells, gates: [] });
  const samples = Array.from({ length: images }, (_, i) => ({
    key: String(i).padStart(9, '0'),
    record: { axes: cells[i % cells.length]!, scores: {}, rejected: [] },
  }));
  gatherer.add(samples, features('synthetic', images, dimensions));
  const begun = process.cpuUsage();
  await gatherer.finish(real, []);
  const { user, system } = process.cpuUsage(begun);
  return (user + system) / 1e6;
}

const perImage = await secondsPerImage();
const lines: string[] = [];
for (const [images, dimensions] of [
  [4000, 64],
  [10_000, 64],
  [4000, 256],
  [4000, 768],
] as const) {
  const seconds = await evidenceSeconds(images, dimensions);
  const share = (100 * seconds) / (images * perImage);
  lines.push(
    `| ${images} | ${dimensions} | ${seconds.toFixed(1)} | ${(images * perImage).toFixed(0)} | ${share.toFixed(2)} % |`,
  );
}
const { training, heldOut } = REAL_IMAGES;
await writeFile(
  join(import.meta.dirname, 'evidence.md'),
  `# The cost of the evidence

Written by \`npm run bench:evidence\`. Processor seconds. One image of the phantom model, 128x128, ${STEPS} guided
PNDM steps, its features included, takes ${perImage.toFixed(3)} s (a run of ${IMAGES} images, start included). The evidence is
about images in 43 groups, against ${training} training and ${heldOut} held-out images, with all intervals.
What else a machine does makes both larger.

| images | features of each | evidence | generation | share |
| --- | --- | --- | --- | --- |
${lines.join('\n')}
`,
);
