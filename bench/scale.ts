import { spawn } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { sumTallies } from '../contract/account/tally.ts';
import { canonicalFile, sha256 } from '../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../contract/names.ts';
import { makePlan, type Plan, type Sample, samplesBetween, seedOf, shardRange } from '../contract/plan/plan.ts';
import type { SampleRecord, ShardRecord } from '../contract/schema/record.ts';
import { parseDataset } from '../contract/validate/parse.ts';
import { workAhead } from '../dataset/ahead.ts';
import { publish } from '../dataset/publish/publish.ts';
import { readRecords } from '../dataset/publish/records.ts';
import { readProgress } from '../dataset/shard/committed.ts';
import { sampleMembers } from '../dataset/shard/part.ts';
import { TAR_END } from '../dataset/shard/tar.ts';
import { verify } from '../dataset/verify/verify.ts';
import { encodeImage } from '../platform/image/image.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';
import { startS3Server } from '../testbed/servers/s3.ts';

/**
 * What a dataset of many shards costs besides its images: resuming a complete run, publishing and verifying, by the number of
 * shards, on a directory and in S3. Each step is a process of its own, whose peak memory is measured. Writes bench/scale.md.
 */

const SIDE = 64;
const SAMPLES_PER_SHARD = 2;
const WRITERS = 32;

const STEPS = ['resume', 'records', 'publish', 'verify'] as const;
type Step = (typeof STEPS)[number];

const datasetOf = (shards: number) =>
  parseDataset({
    apiVersion: 'cohortfarm.dev/v1alpha1',
    kind: 'SyntheticDataset',
    metadata: { name: 'many' },
    spec: {
      seed: 42,
      quota: {
        samples: shards * SAMPLES_PER_SHARD,
        axes: {
          sex: { values: ['female', 'male'] },
          age: { bins: ['18-39', '40-59', '60-79', '80-90'] },
          race: { values: Array.from({ length: 10 }, (_, i) => `race-${i}`) },
          finding: { values: Array.from({ length: 10 }, (_, i) => `finding-${i}`) },
        },
      },
      prompt: { template: '{age} year old {race} {sex}, {finding}' },
      model: { uri: 's3://models/any', sampling: { steps: 75, height: SIDE, width: SIDE } },
      output: { uri: 's3://cohorts/many', image: { format: 'png' }, shard: { samples: SAMPLES_PER_SHARD } },
    },
  });

const planOf = (shards: number): Plan =>
  makePlan(datasetOf(shards), {
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: SIDE, width: SIDE } },
    gateDigests: [],
  });

function recordOf(plan: Plan, sample: Sample): SampleRecord {
  return {
    apiVersion: 'cohortfarm.dev/sample/v1',
    synthetic: true,
    index: sample.index,
    cell: plan.allocation.grid.cells[sample.cell]!.id,
    axes: { ...sample.axes },
    exact: { ...sample.exact },
    prompt: sample.prompt,
    seed: seedOf(plan, sample.index, 0),
    attempt: 0,
    scores: {},
    rejected: [],
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
  };
}

function shardOf(plan: Plan, shard: number, image: Uint8Array): { body: Uint8Array; record: ShardRecord } {
  const { start, end } = shardRange(plan, shard);
  const records = samplesBetween(plan, start, end).map((sample) => ({ sample, record: recordOf(plan, sample) }));
  const members = records.flatMap(({ sample, record }) => sampleMembers(sample.key, 'png', image, record));
  const body = Buffer.concat([...members, TAR_END]);
  const one = { wanted: 1, accepted: 1, exhausted: 0, attempts: 1, rejected: {} };
  const record: ShardRecord = {
    apiVersion: 'cohortfarm.dev/record/v1',
    planDigest: plan.digest,
    modelDigest: plan.model.digest,
    shard,
    key: objects.shard(plan.name, shard),
    sha256: sha256(body),
    bytes: body.length,
    start,
    end,
    accepted: end - start,
    attempts: end - start,
    provider: 'cpu',
    cells: sumTallies(records.map(({ record: { cell } }) => ({ cell, ...one }))),
    exhausted: [],
  };
  return { body, record };
}

/** Writes what workers would have left. */
async function grow(store: ObjectStore, plan: Plan): Promise<void> {
  const data = Uint8Array.from({ length: SIDE * SIDE }, (_, i) => (Math.imul(i + 1, 2654435761) >>> 24) & 0xff);
  const image = await encodeImage({ width: SIDE, height: SIDE, channels: 1, data }, { format: 'png', quality: 95 });
  const shards = Array.from({ length: plan.shards }, (_, shard) => shard);
  const write = async (shard: number): Promise<void> => {
    const { body, record } = shardOf(plan, shard, image);
    await store.replace(record.key, body, { contentType: CONTENT_TYPES.tar });
    const text = canonicalFile(record);
    await store.replace(objects.record(shard), text, { contentType: CONTENT_TYPES.json });
  };
  for await (const _ of workAhead(shards, write, { items: WRITERS }));
}

/** Runs one step in this process and prints its figures. */
async function runStep(step: Step, store: ObjectStore, shards: number): Promise<void> {
  const plan = planOf(shards);
  const [begin, busy] = [performance.now(), process.cpuUsage()];
  if (step === 'resume') {
    const { pending } = await readProgress(store, plan);
    if (pending.length > 0) throw new Error(`${pending.length} shards are pending`);
  } else if (step === 'records') {
    let count = 0;
    for await (const _ of readRecords(store, plan)) count++;
    if (count !== shards) throw new Error(`${count} records`);
  } else if (step === 'publish') {
    const owner = { kind: 'Run', id: 'bench' } as const;
    await publish({ plan, dataset: datasetOf(shards), store, owner, version: '0.1.0' });
  } else {
    const { faults } = await verify(store);
    if (faults.length > 0) throw new Error(JSON.stringify(faults.slice(0, 3)));
  }
  const seconds = (performance.now() - begin) / 1000;
  const { user, system } = process.cpuUsage(busy);
  const megabytes = process.resourceUsage().maxRSS / 1024;
  process.stdout.write(JSON.stringify({ seconds, cpuSeconds: (user + system) / 1e6, megabytes }));
}

interface Figures {
  readonly seconds: number;
  /** Summed over all cores. */
  readonly cpuSeconds: number;
  readonly megabytes: number;
}

async function measure(step: Step, uri: string, options: object, shards: number): Promise<Figures> {
  const args = [import.meta.filename, '--step', step, '--uri', uri, '--options', JSON.stringify(options)];
  const child = spawn(process.execPath, [...args, '--shards', String(shards)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  return JSON.parse(text);
}

async function measureAll(sizes: readonly number[]): Promise<string[]> {
  const rows: string[] = [];
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-scale-'));
  const server = await startS3Server();
  try {
    await server.createBucket('scale');
    const places = [
      { name: 'directory', uri: (size: number) => join(folder, String(size)), options: {} },
      { name: 'S3', uri: (size: number) => `s3://scale/${size}`, options: server.options },
    ];
    const add = async (place: (typeof places)[number], size: number): Promise<void> => {
      await grow(openStore(place.uri(size), place.options), planOf(size));
      const row = [size.toLocaleString('en'), place.name];
      for (const step of STEPS) {
        const { seconds, cpuSeconds, megabytes } = await measure(step, place.uri(size), place.options, size);
        row.push(`${seconds.toFixed(1)} s, ${cpuSeconds.toFixed(1)} s, ${Math.round(megabytes)} MB`);
        process.stderr.write(`${size} on ${place.name}, ${step}: ${row.at(-1)}\n`);
      }
      rows.push(`| ${row.join(' | ')} |`);
    };
    for (const place of places) for (const size of sizes) await add(place, size);
  } finally {
    await server.stop();
    await rm(folder, { recursive: true, force: true });
  }
  return rows;
}

const { values } = parseArgs({
  options: {
    sizes: { type: 'string', default: '1000,10000,100000' },
    step: { type: 'string' },
    uri: { type: 'string' },
    options: { type: 'string' },
    shards: { type: 'string' },
  },
});

if (values.step !== undefined) {
  await runStep(values.step as Step, openStore(values.uri!, JSON.parse(values.options!)), Number(values.shards));
} else {
  const rows = await measureAll(values.sizes.split(',').map(Number));
  const page = `# Datasets of many shards

Written by \`npm run bench:scale\` on ${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}: seconds, CPU
seconds and peak memory of each step, in a process of its own. Shards hold ${SAMPLES_PER_SHARD} images of ${SIDE}x${SIDE}, so that the shards are what is measured, not the images; the
grid has 800 cells. The S3 server (versitygw) shares the machine, as did other work.

- **resume**: a run finds out that every shard is committed.
- **records**: every record is read and checked, as before publishing.
- **publish**: records, every shard's bytes, index and the other files; the work is removed.
- **verify**: every digest, image, row and count.

| shards | store | resume | records | publish | verify |
| --- | --- | --- | --- | --- | --- |
${rows.join('\n')}
`;
  await writeFile(new URL('scale.md', import.meta.url), page);
}
