import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import { SuperBox } from '@trustnxt/c2pa-ts/jumbf';
import { type DataHashAssertion, ManifestStore } from '@trustnxt/c2pa-ts/manifest';
import { sha256 } from '../../contract/digest.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { type ObjectStore, openStore } from '../../platform/store/store.ts';
import { testSigner } from '../../test/support/certificates.ts';
import { growSmall } from '../../test/support/grown.ts';
import { exportDataset } from '../export/export.ts';
import { verifyExport } from '../export/verify.ts';
import { assertAccepted, imageFault, signImage } from './credentials.ts';

const ORIGIN = { planDigest: 'a'.repeat(64), generator: { name: 'cohortfarm', version: '1.2.3' } };
const FILES = { jpeg: '000000007.jpg', png: '000000007.png' } as const;

async function store(t: TestContext): Promise<ObjectStore> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return openStore(dir);
}

const drawn = (format: 'jpeg' | 'png') => {
  const data = Uint8Array.from({ length: 24 * 24 }, (_, i) => (i * 37) % 256);
  return encodeImage({ width: 24, height: 24, channels: 1, data }, { format, quality: 90 });
};

/** A PNG of one pixel, in bytes that no encoder decides. */
const PIXEL = Buffer.from(
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAAAAAA6fptVAAAACklEQVR4nGNgAAAAAgABSK+kcQAAAABJRU5ErkJggg==',
  'base64',
);

test('F4: the same image, key and certificate give the same bytes, today and with other versions of libraries', async () => {
  const signed = await signImage(PIXEL, FILES.png, ORIGIN, await testSigner());
  // Exports are checked by making their manifests again, so a change here makes all that are published unverifiable.
  assert.equal(sha256(signed), 'df44fe34897e755a9d4de68e4602004d8d9db5cc4d41ae151e74e7cf199a4e06');
});

test('F4: the digest that a manifest binds is that of the published image', async () => {
  const signer = await testSigner();
  for (const format of ['jpeg', 'png'] as const) {
    const image = await drawn(format);
    const signed = await signImage(image, FILES[format], ORIGIN, signer);
    assert.deepEqual(await signImage(image, FILES[format], ORIGIN, await testSigner()), signed);
    const asset = format === 'png' ? new PNG(signed) : new JPEG(signed);
    const manifest = ManifestStore.read(SuperBox.fromBuffer(new Uint8Array(asset.getManifestJUMBF()!)));
    const [binding] = manifest.getActiveManifest()!.assertions!.getHardBindings() as DataHashAssertion[];
    assert.equal(Buffer.from(binding!.hash!).toString('hex'), sha256(image));
    assert.ok(signed.length - image.length < 2500, `${signed.length - image.length} bytes more`);
  }
});

test('F4: two images of one plan and key, also of another version or chain, never have the same manifest name', async () => {
  const { chain, sign } = await testSigner();
  const signers = [
    { chain, sign },
    { chain: chain.slice(0, 1), sign },
  ];
  const newer = { ...ORIGIN, generator: { name: 'cohortfarm', version: '1.2.4' } };
  const names = new Set<string>();
  for (const image of [PIXEL, await drawn('png')])
    for (const origin of [ORIGIN, newer])
      for (const signer of signers) {
        const asset = new PNG(new Uint8Array(await signImage(image, FILES.png, origin, signer)));
        const store = ManifestStore.read(SuperBox.fromBuffer(new Uint8Array(asset.getManifestJUMBF()!)));
        const { label, claim } = store.getActiveManifest()!;
        names.add(label!).add(claim!.instanceID!);
      }
  assert.equal(names.size, 2 * 8);
});

test('F4: an export is not resumed with another chain of the same certificate, and holds none', async (t) => {
  const signer = await testSigner();
  const alone = { ...signer, chain: signer.chain.slice(0, 1) };
  const source = await store(t);
  await growSmall(source);
  const [target, other] = [await store(t), await store(t)];
  const request = { source, format: 'coco', bodyPart: '', onShard: () => {} } as const;
  await exportDataset({ ...request, target, signer });
  await assert.rejects(exportDataset({ ...request, target, signer: alone }), /holds another export/);
  await exportDataset({ ...request, target: other, signer: alone });
  const faults = async () => (await verifyExport(target, signer.chain[0]!)).faults;
  assert.deepEqual(await faults(), []);
  const object = 'images/000001/000000012.png';
  await target.replace(object, (await other.get(object))!, { contentType: 'image/png' });
  assert.deepEqual(await faults(), [{ object, message: 'holds another chain of certificates' }]);
});

test('F4: the table says which images an export has, and a damaged one is a fault', async (t) => {
  const signer = await testSigner();
  const source = await store(t);
  await growSmall(source);
  for (const format of ['imagefolder', 'coco'] as const) {
    const target = await store(t);
    const { table } = await exportDataset({ source, target, format, bodyPart: '', onShard: () => {}, signer });
    const check = () => verifyExport(target, signer.chain[0]!);
    const put = (key: string, body: Uint8Array) => target.replace(key, body, { contentType: 'image/png' });
    assert.deepEqual(await check(), { images: 24, faults: [] });
    const folder = format === 'coco' ? 'images/' : 'train/';
    const [here, moved] = [`${folder}000000/000000000.png`, `${folder}999999/000000000.png`];
    await put(moved, (await target.get(here))!);
    await target.remove([here]);
    const claim = JSON.parse(Buffer.from((await target.get('export.json'))!).toString());
    await put('export.json', Buffer.from(JSON.stringify({ ...claim, samples: 23 })));
    assert.deepEqual(await check(), {
      images: 23,
      faults: [
        { object: moved, message: `is not in ${table}` },
        { object: here, message: 'is missing' },
        { object: table, message: 'lists 24 images; the export is of 23' },
      ],
    });
    await put(table, Buffer.from('{"images":3}\n'));
    const damaged = (await check()).faults;
    assert.equal(damaged.length, 1);
    assert.match(damaged[0]!.message, /^(line 1 )?is not as this version writes it/);
  }
});

test('F4: one changed byte anywhere in a signed image is a fault', async () => {
  const signer = await testSigner();
  for (const format of ['jpeg', 'png'] as const) {
    const signed = await signImage(await drawn(format), FILES[format], ORIGIN, signer);
    const fault = (image: Uint8Array) => imageFault(image, FILES[format], ORIGIN, { certificate: signer.chain[0]! });
    assert.equal(await fault(signed), null);
    const step = Math.ceil(signed.length / 200);
    for (let at = 0; at < signed.length; at += step) {
      const changed = Uint8Array.from(signed);
      changed[at]! ^= 1 << (at % 8);
      assert.notEqual(await fault(changed), null, `${format}, byte ${at}`);
    }
    for (const changed of [signed.subarray(0, -1), Buffer.concat([signed, Buffer.from([0])]), new Uint8Array()])
      assert.notEqual(await fault(changed), null);
  }
});

test('F4: a certificate that readers of C2PA refuse signs nothing', async () => {
  const { chain, sign } = await testSigner();
  await assertAccepted({ chain, sign });
  const other = await testSigner(2);
  await assert.rejects(assertAccepted({ chain, sign: other.sign }), /not one of the certificate/);
  const authority = await testSigner(100);
  await assert.rejects(
    assertAccepted({ chain: [authority.chain[1]!], sign: authority.sign }),
    /readers of C2PA refuse it \(signingCredential\.invalid\); the first certificate must be/,
  );
});

test('F4: an export is checked image by image, and nothing may be missing, moved, foreign or of another key', async (t) => {
  const signer = await testSigner();
  const source = await store(t);
  await growSmall(source);
  const target = await store(t);
  const request = { source, target, format: 'imagefolder', bodyPart: '', onShard: () => {} } as const;
  await exportDataset({ ...request, signer });
  const [certificate] = signer.chain;
  const faults = async (): Promise<string[]> =>
    (await verifyExport(target, certificate!)).faults.map(({ object, message }) => `${object}: ${message}`);
  assert.deepEqual(await verifyExport(target, certificate!), { images: 24, faults: [] });
  const other = await testSigner(2);
  const foreign = await verifyExport(target, other.chain[0]!);
  assert.deepEqual([foreign.faults.length, foreign.faults[0]!.message], [24, 'is signed with another certificate']);
  await assert.rejects(exportDataset({ ...request, signer: other }), /holds another export/);
  await assert.rejects(exportDataset(request), /holds another export/);

  const [first, second] = ['train/000000/000000000.png', 'train/000000/000000001.png'];
  const image = (await target.get(first!))!;
  const put = (key: string, body: Uint8Array) => target.replace(key, body, { contentType: 'image/png' });
  const moved = (await target.get(second!))!;
  await put(first!, moved);
  const key = 'dev.cohortfarm.key';
  assert.deepEqual(await faults(), [`${first}: has a manifest in which ${key} is "000000001", not "000000000"`]);
  const published = await store(t);
  await exportDataset({ ...request, target: published });
  await put(first!, (await published.get(first!))!);
  assert.deepEqual(await faults(), [`${first}: has no C2PA manifest`]);
  await target.remove([first!]);
  assert.deepEqual(await faults(), [`${first}: is missing`]);
  await put('train/000001/000000000.png', image);
  const table = 'train/metadata.jsonl';
  assert.deepEqual(await faults(), [`train/000001/000000000.png: is not in ${table}`, `${first}: is missing`]);
  await put(first!, image);
  assert.deepEqual(await faults(), [`train/000001/000000000.png: is not in ${table}`]);
  await target.remove(['train/000001/000000000.png']);
  await put('train/note.txt', image);
  await target.remove(['train/metadata.jsonl']);
  assert.deepEqual(await faults(), [
    'train/note.txt: does not belong to the export',
    'train/metadata.jsonl: is missing: the export is incomplete',
  ]);
  await assert.rejects(verifyExport(published, certificate!), /without content credentials/);
  await assert.rejects(verifyExport(source, certificate!), /holds no export/);
});
