import assert from 'node:assert/strict';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { objects } from '../../contract/names.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { sealShard } from '../../dataset/shard/commit.ts';
import { verify } from '../../dataset/verify/verify.ts';
import { openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { runShard } from '../../worker/run-shard.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../support/dataset.ts';

/** M2: objects that rot on the disk of an S3 server that keeps checksums, which the S3 client finds wrong on every try. */

describe('an object that is damaged at rest', { skip: await missingForServers() }, () => {
  let s3: S3Server;
  before(async () => {
    s3 = await startS3Server();
    await s3.createBucket('rot');
  });
  after(() => s3.stop());

  const dataset = smallDataset();
  const plan = planOf(dataset);
  const storeOf = (name: string) => openStore(`s3://rot/${name}`, s3.options);
  const rot = async (name: string, key: string): Promise<void> => {
    const path = join(s3.files, 'rot', name, key);
    const bytes = await readFile(path);
    bytes[Math.floor(bytes.length / 2)]! ^= 4;
    await writeFile(path, bytes);
  };
  const quietShard = async (shard: number) => (await runShard(drawingContext(plan, storeOf('quiet')), shard)).sha256;

  /** Stops before the shard is sealed. */
  async function growParts(name: string): Promise<string[]> {
    const store = storeOf(name);
    const isSeal = (key: string) => key === objects.seal(0);
    const create = store.create.bind(store);
    store.create = async (key, ...rest) => {
      if (isSeal(key)) throw new Error('killed');
      return create(key, ...rest);
    };
    await assert.rejects(runShard(drawingContext(plan, store), 0), /killed/);
    const keys: string[] = [];
    for await (const { key } of store.list(objects.shardWork(0))) keys.push(key);
    return keys;
  }

  test('M2: is remade, when it is a part of a shard that is not sealed', async () => {
    const [first, second] = await growParts('part');
    await rot('part', first!);
    await rot('part', second!);
    const { sha256 } = await runShard(drawingContext(plan, storeOf('part')), 0);
    assert.equal(sha256, await quietShard(0));
  });

  test('M6: is remade, when it is the seal, or a part that the seal names', async () => {
    const [first] = await growParts('seal');
    const store = storeOf('seal');
    await sealShard(store, plan, 0);
    await rot('seal', objects.seal(0));
    await rot('seal', first!);
    const { sha256 } = await runShard(drawingContext(plan, store), 0);
    assert.equal(sha256, await quietShard(0));
  });

  test('M1: is named by publish and verify, when it is a shard or a record', async () => {
    const store = storeOf('whole');
    for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
    await publish({ plan, dataset, ...RUN, store, version: '0.1.0' });
    assert.deepEqual((await verify(store)).faults, []);
    await rot('whole', objects.shard(plan.name, 1));
    await rot('whole', objects.record(2));
    const { faults } = await verify(store);
    for (const key of [objects.shard(plan.name, 1), objects.record(2)])
      assert.ok(
        faults.some(({ object, message }) => object === key && /is damaged/.test(message)),
        JSON.stringify(faults),
      );
    await store.remove([objects.manifest]);
    await assert.rejects(
      publish({ plan, dataset, ...RUN, store, version: '0.1.0' }),
      (error: Error & { reason?: string }) => error.reason === 'DatasetDamaged' && /restore it/.test(error.message),
    );
  });
});
