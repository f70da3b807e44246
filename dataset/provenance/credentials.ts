import type { X509Certificate } from 'node:crypto';
import { derivedUuid, sha256 } from '../../contract/digest.ts';
import { Failure, UsageError } from '../../contract/failure.ts';
import { DIGITAL_SOURCE_TYPE } from '../../contract/names.ts';
import type { ContentCredentials, Export } from '../../contract/schema/export.ts';
import {
  type CredentialSigner,
  chainDigest,
  embedManifest,
  type ImageClaim,
  manifestFault,
  refusals,
  type Signature,
} from '../../platform/content-credentials.ts';
import { encodeImage } from '../../platform/image/image.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { workAhead } from '../ahead.ts';
import type { Fault } from '../verify/verify.ts';

/** A C2PA manifest in each image that is handed on: it follows from the image, its dataset, its key and the certificates. */

/** The facts of a dataset that its images state. */
type Origin = Pick<Export, 'planDigest' | 'generator'>;

const FORMATS = { jpg: 'jpeg', png: 'png' } as const;
type Extension = keyof typeof FORMATS;

function claimOf({ planDigest, generator: { name, version } }: Origin, file: string): ImageClaim {
  const [key = '', extension = ''] = file.split('.');
  return {
    format: FORMATS[extension as Extension],
    title: file,
    // Images that differ in a byte never share the name of a manifest.
    idOf: (image, chain) =>
      derivedUuid('cohortfarm content credentials', planDigest, key, name, version, chainDigest(chain), sha256(image)),
    generator: { name, version },
    digitalSourceType: DIGITAL_SOURCE_TYPE,
    parameters: { 'dev.cohortfarm.planDigest': planDigest, 'dev.cohortfarm.key': key },
  };
}

/** Signs one image. @param file KEY.jpg or KEY.png */
export const signImage = (
  image: Uint8Array,
  file: string,
  origin: Origin,
  signer: CredentialSigner,
): Promise<Uint8Array> => embedManifest(image, claimOf(origin, file), signer);

/** The fault of a signed image; null when it is sound. @param file KEY.jpg or KEY.png */
export const imageFault = (
  image: Uint8Array,
  file: string,
  origin: Origin,
  signature: Signature,
): Promise<string | null> => manifestFault(image, claimOf(origin, file), signature);

/** The signer, as exports and repositories name it. */
export const credentialsOf = ({ chain }: CredentialSigner): ContentCredentials => ({
  certificate: sha256(chain[0]!.raw),
  chain: chainDigest(chain),
});

/** Signs a pixel and reads it. @throws UsageError when readers of C2PA would refuse all that this key and certificate sign */
export async function assertAccepted(signer: CredentialSigner): Promise<void> {
  const pixel = { width: 1, height: 1, channels: 1 as const, data: new Uint8Array(1) };
  const image = await encodeImage(pixel, { format: 'png', quality: 100 });
  const trial = { planDigest: '0'.repeat(64), generator: { name: 'cohortfarm', version: '0' } };
  const codes = await refusals(await signImage(image, '000000000.png', trial, signer), 'png');
  if (codes.includes('claimSignature.mismatch'))
    throw new UsageError('the signature is not one of the certificate; sign with the private key that belongs to it');
  if (codes.length > 0)
    throw new UsageError(
      `--certificate: readers of C2PA refuse it (${codes.join(', ')}); the first certificate must be valid today, issued by another one, and have the key usage digitalSignature and the extended key usage emailProtection or documentSigning, as docs/provenance.md makes one`,
    );
}

export interface ExportCheck {
  readonly images: number;
  readonly faults: readonly Fault[];
}

/** Images read at once. */
const AHEAD = { items: 16 };

/** The files of an export. */
export interface ExportFiles {
  /** Folder of the images. */
  readonly folder: string;
  /** Key of the table, whose labels are not checked. */
  readonly table: string;
  /** Names of the images in the table, below the folder; or what is wrong with the table. */
  readonly listed: ReadonlySet<string> | string;
}

/**
 * Checks every image of a signed export: the signature, each byte, plan digest and key, and that the images are those that
 * the table lists.
 */
export async function checkCredentials(
  store: ObjectStore,
  claim: Export,
  { folder, table, listed }: ExportFiles,
  certificate: X509Certificate,
): Promise<ExportCheck> {
  const { contentCredentials, samples } = claim;
  if (!contentCredentials)
    throw new Failure(
      'DatasetDamaged',
      `${store.uri} holds an export without content credentials; export with --certificate`,
    );
  const signature = { certificate, chain: contentCredentials.chain };
  const faults: Fault[] = [];
  const found = new Set<string>();
  const keys = new Set<string>();
  const check = async ({ key: object }: { readonly key: string }): Promise<Fault | null> => {
    const name = object.slice(folder.length);
    const file = /^\d{6}\/(\d{9}\.(?:jpg|png))$/.exec(name)?.[1];
    if (object === table) return null;
    if (file === undefined) return { object, message: 'does not belong to the export' };
    found.add(name);
    if (typeof listed !== 'string' && !listed.has(name)) return { object, message: `is not in ${table}` };
    if (keys.has(file)) return { object, message: 'is there twice, in two folders' };
    keys.add(file);
    const image = await store.get(object);
    const message = image ? await imageFault(image, file, claim, signature) : 'is missing';
    return message === null ? null : { object, message };
  };
  for await (const fault of workAhead(store.list(folder), check, AHEAD)) if (fault) faults.push(fault);
  if (typeof listed === 'string') faults.push({ object: table, message: listed });
  else {
    for (const name of listed) if (!found.has(name)) faults.push({ object: `${folder}${name}`, message: 'is missing' });
    if (listed.size !== samples)
      faults.push({ object: table, message: `lists ${listed.size} images; the export is of ${samples}` });
  }
  return { images: keys.size, faults };
}
