import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { DatasetView, Problem, RejectedPage, SampleDetail, SamplesView } from '../../browse/wire.ts';
import { objects } from '../../contract/names.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { growDataset, readersDataset } from '../../test/readers/fixture.ts';
import { type BrowseServer, startBrowseServer } from './server.ts';

/** The server by itself: what it answers, to whom, and what it reads for it. */

let dir: string;
let server: BrowseServer;
/** Reads from the store: object and bytes. */
const reads: { key: string; bytes: number; whole: boolean }[] = [];

function counting(store: ObjectStore): ObjectStore {
  const refuse = async (): Promise<never> => {
    throw new Error('the browser changes nothing');
  };
  return {
    uri: store.uri,
    assertConditional: async () => {},
    stat: store.stat.bind(store),
    list: store.list.bind(store),
    create: refuse,
    replace: refuse,
    remove: refuse,
    async get(key, range) {
      const bytes = await store.get(key, range);
      reads.push({ key, bytes: bytes?.length ?? 0, whole: range === undefined });
      return bytes;
    },
  };
}

before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  const dataset = readersDataset('png', 400);
  dataset.spec.quality.keepRejected = 2;
  await growDataset(openStore(dir), dataset);
  server = await startBrowseServer({
    store: counting(openStore(dir)),
    host: '127.0.0.1',
    port: 0,
    replayCommand: (key) => `replay ${key}`,
  });
});
after(async () => {
  await server.close();
  await rm(dir, { recursive: true, force: true });
});

interface Got {
  readonly status: number;
  readonly headers: Readonly<Record<string, string | string[] | undefined>>;
  readonly body: Buffer;
}

/** As a client that may say anything. */
function get(path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Got> {
  const { promise, resolve, reject } = Promise.withResolvers<Got>();
  const url = new URL(server.url);
  const base = path.startsWith('/') ? path : url.pathname + path;
  const outgoing = request({ host: url.hostname, port: url.port, path: base, method, headers }, (incoming) => {
    const chunks: Buffer[] = [];
    incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
    incoming.on('end', () =>
      resolve({ status: incoming.statusCode!, headers: incoming.headers, body: Buffer.concat(chunks) }),
    );
  });
  outgoing.on('error', reject);
  outgoing.end();
  return promise;
}

async function ask<T>(path: string): Promise<T> {
  const { status, body } = await get(path);
  assert.equal(status, 200, body.toString());
  return JSON.parse(body.toString()) as T;
}

test('counts are those of the manifest, in the columns of its cells', async () => {
  const view = await ask<DatasetView>('api/dataset');
  const manifest = JSON.parse(Buffer.from((await openStore(dir).get(objects.manifest))!).toString());
  assert.deepEqual(
    view.cells.accepted,
    manifest.cells.map((cell: { accepted: number }) => cell.accepted),
  );
  const [age] = view.axes;
  assert.deepEqual(age!.values, ['18-39', '40-59', '60-79']);
  assert.deepEqual(
    age!.ofCell.map((i) => age!.values[i]),
    manifest.cells.map((cell: { axes: { age: string } }) => cell.axes.age),
  );
  assert.equal(view.state, 'published');
});

test('a page of images reads ranges only, and each once', async () => {
  reads.length = 0;
  const { samples, total } = await ask<SamplesView>('api/samples?page=0');
  assert.equal(total, 400);
  assert.equal(samples.length, 48);
  for (const { key, state } of samples) {
    if (state !== 'accepted') continue;
    const { status, headers } = await get(`thumbnail?key=${key}`);
    assert.deepEqual([status, headers['content-type']], [200, 'image/jpeg']);
  }
  const ofShards = reads.filter(({ key }) => key.startsWith(objects.shards));
  assert.ok(ofShards.length <= 48 && ofShards.every(({ whole }) => !whole), `${ofShards.length} reads of shards`);
  assert.ok(reads.filter(({ key }) => key === objects.index).every(({ whole }) => !whole));
});

test('one image in full, and the bytes of the shard', async () => {
  const { samples } = await ask<SamplesView>('api/samples?is.sex=male&is.finding=edema');
  const { key, prompt } = samples.find(({ state }) => state === 'accepted')!;
  const detail = await ask<SampleDetail>(`api/sample?key=${key}`);
  assert.equal(detail.prompt, prompt);
  assert.equal(detail.replay, `replay ${key}`);
  assert.deepEqual(
    detail.scores!.map(({ gate }) => gate),
    detail.axes.race === 'BLACK' ? ['finding', 'age'] : ['finding', 'age', 'race'],
  );
  const image = await get(`image?key=${key}`);
  assert.equal(image.headers['content-type'], 'image/png');
  assert.match(String(image.headers['content-security-policy']), /sandbox/);
  assert.deepEqual(image.body.subarray(1, 4).toString(), 'PNG');
});

test('rejected images come a few at a time, each once, until the end', async () => {
  const seen: string[] = [];
  let next: string | null = '';
  while (next !== null) {
    const page: RejectedPage = await ask<RejectedPage>(`api/rejected?after=${next}`);
    seen.push(...page.rejected.map(({ id }) => id));
    assert.ok(page.rejected.length <= 24);
    next = page.next;
  }
  const stored: string[] = [];
  for await (const { key } of openStore(dir).list('rejected/'))
    if (key.endsWith('.json')) stored.push(key.slice('rejected/'.length, -'.json'.length));
  assert.ok(stored.length > 24);
  assert.deepEqual(seen, stored);
  const { status, headers } = await get(`rejected/image?id=${seen[0]}`);
  assert.deepEqual([status, headers['content-type']], [200, 'image/png']);
});

test('every answer forbids what it does not need', async () => {
  for (const path of ['', 'page.js', 'page.css', 'icon.svg', 'api/dataset', 'thumbnail?key=000000001', 'nothing']) {
    const { headers } = await get(path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    assert.equal(headers['cross-origin-resource-policy'], 'same-origin', path);
    assert.equal(headers['access-control-allow-origin'], undefined, path);
    assert.match(String(headers['content-security-policy']), /^default-src 'none'; .*frame-ancestors 'none'/, path);
    assert.doesNotMatch(String(headers['content-security-policy']), /unsafe|\*|http|data:/, path);
  }
});

test('what is not asked for properly is refused, and nothing beside the dataset can be reached', async () => {
  const { pathname } = new URL(server.url);
  const cases: [path: string, status: number][] = [
    ['/', 404],
    ['/api/dataset', 404],
    [`${pathname}../${pathname}`, 404],
    [`${pathname}%2e%2e/`, 404],
    [`${pathname}..%2f..%2fetc%2fpasswd`, 404],
    [`${pathname}page.js/../../server.ts`, 404],
    ['thumbnail?key=../../../etc/passwd', 404],
    ['thumbnail?key=', 404],
    ['thumbnail?key=999999999', 404],
    ['image?key=-00000001', 404],
    ['rejected/image?id=../dataset', 404],
    ['rejected/image?id=000001/../../dataset', 404],
    ['rejected/image?id=999999/9999', 404],
    ['api/rejected?after=x', 400],
    ['api/samples?page=-1', 400],
    ['api/samples?page=1e9', 400],
    ['api/samples?page=99999999999', 400],
    ['api/samples?is.height=x', 400],
    ['api/samples?is.__proto__=x', 400],
    ['api/samples?is.constructor=x', 400],
  ];
  for (const [path, status] of cases) {
    const got = await get(path);
    assert.equal(got.status, status, `${path}: ${got.body}`);
    assert.equal(typeof (JSON.parse(got.body.toString()) as Problem).error, 'string', path);
  }
  assert.deepEqual((await ask<SamplesView>('api/samples?is.sex=other')).total, 0);
  assert.deepEqual((await ask<SamplesView>('api/samples?page=999999')).samples, []);
});

test('another name in Host is refused, and other methods are', async () => {
  assert.equal((await get('', { host: 'evil.example' })).status, 403);
  assert.equal((await get('', { host: 'localhost' })).status, 200);
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS'])
    assert.equal((await get('', {}, method)).status, 405, method);
  const head = await get('', {}, 'HEAD');
  assert.deepEqual([head.status, head.body.length], [200, 0]);
});

test('a manifest that names objects elsewhere gets nothing read there', async () => {
  const store = openStore(dir);
  const honest = (await store.get(objects.manifest))!;
  const manifest = JSON.parse(Buffer.from(honest).toString());
  const names = ['../../../../etc/passwd', '/etc/passwd', 'shards/..', 'shards/\u0000.tar', 'shards//x.tar'];
  manifest.shards = manifest.shards.map((shard: object, i: number) => ({ ...shard, key: names[i % names.length] }));
  await store.replace(objects.manifest, Buffer.from(JSON.stringify(manifest)), { contentType: 'application/json' });
  const fresh = await startBrowseServer({ store, host: '127.0.0.1', port: 0, replayCommand: (name) => name });
  const states = new Set<string>();
  for (let page = 0; page < 9; page++) {
    const { samples } = (await (await fetch(`${fresh.url}api/samples?page=${page}`)).json()) as SamplesView;
    for (const { state, problem } of samples) {
      states.add(state);
      if (state === 'unreadable') assert.match(problem!, /^object name ".*" is refused: /);
    }
  }
  await fresh.close();
  await store.replace(objects.manifest, honest, { contentType: 'application/json' });
  assert.deepEqual([...states].sort(), ['exhausted', 'unreadable']);
});

test('an object that is damaged spoils its own place only', async () => {
  const store = openStore(dir);
  const key = objects.shard('small', 1);
  const shard = (await store.get(key))!;
  await store.replace(key, shard.slice().fill(7, 0, 60_000), { contentType: 'application/x-tar' });
  const fresh = await startBrowseServer({ store, host: '127.0.0.1', port: 0, replayCommand: (name) => name });
  const response = await fetch(`${fresh.url}api/samples`);
  const { samples } = (await response.json()) as SamplesView;
  await fresh.close();
  await store.replace(key, shard, { contentType: 'application/x-tar' });
  const broken = samples.filter(({ state }) => state === 'unreadable');
  assert.ok(broken.length > 0 && broken.length < samples.length);
  assert.match(broken[0]!.problem!, /^shards\/small-000001\.tar holds .* run cohortfarm verify$/);
});
