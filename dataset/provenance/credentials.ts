import type { X509Certificate } from 'node:crypto';
import { derivedUuid, sha256 } from '../../contract/digest.ts';
import { Failure, UsageError } from '../../contract/failure.ts';
import { DIGITAL_SOURCE_TYPE } from '../../contract/names.ts';
import type { Export } from '../../contract/schema/export.ts';
import {
  type CredentialSigner,
  embedManifest,
  type ImageClaim,
  manifestFault,
  refusals,
} from '../../platform/content-credentials.ts';
import { encodeImage } from '../../platform/image/image.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { workAhead } from '../ahead.ts';
import type { Fault } from '../verify/verify.ts';

/** A C2PA manifest in each image of an export: what it says follows from plan digest, key and certificate. */

/** The facts of a dataset that its images state. */
type Origin = Pick<Export, 'planDigest' | 'generator'>;

const FORMATS = { jpg: 'jpeg', png: 'png' } as const;
type Extension = keyof typeof FORMATS;

const fingerprintOf = ({ raw }: X509Certificate): string => sha256(raw);

function claimOf({ planDigest, generator }: Origin, file: string, certificate: X509Certificate): ImageClaim {
  const [key = '', extension = ''] = file.split('.');
  return {
    format: FORMATS[extension as Extension],
    title: file,
    id: derivedUuid('cohortfarm content credentials', planDigest, key, fingerprintOf(certificate)),
    generator: { name: generator.name, version: generator.version },
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
): Promise<Uint8Array> => embedManifest(image, claimOf(origin, file, signer.chain[0]!), signer);

/** The fault of a signed image; null when it is sound. @param file KEY.jpg or KEY.png */
export const imageFault = (
  image: Uint8Array,
  file: string,
  origin: Origin,
  certificate: X509Certificate,
): Promise<string | null> => manifestFault(image, claimOf(origin, file, certificate), certificate);

/** The signer as export.json names it. */
export const credentialsOf = ({ chain }: CredentialSigner): NonNullable<Export['contentCredentials']> => ({
  certificate: fingerprintOf(chain[0]!),
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

/**
 * Checks every image of a signed export: the signature, each byte, plan digest and key, and that none is missing or foreign.
 * @param folder where the images of this export are
 * @param table the key of its table, whose content is not checked
 */
export async function checkCredentials(
  store: ObjectStore,
  claim: Export,
  { folder, table }: { readonly folder: string; readonly table: string },
  certificate: X509Certificate,
): Promise<ExportCheck> {
  const { contentCredentials, samples } = claim;
  if (!contentCredentials)
    throw new Failure(
      'DatasetDamaged',
      `${store.uri} holds an export without content credentials; export with --certificate`,
    );
  const faults: Fault[] = [];
  const keys = new Set<string>();
  const check = async ({ key: object }: { readonly key: string }): Promise<Fault | null> => {
    const file = /^\d{6}\/(\d{9}\.(?:jpg|png))$/.exec(object.slice(folder.length))?.[1];
    if (object === table) return null;
    if (file === undefined) return { object, message: 'does not belong to the export' };
    if (keys.has(file)) return { object, message: 'is there twice, in two folders' };
    keys.add(file);
    const image = await store.get(object);
    const message = image ? await imageFault(image, file, claim, certificate) : 'is missing';
    return message === null ? null : { object, message };
  };
  for await (const fault of workAhead(store.list(folder), check, AHEAD)) if (fault) faults.push(fault);
  if ((await store.stat(table)) === null)
    faults.push({ object: table, message: 'is missing: the export is incomplete' });
  if (keys.size !== samples)
    faults.push({ object: folder, message: `holds ${keys.size} images; the dataset has ${samples}` });
  return { images: keys.size, faults };
}
