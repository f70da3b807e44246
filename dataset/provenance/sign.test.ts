import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { canonicalJson } from '../../contract/digest.ts';
import { objects } from '../../contract/names.ts';
import type { Envelope } from '../../contract/schema/provenance.ts';
import type { Signer } from '../../platform/signing-key.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { growSmall } from '../../test/support/grown.ts';
import { verify } from '../verify/verify.ts';
import { keyIdOf, openEnvelope } from './envelope.ts';
import { signatureFault, signDataset } from './sign.ts';

function newSigner(): Signer {
  const { privateKey, publicKey } = generateKeyPairSync('ed25519');
  return { publicKey, sign: async (message) => sign(null, message, privateKey) };
}

async function published(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const store = openStore(dir);
  await growSmall(store);
  return store;
}

const put = (store: ObjectStore, key: string, body: Uint8Array): Promise<void> =>
  store.replace(key, body, { contentType: 'application/octet-stream' });

const flip = (bytes: Uint8Array, at: number): Uint8Array => {
  const copy = Uint8Array.from(bytes);
  copy[at]! ^= 1;
  return copy;
};

test('F4: one flipped byte in any object fails, wherever it is', async (t) => {
  const store = await published(t);
  const signer = newSigner();
  const { object, written } = await signDataset(store, signer);
  assert.equal(object, objects.signature(keyIdOf(signer.publicKey)));
  assert.ok(written);
  const check = async () => {
    const verification = await verify(store);
    const fault = await signatureFault(store, verification, signer.publicKey);
    return [...(fault ? [fault] : []), ...verification.faults];
  };
  assert.deepEqual(await check(), []);
  const keys = (await Array.fromAsync(store.list(''))).map(({ key }) => key).filter((key) => key !== objects.claim);
  assert.ok(keys.length > 10, `${keys}`);
  for (const key of keys) {
    const bytes = (await store.get(key))!;
    for (const at of new Set([0, 17, bytes.length >> 1, bytes.length - 1])) {
      await put(store, key, flip(bytes, at));
      assert.notDeepEqual(await check(), [], `${key}, byte ${at}`);
    }
    await put(store, key, bytes);
  }
  assert.deepEqual(await check(), []);
});

test('F4: every single byte of an envelope counts', async (t) => {
  const store = await published(t);
  const signer = newSigner();
  const { object } = await signDataset(store, signer);
  const bytes = (await store.get(object!))!;
  assert.notEqual(typeof openEnvelope(bytes, signer.publicKey), 'string');
  for (let at = 0; at < bytes.length; at++) {
    for (const changed of [
      flip(bytes, at),
      Buffer.concat([bytes.subarray(0, at), Buffer.from(' '), bytes.subarray(at)]),
    ])
      assert.equal(typeof openEnvelope(changed, signer.publicKey), 'string', `byte ${at}`);
  }
});

test('F4: a forger without the key is found whatever he changes', async (t) => {
  const store = await published(t);
  const [signer, forger] = [newSigner(), newSigner()];
  const { object } = await signDataset(store, signer);
  await signDataset(store, forger);
  const theirs = JSON.parse(
    Buffer.from((await store.get(objects.signature(keyIdOf(forger.publicKey))))!).toString(),
  ) as Envelope;
  // The forger's signature under the signer's name.
  const keyid = keyIdOf(signer.publicKey);
  await put(
    store,
    object!,
    Buffer.from(`${canonicalJson({ ...theirs, signatures: [{ ...theirs.signatures[0], keyid }] })}\n`),
  );
  const fault = await signatureFault(store, await verify(store), signer.publicKey);
  assert.match(fault!.message, /a signature that this key did not make/);
  // A signature of the forger's own, where the reader asks for the signer's.
  await store.remove([object!]);
  assert.deepEqual(await signatureFault(store, await verify(store), signer.publicKey), {
    object,
    message: `is missing: the dataset is signed, but not by this key (by ${keyIdOf(forger.publicKey)})`,
  });
  await store.remove([objects.signature(keyIdOf(forger.publicKey))]);
  assert.deepEqual(await signatureFault(store, await verify(store), signer.publicKey), {
    object,
    message: 'is missing: the dataset is not signed',
  });
});

test('F4: a signature of another dataset, or of a manifest that changed since, is one clear fault', async (t) => {
  const store = await published(t);
  const signer = newSigner();
  const { object } = await signDataset(store, signer);
  const manifest = Buffer.from((await store.get(objects.manifest))!).toString();
  await put(store, objects.manifest, Buffer.from(manifest.replace('"version":"0.0.0"', '"version":"0.0.1"')));
  const verification = await verify(store);
  assert.deepEqual(verification.faults, []);
  assert.match(
    (await signatureFault(store, verification, signer.publicKey))!.message,
    /^signs another dataset\.json: /,
  );
  // Signed again it is sound; the next time nothing is written.
  assert.equal((await signDataset(store, signer)).written, true);
  assert.equal(await signatureFault(store, await verify(store), signer.publicKey), null);
  const before = await store.get(object!);
  assert.equal((await signDataset(store, signer)).written, false);
  assert.deepEqual(await store.get(object!), before);
});
