import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { canonicalJson } from '../../contract/digest.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import { openStore } from '../../platform/store/store.ts';
import { inventedEvidence } from '../../test/support/evidence.ts';
import { growSmall } from '../../test/support/grown.ts';
import { verify } from './verify.ts';

test('evidence that was put into a manifest is found', async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-evidence-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  const manifest = await growSmall(store);
  assert.deepEqual((await verify(store)).faults, []);
  const forged = Buffer.from(canonicalJson({ ...manifest, evidence: inventedEvidence() }));
  await store.replace(objects.manifest, forged, { contentType: CONTENT_TYPES.json });
  const { faults } = await verify(store);
  assert.deepEqual(
    faults.map(({ object, message }) => `${object}: ${message}`),
    ['dataset.json: evidence does not follow from anything in the dataset'],
  );
});
