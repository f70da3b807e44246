import assert from 'node:assert/strict';
import { type ChildProcess, execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtemp, readdir, readFile, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';
import { type CountingProxy, startCountingProxy } from '../../bench/counting-proxy.ts';
import { openStore } from '../../platform/store/store.ts';
import { type S3Server, startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';

const run = promisify(execFile);
const MIB = 2 ** 20;
const WEIGHTS = randomBytes(80 * MIB);
const TEXT = { contentType: 'application/octet-stream' };

/** Many processes that share one cache, with a store that counts what they ask it for. */
describe('a model that many pods want at once', { skip: await missingForServers() }, () => {
  let s3: S3Server;
  let proxy: CountingProxy;
  let cacheDir: string;
  before(async () => {
    s3 = await startS3Server();
    await s3.createBucket('models');
    const store = openStore('s3://models/large', s3.options);
    await store.create('model_index.json', Buffer.from('{}'), TEXT);
    await store.create('unet/model.onnx', WEIGHTS, TEXT);
    proxy = await startCountingProxy(s3.endpoint);
  });
  after(async () => {
    proxy?.close();
    await s3?.stop();
  });
  beforeEach(async () => {
    cacheDir = await mkdtemp(join(tmpdir(), 'cohortfarm-shared-cache-'));
    proxy.delay = 0;
    proxy.take();
  });
  afterEach(() => rm(cacheDir, { recursive: true, force: true }));

  const wanted = (times?: { touchMs: number; staleMs: number }): string =>
    JSON.stringify({ uri: 's3://models/large', cacheDir, s3: { ...s3.options, endpoint: proxy.endpoint }, times });
  const fetching = (times?: { touchMs: number; staleMs: number }) =>
    run(process.execPath, [join(import.meta.dirname, 'fetch-model.ts'), wanted(times)]);
  const incoming = async (): Promise<number> => {
    const models = join(cacheDir, 'models');
    const [name] = (await readdir(models).catch(() => [])).filter((entry) => entry.startsWith('incoming-'));
    return name ? ((await stat(join(models, name, 'unet/model.onnx')).catch(() => null))?.size ?? 0) : 0;
  };

  test('is downloaded once by 16 processes, and not at all by the next', async (t) => {
    const copies = await Promise.all(Array.from({ length: 16 }, () => fetching()));
    const first = proxy.take();
    assert.equal(new Set(copies.map(({ stdout }) => stdout)).size, 1);
    const { dir } = JSON.parse(copies[0]!.stdout);
    assert.ok((await readFile(join(dir, 'unet/model.onnx'))).equals(WEIGHTS));
    t.diagnostic(`${(first.bytes / MIB).toFixed(1)} MiB in ${first.requests} requests for ${WEIGHTS.length / MIB} MiB`);
    assert.ok(first.bytes >= WEIGHTS.length && first.bytes < WEIGHTS.length + MIB, `${first.bytes} bytes`);
    await fetching();
    assert.ok(proxy.take().bytes < MIB);
    assert.deepEqual(await readdir(join(cacheDir, 'models')), [dir.split('/').at(-1)]);
  });

  test('resumes from where a killed process was, once its lock is not touched any more', async (t) => {
    const times = { touchMs: 100, staleMs: 2000 };
    proxy.delay = 700;
    const killed = fetching(times) as Promise<unknown> & { child: ChildProcess };
    killed.catch(() => {});
    const before = performance.now();
    while ((await incoming()) < 48 * MIB && performance.now() - before < 60_000) await sleep(20);
    killed.child.kill('SIGKILL');
    await assert.rejects(killed);
    assert.ok((await incoming()) >= 48 * MIB);
    proxy.delay = 0;
    proxy.take();
    const { stdout } = await fetching(times);
    const { bytes } = proxy.take();
    t.diagnostic(`${(bytes / MIB).toFixed(1)} of ${WEIGHTS.length / MIB} MiB downloaded after the kill`);
    assert.ok(bytes <= WEIGHTS.length - 32 * MIB + MIB, `${bytes} bytes`);
    assert.ok((await readFile(join(JSON.parse(stdout).dir, 'unet/model.onnx'))).equals(WEIGHTS));
  });

  test('is downloaded anew when another lies there', async () => {
    const first = JSON.parse((await fetching()).stdout);
    const store = openStore('s3://models/large', s3.options);
    await store.replace('model_index.json', Buffer.from('[]'), TEXT);
    const second = JSON.parse((await fetching()).stdout);
    assert.notEqual(second.digest, first.digest);
    assert.equal(await readFile(join(second.dir, 'model_index.json'), 'utf8'), '[]');
  });
});
