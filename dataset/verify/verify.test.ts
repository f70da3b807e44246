import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalJson, digestOf, sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import { makePlan } from '../../contract/plan/plan.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { SampleRecord, ShardRecord } from '../../contract/schema/record.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { type ObjectStore, openStore, StoreError } from '../../platform/store/store.ts';
import { drawImage, drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { publish } from '../publish/publish.ts';
import { contentOf, readShardSamples } from '../shard/read.ts';
import { TAR_END, tarMember } from '../shard/tar.ts';
import { verify } from './verify.ts';

const dataset = smallDataset();
const plan = planOf(dataset);

async function published(t: TestContext, of = { plan, dataset }): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  for (let shard = 0; shard < of.plan.shards; shard++) await runShard(drawingContext(of.plan, store), shard);
  await publish({ ...of, ...RUN, store, version: '0.0.0' });
  return store;
}

const put = (store: ObjectStore, key: string, body: Uint8Array): Promise<void> =>
  store.replace(key, body, { contentType: 'application/octet-stream' });

async function editJson<T>(store: ObjectStore, key: string, edit: (value: T) => void): Promise<void> {
  const value = JSON.parse(Buffer.from((await store.get(key))!).toString());
  edit(value);
  await put(store, key, Buffer.from(canonicalJson(value)));
}

interface Edited {
  image: Uint8Array;
  text: string;
  record: SampleRecord;
}

/** Rewrites the first sample of shard 1, and every digest and length on the way, as a careful forger would. */
async function forgeSample(store: ObjectStore, edit: (sample: Edited) => void | Promise<void>): Promise<void> {
  const key = objects.shard(plan.name, 1);
  const bytes = (await store.get(key))!;
  const members: Uint8Array[] = [];
  for (const [i, sample] of readShardSamples(bytes).entries()) {
    const text = Buffer.from(contentOf(bytes, sample.text)).toString();
    const edited: Edited = { image: contentOf(bytes, sample.image), text, record: structuredClone(sample.record) };
    if (i === 0) await edit(edited);
    members.push(
      tarMember(`${sample.key}.png`, edited.image),
      tarMember(`${sample.key}.txt`, Buffer.from(edited.text)),
      tarMember(`${sample.key}.json`, Buffer.from(`${canonicalJson(edited.record)}\n`)),
    );
  }
  const shard = Buffer.concat([...members, TAR_END]);
  await put(store, key, shard);
  const digests = { sha256: sha256(shard), bytes: shard.length };
  await editJson<ShardRecord>(store, objects.record(1), (record) => Object.assign(record, digests));
  await editJson<Manifest>(store, objects.manifest, (manifest) => Object.assign(manifest.shards[1]!, digests));
}

/** A change to a sound dataset, and what verify must say of which object. */
const TAMPERING: readonly (readonly [string, (store: ObjectStore) => Promise<void>, string, RegExp])[] = [
  ['the manifest is removed', (store) => store.remove([objects.manifest]), 'dataset.json', /is missing/],
  [
    'the manifest is cut off',
    async (store) => put(store, objects.manifest, Buffer.from('{"a"')),
    'dataset.json',
    /is not valid JSON/,
  ],
  ['a shard is removed', (store) => store.remove([objects.shard('small', 1)]), 'shards/small-000001.tar', /is missing/],
  ['a record is removed', (store) => store.remove([objects.record(1)]), 'records/000001.json', /is missing/],
  ['a published file is removed', (store) => store.remove([objects.card]), 'README.md', /is missing/],
  ['a published file is changed', (store) => put(store, objects.report, Buffer.from('x')), 'report.html', /SHA-256/],
  [
    'a stray shard lies beside the others',
    (store) => put(store, objects.shard('small', 9), Buffer.from('x')),
    'shards/small-000009.tar',
    /not part of the dataset/,
  ],
  [
    'a quota is changed',
    (store) =>
      editJson<Manifest>(store, objects.manifest, (manifest) => {
        manifest.plan.quotas['age=18-39,sex=female']!++;
      }),
    'dataset.json',
    /planDigest is not the digest of plan/,
  ],
  [
    'a count is changed in the manifest',
    (store) =>
      editJson<Manifest>(store, objects.manifest, (manifest) => {
        manifest.samples.attempts++;
      }),
    'dataset.json',
    /samples\.attempts is \d+, the records add up to \d+/,
  ],
  [
    'a record claims more attempts than its samples tell of',
    (store) =>
      editJson<ShardRecord>(store, objects.record(1), (record) => {
        record.cells[0]!.attempts++;
        record.cells[0]!.rejected.sex = (record.cells[0]!.rejected.sex ?? 0) + 1;
        record.attempts++;
      }),
    'shards/small-000001.tar',
    /the record claims \d+ attempts in cell/,
  ],
  [
    'an image is no image',
    (store) =>
      forgeSample(store, (sample) => {
        sample.image = Buffer.from('no image');
      }),
    'shards/small-000001.tar',
    /sample 000000010: the image cannot be decoded/,
  ],
  [
    'an image has another size',
    (store) =>
      forgeSample(store, async (sample) => {
        const raw = drawImage(1);
        sample.image = await encodeImage(
          { ...raw, height: 32, data: raw.data.subarray(0, raw.data.length / 2) },
          { format: 'png', quality: 95 },
        );
      }),
    'shards/small-000001.tar',
    /the image is 32x64, not 64x64/,
  ],
  [
    'a prompt is changed',
    (store) =>
      forgeSample(store, ({ record }) => {
        record.prompt = 'a real patient';
      }),
    'shards/small-000001.tar',
    /prompt is "a real patient"/,
  ],
  [
    'a seed is changed',
    (store) =>
      forgeSample(store, ({ record }) => {
        record.seed = (record.seed + 1) % 2 ** 32;
      }),
    'shards/small-000001.tar',
    /seed is \d+, not \d+/,
  ],
  [
    'a score is below its gate',
    (store) =>
      forgeSample(store, ({ record }) => {
        record.scores.sex = 0.1;
      }),
    'shards/small-000001.tar',
    /gate sex would not pass a score of 0\.1/,
  ],
  [
    'an axis value is changed',
    (store) =>
      forgeSample(store, ({ record }) => {
        record.axes.sex = 'other';
      }),
    'shards/small-000001.tar',
    /axes is/,
  ],
  [
    'a rejected attempt is hidden',
    (store) =>
      forgeSample(store, ({ record }) => {
        record.attempt++;
      }),
    'shards/small-000001.tar',
    /attempts before/,
  ],
];

test('a sound dataset has no faults', async (t) => {
  const { faults, images, manifest } = await verify(await published(t));
  assert.deepEqual(faults, []);
  assert.equal(images, 24);
  assert.equal(manifest?.samples.accepted, 24);
});

for (const [what, tamper, object, message] of TAMPERING) {
  test(`it is found when ${what}`, async (t) => {
    const store = await published(t);
    await tamper(store);
    const { faults } = await verify(store);
    assert.ok(
      faults.some((fault) => fault.object === object && message.test(fault.message)),
      `found: ${JSON.stringify(faults.slice(0, 5), null, 1)}`,
    );
  });
}

test('a store that fails at any read is not a fault of the dataset', async (t) => {
  const store = await published(t);
  let [reads, failing] = [0, Number.POSITIVE_INFINITY];
  const get: ObjectStore['get'] = async (key, range) => {
    if (reads++ === failing) throw new StoreError('retryable', 'the store is unreachable');
    return store.get(key, range);
  };
  const flaky = Object.assign(Object.create(null), {
    uri: store.uri,
    get,
    stat: store.stat.bind(store),
    list: store.list.bind(store),
  });
  assert.deepEqual((await verify(flaky)).faults, []);
  const all = reads;
  for (failing = 0; failing < all; failing++) {
    reads = 0;
    await assert.rejects(verify(flaky), /the store is unreachable/, `read ${failing} of ${all}`);
  }
});

test('A6: what a former version has published verifies, in whose digest onExhausted: Shortfall counted', async (t) => {
  const tolerant = smallDataset((spec) => Object.assign(spec.quality!, { onExhausted: 'Shortfall' }));
  const its = planOf(tolerant);
  const quality = { ...(its.identity.quality as object), onExhausted: 'Shortfall' };
  const identity = { ...its.identity, quality };
  const former = { ...its, identity, digest: digestOf(identity) };
  assert.notEqual(former.digest, its.digest);
  const store = await published(t, { plan: former, dataset: tolerant });
  assert.deepEqual((await verify(store)).faults, []);
});

test('M1: datasets with exhausted samples, and those of a table, a cohort or shares, verify', async (t) => {
  const rows = [
    { sex: 'female', age: '44', text: 'Edema .', id: 'a' },
    { sex: 'male', age: '22', text: 'Clear .', id: 'b' },
    { sex: 'male', age: '80', text: 'Clear .', id: 'c' },
  ];
  const columns = { sex: { name: 'sex' }, age: { name: 'age' } };
  const strategies = {
    Table: { strategy: 'Table', table: { uri: 'rows.csv', columns, idColumn: 'id', impressionColumn: 'text' } },
    Complement: { strategy: 'Complement', cohort: { uri: 'rows.csv', columns } },
    Marginals: { strategy: 'Marginals', shares: { sex: { female: 0.7, male: 0.3 } } },
  } as const;
  for (const [name, allocation] of Object.entries(strategies)) {
    const of = smallDataset((spec) => {
      spec.quota.allocation = allocation;
      if (name === 'Table') delete spec.quota.samples;
      if (name === 'Table') spec.prompt!.template = '{age} year old {sex}. {impression}';
      Object.assign(spec.quality!, { onExhausted: 'Shortfall', maxAttempts: 1 });
    });
    const its = makePlan(of, {
      table: rows,
      cohort: rows,
      model: { digest: 'a'.repeat(64), defaults: { scheduler: 'PNDM', height: 64, width: 64 } },
      gateDigests: ['b'.repeat(64), 'b'.repeat(64)],
    });
    const store = await published(t, { plan: its, dataset: of });
    const { faults, manifest } = await verify(store);
    assert.deepEqual(faults, [], name);
    if (name !== 'Table') assert.notEqual(manifest!.samples.exhausted, 0);
  }
});
