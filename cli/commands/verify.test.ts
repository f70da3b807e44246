import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { objects } from '../../contract/names.ts';
import { publish } from '../../dataset/publish/publish.ts';
import { openStore } from '../../platform/store/store.ts';
import { drawingContext, planOf, RUN, smallDataset } from '../../test/support/dataset.ts';
import { runShard } from '../../worker/run-shard.ts';
import { reportVerification } from './verify.ts';

test('control characters in the names of a dataset do not reach the terminal', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  const dataset = smallDataset();
  const plan = planOf(dataset);
  for (let shard = 0; shard < plan.shards; shard++) await runShard(drawingContext(plan, store), shard);
  const manifest = await publish({ plan, dataset, ...RUN, store, version: '0.0.0' });
  const hostile = { ...manifest, files: [...manifest.files, { ...manifest.files[0]!, key: 'a\u009b2Jb' }] };
  await store.replace(objects.manifest, Buffer.from(JSON.stringify(hostile)), { contentType: 'application/json' });
  const written = t.mock.method(process.stderr, 'write', () => true);
  assert.equal(await reportVerification(store), 1);
  const shown = written.mock.calls.map(({ arguments: [text] }) => String(text)).join('');
  written.mock.restore();
  assert.match(shown, /a\uFFFD2Jb/);
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there
  assert.doesNotMatch(shown, /[\u001b\u009b]/);
});
