import assert from 'node:assert/strict';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { canonicalJson, sha256 } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import type { Manifest } from '../../contract/schema/manifest.ts';
import type { ShardRecord } from '../../contract/schema/record.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { publish } from '../publish/publish.ts';
import { contentOf, readShardSamples } from '../shard/read.ts';
import { TAR_END, tarMember } from '../shard/tar.ts';
import { verify } from './verify.ts';

/**
 * M1: verify believes nothing. Every single field of a published dataset is changed in turn, generated from the objects
 * themselves; each change must be found, or be on the list of fields that mean nothing for what is verified.
 */

const MEANINGLESS: readonly (readonly [RegExp, string])[] = [
  [/^dataset\.json generator\.version$/, 'the version that published: any may have'],
  [/^dataset\.json dataset\.metadata\.annotations\./, 'title, license and the like: what the publisher says of it'],
  [/^dataset\.json dataset\.spec\.output\.uri$/, 'a place: a dataset may be moved'],
  [/^dataset\.json dataset\.spec\.quality\.gates\.\d+\.modelUri$/, 'a place: the digest is in the plan'],
  [/^dataset\.json dataset\.spec\.quality\.(keepRejected|onExhausted)$/, 'what is kept or done beside the shards'],
  [
    /^dataset\.json dataset\.spec\.quota\.minPerCell$/,
    'a bound that the quotas keep: another one that they keep asks for the same',
  ],
  [/^dataset\.json dataset\.spec\.model\.executionProvider$/, 'what was asked for; providers says what was used'],
  [/^dataset\.json dataset\.spec\.quality\.gates\.\d+\.tolerance$/, 'of a Classifier: it has none'],
  [/^dataset\.json dataset\.spec\.quality\.gates\.1\.(multiLabel|minProbability)$/, 'a Regressor has neither'],
  [/^dataset\.json dataset\.spec\.output\.image\.quality$/, 'of JPEG; these images are PNG'],
  [/^sample rejected\.\d+\.scores\./, 'the scores of a rejected attempt, whose image is gone'],
];

const dataset = smallDataset();
dataset.metadata.annotations = { 'cohortfarm.dev/title': 'A title' };
const plan = planOf(dataset);

type Path = readonly (string | number)[];

/** Paths of all leaves; an empty list or map is a leaf, too. */
function leaves(value: unknown, path: Path = []): Path[] {
  if (typeof value !== 'object' || value === null) return [path];
  const entries = Array.isArray(value) ? [...value.entries()] : Object.entries(value);
  return entries.length === 0 ? [path] : entries.flatMap(([key, member]) => leaves(member, [...path, key]));
}

/** Another value of the same kind, so that no schema alone finds it where that is possible. */
function otherValue(value: unknown): unknown {
  if (typeof value === 'number') return Number.isInteger(value) ? value + 1 : value * 1.0001;
  if (typeof value === 'boolean') return !value;
  if (typeof value !== 'string') return Array.isArray(value) ? ['x'] : { x: 1 };
  if (/^[0-9a-f]{64}$/.test(value)) return value.replace(/^./, (digit) => (digit === '0' ? '1' : '0'));
  return /^\d+-\d+$/.test(value) ? value.replace(/\d$/, (digit) => (digit === '9' ? '8' : '9')) : `${value}x`;
}

/** The value with one leaf changed, and, at the path of a map or list, with that member left out. */
function changed(value: unknown, path: Path): unknown {
  const copy = structuredClone(value) as Record<string | number, unknown>;
  let parent = copy;
  for (const key of path.slice(0, -1)) parent = parent[key] as typeof parent;
  parent[path.at(-1)!] = otherValue(parent[path.at(-1)!]);
  return copy;
}

const jsonOf = async (store: ObjectStore, key: string): Promise<unknown> =>
  JSON.parse(Buffer.from((await store.get(key))!).toString());
const put = (store: ObjectStore, key: string, body: Uint8Array): Promise<void> =>
  store.replace(key, body, { contentType: 'application/octet-stream' });
const putJson = (store: ObjectStore, key: string, value: unknown): Promise<void> =>
  put(store, key, Buffer.from(canonicalJson(value)));

describe('M1: every field of a published dataset is recomputed', () => {
  let dir: string;
  let store: ObjectStore;
  const counts = { changed: 0, found: 0, meaningless: 0 };
  const missed: string[] = [];

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
    store = openStore(join(dir, 'sound'));
    for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
    await publish({ plan, dataset, ...RUN, store, version: '0.0.0' });
    assert.deepEqual((await verify(store)).faults, []);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  async function judge(place: string, tampered: ObjectStore): Promise<void> {
    counts.changed++;
    const { faults } = await verify(tampered);
    const reason = MEANINGLESS.find(([pattern]) => pattern.test(place));
    if (reason) counts.meaningless++;
    else if (faults.length > 0) counts.found++;
    else missed.push(place);
  }

  for (const key of [objects.manifest, objects.record(0), objects.record(1), objects.record(2)]) {
    test(`of ${key}`, async () => {
      const value = await jsonOf(store, key);
      for (const path of leaves(value)) {
        await putJson(store, key, changed(value, path));
        await judge(`${key} ${path.join('.')}`, store);
      }
      await putJson(store, key, value);
      assert.deepEqual(missed, []);
    });
  }

  test('of a sample, with every digest on the way corrected as a forger would', async () => {
    const key = objects.shard(plan.name, 1);
    const bytes = (await store.get(key))!;
    const samples = readShardSamples(bytes);
    // One that was rejected before has every field that a sample can have.
    const target = samples.findIndex(({ record }) => record.rejected.length > 0);
    assert.ok(target >= 0);
    for (const path of leaves(samples[target]!.record)) {
      const folder = join(dir, 'forged');
      await cp(join(dir, 'sound'), folder, { recursive: true });
      const forged = openStore(folder);
      const members = samples.flatMap((sample, i) => [
        tarMember(`${sample.key}.png`, contentOf(bytes, sample.image)),
        tarMember(`${sample.key}.txt`, contentOf(bytes, sample.text)),
        tarMember(
          `${sample.key}.json`,
          Buffer.from(`${canonicalJson(i === target ? changed(sample.record, path) : sample.record)}\n`),
        ),
      ]);
      const shard = Buffer.concat([...members, TAR_END]);
      const digests = { sha256: sha256(shard), bytes: shard.length };
      await put(forged, key, shard);
      const record = (await jsonOf(forged, objects.record(1))) as ShardRecord;
      await putJson(forged, objects.record(1), { ...record, ...digests });
      const manifest = (await jsonOf(forged, objects.manifest)) as Manifest;
      manifest.shards[1] = { ...manifest.shards[1]!, ...digests };
      await putJson(forged, objects.manifest, manifest);
      await judge(`sample ${path.join('.')}`, forged);
      await rm(folder, { recursive: true });
    }
    assert.deepEqual(missed, []);
  });

  for (const key of [objects.index, objects.wids, objects.croissant, objects.card, objects.report]) {
    test(`of ${key}: any changed byte, and its absence`, async () => {
      const bytes = Uint8Array.from((await store.get(key))!);
      for (const at of [0, bytes.length >> 1, bytes.length - 1]) {
        const tampered = Uint8Array.from(bytes);
        tampered[at]! ^= 1;
        await put(store, key, tampered);
        await judge(`${key} byte ${at}`, store);
      }
      await store.remove([key]);
      await judge(`${key} removed`, store);
      await put(store, key, bytes);
      assert.deepEqual(missed, []);
    });
  }

  test('with nothing left out: the figures', (t) => {
    t.diagnostic(`${counts.changed} changes: ${counts.found} found, ${counts.meaningless} of fields that mean nothing`);
    assert.ok(counts.changed > 300);
    assert.equal(counts.found + counts.meaningless, counts.changed);
  });
});
