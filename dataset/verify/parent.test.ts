import assert from 'node:assert/strict';
import { cp, mkdtemp, readdir, readFile, rename, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { canonicalJson, digestOf, sha256 } from '../../contract/digest.ts';
import { objects, sampleKey } from '../../contract/names.ts';
import type { Parent } from '../../contract/plan/origin.ts';
import { makePlan, type Plan, samplesBetween, seedOf } from '../../contract/plan/plan.ts';
import { manifestSchema } from '../../contract/schema/manifest.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { openStore } from '../../platform/store/store.ts';
import { drawingContext, RUN, SIZE, smallDataset } from '../../test/support/dataset.ts';
import { linesOf } from '../../test/support/spec.ts';
import { runShard } from '../../worker/run-shard.ts';
import { claim } from '../claim.ts';
import { parentUri, relativePlace } from '../parent.ts';
import { publish } from '../publish/publish.ts';
import { openSource } from '../read/open.ts';
import { readShardSamples } from '../shard/read.ts';
import { verify } from './verify.ts';

/** Datasets that extend published ones: three rounds, of 24, 12 and 6 images. */

let folder: string;
const at = (round: string): string => join(folder, round);

const roundOf = (samples: number, attempts: number, extended?: string): SyntheticDataset =>
  smallDataset((spec) => {
    spec.quota = { ...spec.quota, samples };
    spec.quality = { ...spec.quality, maxAttempts: attempts };
    if (extended !== undefined) spec.extends = { manifest: join(at(extended), objects.manifest) };
  });

async function readParent(round: string): Promise<Parent> {
  const uri = join(at(round), objects.manifest);
  const bytes = await readFile(uri);
  return { manifest: manifestSchema.parse(JSON.parse(bytes.toString())), sha256: sha256(bytes), uri };
}

const planAfter = (dataset: SyntheticDataset, parent?: Parent): Plan =>
  makePlan(dataset, {
    model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: SIZE, width: SIZE } },
    gateDigests: dataset.spec.quality.gates.map(() => 'b'.repeat(64)),
    ...(parent && { parent }),
  });

async function grow(round: string, dataset: SyntheticDataset, parent?: Parent): Promise<Plan> {
  const plan = planAfter(dataset, parent);
  const store = openStore(at(round));
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  await publish({ plan, dataset, ...RUN, store, version: '0.1.0' });
  return plan;
}

let plans: Plan[];
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  const first = await grow('one', roundOf(24, 8));
  const second = await grow('two', roundOf(12, 5, 'one'), await readParent('one'));
  const third = await grow('three', roundOf(6, 20, 'two'), await readParent('two'));
  plans = [first, second, third];
});
after(() => rm(folder, { recursive: true, force: true }));

async function digestsOf(dir: string): Promise<Record<string, string>> {
  const names = (await readdir(dir, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const entries = names.map(async ({ parentPath, name }) => {
    const file = join(parentPath, name);
    return [file.slice(dir.length), sha256(await readFile(file))] as const;
  });
  return Object.fromEntries(await Promise.all(entries));
}

test('samples are numbered on, no seed of any attempt repeats, and what was published stays as it was', async () => {
  assert.deepEqual(
    plans.map(({ origin }) => [origin.index, origin.attempts]),
    [
      [0, 0],
      [24, 24 * 8],
      [36, 24 * 8 + 12 * 5],
    ],
  );
  const seeds = plans.flatMap((plan) =>
    samplesBetween(plan, plan.origin.index, plan.origin.index + plan.samples).flatMap(({ index, key }) => {
      assert.equal(key, sampleKey(index));
      return Array.from({ length: plan.spec.quality.maxAttempts }, (_, attempt) => seedOf(plan, index, attempt));
    }),
  );
  assert.deepEqual([new Set(seeds).size, seeds.length], [24 * 8 + 12 * 5 + 6 * 20, 24 * 8 + 12 * 5 + 6 * 20]);
  const shard = readShardSamples(await readFile(join(at('two'), objects.shard('small', 1))));
  assert.deepEqual(
    shard.map(({ key }) => key),
    ['000000034', '000000035'],
  );
  // The very bytes of a first round that nothing has extended.
  await grow('alone', roundOf(24, 8));
  assert.deepEqual(await digestsOf(at('alone')), await digestsOf(at('one')));
});

test('verification covers a dataset and all that it extends, also where all were moved together', async () => {
  const { faults, images, parent } = await verify(openStore(at('three')));
  assert.deepEqual(faults, []);
  assert.deepEqual([images, parent!.images, parent!.parent!.images, parent!.parent!.parent], [6, 12, 24, null]);
  const { manifest } = await readParent('three');
  assert.deepEqual(
    [manifest.parent!.manifest, manifest.parent!.samples, manifest.dataset.spec.extends],
    ['../two/dataset.json', 36, { manifest: '../two/dataset.json' }],
  );
  assert.ok(!JSON.stringify(manifest).includes(folder), 'no path of this machine is published');
  const moved = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  for (const round of ['one', 'two', 'three']) await cp(at(round), join(moved, round), { recursive: true });
  assert.deepEqual((await verify(openStore(join(moved, 'three')))).faults, []);
  await rename(join(moved, 'one'), join(moved, 'gone'));
  const [lost] = (await verify(openStore(join(moved, 'three')))).faults;
  assert.match(`${lost!.object}: ${lost!.message}`, /two\/dataset\.json: its parent .*one\/dataset\.json is missing/);
  await rm(moved, { recursive: true });
});

/** Changes to the stored rounds, and the fault that verification of the last one finds. */
const DAMAGES: readonly [name: string, damage: (dir: string) => Promise<void>, fault: RegExp][] = [
  [
    'a shard of the first round',
    async (dir) => flip(join(dir, 'one', objects.shard('small', 0))),
    /one\/shards\/small-000000\.tar: has SHA-256/,
  ],
  [
    'another first round of the same size',
    async (dir) => rename(join(dir, 'other'), join(dir, 'one')),
    /two\/dataset\.json: its parent .* it is another dataset/,
  ],
  [
    'a parent that is not named',
    (dir) => forge(dir, ({ parent: _, ...manifest }) => manifest),
    /contradict each other/,
  ],
  [
    'a name that the parent does not have',
    (dir) => forge(dir, (manifest) => ({ ...manifest, parent: { ...manifest.parent!, name: 'x' } })),
    /parent\.name is x, it is called small/,
  ],
  [
    'a parent outside of all places',
    (dir) =>
      forge(dir, (manifest) => ({
        ...manifest,
        parent: { ...manifest.parent!, manifest: '/etc/dataset.json' },
        dataset: {
          ...manifest.dataset,
          spec: { ...manifest.dataset.spec, extends: { manifest: '/etc/dataset.json' } },
        },
      })),
    /names its parent \/etc\/dataset\.json, which cannot be reached/,
  ],
];

async function flip(file: string): Promise<void> {
  const bytes = await readFile(file);
  bytes[600]! ^= 1;
  await writeFile(file, bytes);
}

type Published = ReturnType<typeof manifestSchema.parse>;

async function forge(dir: string, change: (manifest: Published) => object): Promise<void> {
  const file = join(dir, 'three', objects.manifest);
  await writeFile(file, canonicalJson(change(manifestSchema.parse(JSON.parse(await readFile(file, 'utf8'))))));
}

for (const [name, damage, fault] of DAMAGES) {
  test(`verification finds ${name}`, async () => {
    const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
    for (const round of ['one', 'two', 'three']) await cp(at(round), join(dir, round), { recursive: true });
    if (name.startsWith('another')) {
      await grow('other', roundOf(24, 9));
      await rename(at('other'), join(dir, 'other'));
      await rm(join(dir, 'one'), { recursive: true });
    }
    await damage(dir);
    const { faults } = await verify(openStore(join(dir, 'three')));
    const lines = faults.map(({ object, message }) => `${object}: ${message}`);
    assert.ok(
      lines.some((line) => fault.test(line)),
      lines.join('\n'),
    );
    await rm(dir, { recursive: true });
  });
}

test('a forged origin is found even where the digest of the plan is made to fit', async () => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  for (const round of ['one', 'two', 'three']) await cp(at(round), join(dir, round), { recursive: true });
  await forge(dir, (manifest) => {
    const plan = { ...manifest.plan, extends: { ...(manifest.plan.extends as object), attempts: 7 } };
    return { ...manifest, plan, planDigest: digestOf(plan) };
  });
  const lines = (await verify(openStore(join(dir, 'three')))).faults.map(({ message }) => message);
  assert.ok(lines.some((line) => /^plan\.extends is .*"attempts":7.*, the parent ends at/.test(line)));
  assert.ok(lines.some((line) => /^sample 000000036: seed is/.test(line)));
  await rm(dir, { recursive: true });
});

test('a published and a growing extension can be browsed by the numbers that their samples have', async () => {
  const published = await openSource(openStore(at('two')), () => 0);
  assert.deepEqual(await published.locate(34).then(({ state }) => state), 'stored');
  await assert.rejects(published.locate(3), /no shard .* covers sample 3/);
  const plan = planAfter(roundOf(12, 5, 'two'), await readParent('two'));
  const store = openStore(at('growing'));
  await claim(store, plan, RUN);
  await runShard(drawingContext(plan, store), 0);
  const growing = await openSource(store, () => 0);
  assert.deepEqual(await Promise.all([36, 45, 46].map(async (index) => (await growing.locate(index)).state)), [
    'stored',
    'stored',
    'pending',
  ]);
});

test('a spec that cannot extend its parent says why', async () => {
  const parent = await readParent('one');
  const dataset = roundOf(12, 8, 'one');
  const other = { ...dataset, spec: { ...dataset.spec, seed: 8 } };
  assert.deepEqual(
    linesOf(() => planAfter(other, parent)),
    ['spec.seed: 8 is not the seed of the dataset that this one extends (7), so that images could repeat; write 7'],
  );
  const many = roundOf(2 ** 20, 4096, 'one');
  many.spec.output.shard.samples = 1000;
  assert.match(
    linesOf(() => planAfter(many, parent))[0]!,
    /^spec\.quality\.maxAttempts: .* \(32 bits\), of which the datasets before it have 192; lower it to 4095$/,
  );
});

test('places of parents: s3 stays, neighbours are relative, a local parent of a bucket has none', () => {
  const s3 = 's3://bucket/one/dataset.json';
  assert.equal(relativePlace('file:///data/two', s3), s3);
  assert.equal(relativePlace('s3://bucket/two', s3), s3);
  assert.equal(relativePlace('file:///data/a%20b/two', '/data/one/dataset.json'), '../../one/dataset.json');
  assert.equal(relativePlace('s3://bucket/two', '/data/one/dataset.json'), 'dataset.json');
  assert.equal(parentUri('file:///data/a%20b/two', '../../one/dataset.json'), '/data/one');
  assert.equal(parentUri('s3://bucket/two', s3), 's3://bucket/one');
  assert.equal(parentUri('s3://bucket/two', '../one/dataset.json'), null);
  assert.equal(parentUri('s3://bucket/two', 'dataset.json'), null);
  assert.equal(parentUri('file:///data/two', '/data/one/dataset.json'), null);
});
