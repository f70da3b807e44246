import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { parquetReadObjects } from 'hyparquet';
import { parquetWriteBuffer } from 'hyparquet-writer';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset, withFeatures } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { createIndex, describeIndex } from '../publish/index.ts';
import { publish } from '../publish/publish.ts';
import { renderWids } from '../publish/wids.ts';
import { contentOf, readShardSamples } from '../shard/read.ts';
import { TAR_END, tarMember } from '../shard/tar.ts';
import { verify } from './verify.ts';

/**
 * Every field of what is published is changed in turn, with all digests up to the manifest made to fit, as a forger would.
 * Verification must find each change, or the field is listed below with the reason why that is impossible.
 */

const UNVERIFIABLE: readonly (readonly [RegExp, string])[] = [
  [/^dataset\.json:generator\.version$/, 'which version published; no byte of the shards shows it'],
  [/^dataset\.json:dataset\.metadata\.annotations\./, 'title, license and the like: what the publisher says of it'],
  [/^dataset\.json:dataset\.spec\.quality\.onExhausted$/, 'decides what is published, may change at any time'],
  [/^dataset\.json:dataset\.spec\.quality\.keepRejected$/, 'kept rejections are not part of the dataset'],
  [/^dataset\.json:dataset\.spec\.quality\.gates\.\d+\.modelUri$/, 'a place; the digest in plan names the gate'],
  [/^dataset\.json:dataset\.spec\.quality\.encoder\.modelUri$/, 'a place; the digest in plan names the encoder'],
  [/^dataset\.json:dataset\.spec\.model\.executionProvider$/, 'a wish; the records name what ran'],
  [/^dataset\.json:dataset\.spec\.output\.uri$/, 'a place, which changes when the dataset is copied'],
  [/^dataset\.json:dataset\.spec\.output\.image\.quality$/, 'PNG files have no quality'],
  [/^dataset\.json:dataset\.spec\.quota\.minPerCell$/, 'met by the quotas already'],
  [/^dataset\.json:dataset\.spec\.quality\.gates\.1\.(minProbability|multiLabel)$/, 'a regressor has neither'],
  [/^dataset\.json:dataset\.spec\.quality\.gates\.2\.(minProbability|multiLabel)$/, 'a Novelty gate has neither'],
  [/^sample:scores\./, 'only the gate can compute it again; it must pass'],
  [/^sample:rejected\.\d+\.scores\./, 'only the gate can compute it again; it must fit the verdict'],
];

type Path = readonly (string | number)[];

function* leaves(value: unknown, path: Path = []): Generator<Path> {
  if (typeof value !== 'object' || value === null) yield path;
  else
    for (const [name, member] of Object.entries(value))
      yield* leaves(member, [...path, Array.isArray(value) ? Number(name) : name]);
}

/** Picks another value where the schema has few. */
const OTHER: ReadonlyMap<unknown, string> = new Map([
  ['Fail', 'Shortfall'],
  ['auto', 'cpu'],
  ['cpu', 'cuda'],
  ['Balanced', 'Complement'],
  ['Classifier', 'Regressor'],
  ['Regressor', 'Classifier'],
  ['Novelty', 'Classifier'],
  ['Cohort', 'Training'],
  ['png', 'jpeg'],
  ['PNDM', 'DDIM'],
]);

function changed(value: unknown): unknown {
  if (OTHER.has(value)) return OTHER.get(value);
  if (typeof value === 'number') return Number.isInteger(value) ? value + 1 : value * 0.999;
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return 'x';
  return /^[0-9a-f]{64}$/.test(value) ? `${value.startsWith('0') ? '1' : '0'}${value.slice(1)}` : `${value}x`;
}

/** A copy with one leaf changed. */
function mutate<T>(value: T, path: Path): T {
  const copy = structuredClone(value);
  const last = path.at(-1)!;
  let map = copy as Record<string | number, unknown>;
  for (const name of path.slice(0, -1)) map = map[name] as Record<string | number, unknown>;
  map[last] = changed(map[last]);
  return copy;
}

const dataset = smallDataset((spec) => {
  withFeatures(spec);
  spec.quota.samples = 7;
  spec.output.shard = { samples: 4 };
});
dataset.metadata.annotations = { 'cohortfarm.dev/title': 'A title' };
const plan = planOf(dataset);

async function published(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  await publish({ plan, dataset, ...RUN, store, version: '0.0.0' });
  return store;
}

type Files = Map<string, Uint8Array>;
const json = <T>(files: Files, key: string): T => JSON.parse(Buffer.from(files.get(key)!).toString());
const put = (files: Files, key: string, value: unknown): Files => files.set(key, Buffer.from(canonicalJson(value)));

/** Makes the manifest's list of files fit. */
function fixFiles(files: Files): Files {
  const manifest = json<Manifest>(files, objects.manifest);
  for (const file of manifest.files)
    Object.assign(file, { bytes: files.get(file.key)!.length, sha256: sha256(files.get(file.key)!) });
  return put(files, objects.manifest, manifest);
}

/** Rewrites the JSON of one sample, and all that follows from it: shard, record, index, wids, manifest. */
function forgeSample(files: Files, shard: number, sample: number, path: Path): Files {
  const key = objects.shard(plan.name, shard);
  const bytes = files.get(key)!;
  const members = readShardSamples(bytes).flatMap(({ key: name, image, text, record }, i) => [
    tarMember(`${name}.png`, contentOf(bytes, image)),
    tarMember(`${name}.txt`, contentOf(bytes, text)),
    tarMember(`${name}.json`, Buffer.from(`${canonicalJson(i === sample ? mutate(record, path) : record)}\n`)),
  ]);
  const forged = Buffer.concat([...members, TAR_END]);
  files.set(key, forged);
  const digests = { bytes: forged.length, sha256: sha256(forged) };
  put(files, objects.record(shard), { ...json<ShardRecord>(files, objects.record(shard)), ...digests });
  const manifest = json<Manifest>(files, objects.manifest);
  Object.assign(manifest.shards[shard]!, digests);
  put(files, objects.manifest, manifest);
  files.set(objects.wids, Buffer.from(renderWids(manifest)));
  try {
    const index = createIndex(plan.spec, {});
    for (const entry of manifest.shards) index.add(entry.key, readShardSamples(files.get(entry.key)!));
    files.set(objects.index, Buffer.concat(index.finish()));
  } catch {
    // What no index can hold, no reader of shards accepts.
  }
  return fixFiles(files);
}

/** Changes one value of the index. */
async function forgeIndex(files: Files, row: number, name: string): Promise<Files> {
  const file = new Uint8Array(files.get(objects.index)!).buffer;
  const rows = await parquetReadObjects({ file });
  const value = rows[row]![name];
  rows[row]![name] = typeof value === 'bigint' ? value + 1n : changed(value);
  const columnData = describeIndex(plan.spec).map(({ name, type, nullable }) => ({
    name,
    type,
    nullable,
    data: rows.map((one) => one[name]),
  }));
  return fixFiles(files.set(objects.index, new Uint8Array(parquetWriteBuffer({ columnData }))));
}

test('M1: every field of a published dataset is computed again', async (t) => {
  const store = await published(t);
  const sound: Files = new Map();
  for await (const { key } of store.list('')) sound.set(key, (await store.get(key))!);
  assert.deepEqual((await verify(store)).faults, []);
  const [missed, used] = [[] as string[], new Set<RegExp>()];
  const tallies = new Map<string, { mutated: number; caught: number; unverifiable: number }>();
  const tryOut = async (group: string, name: string, forged: Files): Promise<void> => {
    const differing = [...forged].filter(([key, bytes]) => bytes !== sound.get(key));
    assert.notEqual(differing.length, 0);
    for (const [key, body] of differing) await store.replace(key, body, { contentType: 'application/octet-stream' });
    const { faults } = await verify(store);
    for (const [key] of differing)
      await store.replace(key, sound.get(key)!, { contentType: 'application/octet-stream' });
    const tally = tallies.get(group) ?? { mutated: 0, caught: 0, unverifiable: 0 };
    tallies.set(group, tally);
    tally.mutated++;
    const known = UNVERIFIABLE.find(([pattern]) => pattern.test(`${group}:${name}`));
    if (faults.length > 0) tally.caught++;
    else if (known) {
      used.add(known[0]);
      tally.unverifiable++;
    } else missed.push(`${group}:${name}`);
  };

  for (const key of [
    objects.manifest,
    objects.wids,
    ...Array.from({ length: plan.shards }, (_, i) => objects.record(i)),
  ]) {
    const value = json(sound, key);
    for (const path of leaves(value)) {
      const forged = put(new Map(sound), key, mutate(value, path));
      await tryOut(key, path.join('.'), key === objects.wids ? fixFiles(forged) : forged);
    }
  }
  for (let shard = 0; shard < plan.shards; shard++) {
    for (const [i, { record }] of readShardSamples(sound.get(objects.shard(plan.name, shard))!).entries()) {
      for (const path of leaves(record))
        await tryOut('sample', path.join('.'), forgeSample(new Map(sound), shard, i, path));
    }
  }
  for (const row of [0, plan.samples - 1]) {
    for (const { name } of describeIndex(plan.spec))
      await tryOut(objects.index, name, await forgeIndex(new Map(sound), row, name));
  }

  for (const key of [objects.croissant, objects.card, objects.report]) {
    const bytes = sound.get(key)!;
    for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
      const tampered = Uint8Array.from(bytes);
      tampered[at]! ^= 1;
      await tryOut(key, `byte ${at}`, new Map(sound).set(key, tampered));
    }
  }

  for (const [group, { mutated, caught, unverifiable }] of tallies)
    t.diagnostic(`${group}: ${mutated} mutated, ${caught} caught, ${unverifiable} listed as unverifiable`);
  assert.deepEqual([...new Set(missed)], []);
  assert.deepEqual(
    UNVERIFIABLE.filter(([pattern]) => !used.has(pattern)).map(([pattern]) => String(pattern)),
    [],
    'each entry of the list is needed',
  );
});
