import { createHash, verify, X509Certificate } from 'node:crypto';
import type { JPEG, PNG } from '@trustnxt/c2pa-ts/asset';
import type { ActionAssertion, ManifestStore } from '@trustnxt/c2pa-ts/manifest';

/**
 * C2PA manifests (content credentials) in JPEG and PNG files, signed with Ed25519. Equal claims signed by one key have equal
 * bytes: nothing in a manifest is random or of a time. C2PA 2.x: https://c2pa.org/specifications/
 */

/** Signs manifests: the certificate of the key comes first, those that lead to an authority follow. */
export interface CredentialSigner {
  readonly chain: readonly X509Certificate[];
  sign(message: Uint8Array): Promise<Uint8Array>;
}

/** The statement about one image. */
export interface ImageClaim {
  readonly format: ImageFormat;
  readonly title: string;
  /** The UUID of the manifest that one chain of certificates signs in one image, which has none yet. */
  readonly idOf: (image: Uint8Array, chain: readonly X509Certificate[]) => string;
  readonly generator: { readonly name: string; readonly version: string };
  readonly digitalSourceType: string;
  /** Further facts, under names that begin with a domain. */
  readonly parameters: Readonly<Record<string, string>>;
}

type ImageFormat = 'jpeg' | 'png';

/** SHA-256 of all certificates of a chain. */
export function chainDigest(chain: readonly { readonly raw: Uint8Array }[]): string {
  const hash = createHash('sha256');
  for (const { raw } of chain) hash.update(raw);
  return hash.digest('hex');
}

const SIGNATURE_BYTES = 64;

// Loaded here, so that no other command waits for them.
async function library() {
  const [asset, manifest, cose, jumbf, x509] = await Promise.all([
    import('@trustnxt/c2pa-ts/asset'),
    import('@trustnxt/c2pa-ts/manifest'),
    import('@trustnxt/c2pa-ts/cose'),
    import('@trustnxt/c2pa-ts/jumbf'),
    import('@peculiar/x509'),
  ]);
  return { ...asset, ...manifest, ...jumbf, ed25519: cose.CoseAlgorithmIdentifier.Ed25519, x509 };
}

type Library = Awaited<ReturnType<typeof library>>;

const openAsset = ({ JPEG, PNG }: Library, image: Uint8Array, format: ImageFormat): JPEG | PNG => {
  // The library reads the buffer of what it is given.
  const bytes = new Uint8Array(image);
  return format === 'png' ? new PNG(bytes) : new JPEG(bytes);
};

/** Embeds a signed manifest into an image that has none. */
export async function embedManifest(
  image: Uint8Array,
  claim: ImageClaim,
  signer: CredentialSigner,
): Promise<Uint8Array> {
  const c2pa = await library();
  const [certificate, ...chain] = signer.chain.map(({ raw }) => new c2pa.x509.X509Certificate(new Uint8Array(raw)));
  const cose = {
    algorithm: c2pa.ed25519,
    certificate: certificate!,
    chainCertificates: chain,
    sign: async (message: Uint8Array) => new Uint8Array(await signer.sign(message)),
  };
  const asset = openAsset(c2pa, image, claim.format);
  const id = claim.idOf(image, signer.chain);
  const store = new c2pa.ManifestStore();
  const manifest = store.createManifest({
    claimVersion: c2pa.ClaimVersion.V2,
    assetFormat: asset.mimeType,
    instanceID: `xmp:iid:${id}`,
    defaultHashAlgorithm: 'SHA-256',
    signer: cose,
  });
  manifest.label = `urn:c2pa:${id}`;
  manifest.claim!.title = claim.title;
  manifest.claim!.claimGeneratorName = claim.generator.name;
  manifest.claim!.claimGeneratorVersion = claim.generator.version;
  // The length of a signature is known, so nothing is reserved for a longer one.
  manifest.signature = c2pa.Signature.create(cose, 0);
  manifest.signature.signatureData.signature = new Uint8Array(SIGNATURE_BYTES);
  const binding = c2pa.DataHashAssertion.create('SHA-256');
  manifest.addAssertion(binding);
  manifest.addAssertion(creationOf(c2pa, claim));
  await asset.ensureManifestSpace(store.measureSize());
  await binding.updateWithAsset(asset);
  await manifest.sign(cose);
  await asset.writeManifestJUMBF(store.getBytes());
  return asset.getDataRange();
}

function creationOf(
  { ActionAssertion, ActionType }: Library,
  { generator, digitalSourceType, parameters }: ImageClaim,
): ActionAssertion {
  const creation = new ActionAssertion();
  creation.actions.push({
    action: ActionType.C2paCreated,
    digitalSourceType: digitalSourceType as NonNullable<ActionAssertion['actions'][0]['digitalSourceType']>,
    softwareAgent: { ...generator },
    parameters: { ...parameters },
  });
  return creation;
}

/** Who signed an image. */
export interface Signature {
  readonly certificate: X509Certificate;
  /** `chainDigest` of the certificates in the image, where it is known. */
  readonly chain?: string;
}

/**
 * Checks that an image holds the manifest that this claim and certificate give, to the last byte: it is taken out, made
 * again with the signature that was found, and compared. Returns what is wrong; null when nothing is.
 */
export async function manifestFault(
  image: Uint8Array,
  claim: ImageClaim,
  { certificate, chain: wanted }: Signature,
): Promise<string | null> {
  const c2pa = await library();
  let found: { plain: Uint8Array; store: ManifestStore } | null;
  try {
    found = await takeOut(c2pa, image, claim.format);
  } catch (error) {
    return `cannot be read as a signed image (${(error as Error).message})`;
  }
  const manifest = found?.store.getActiveManifest();
  const held = manifest?.signature?.signatureData;
  if (!found || !held?.signature || !held.certificate) return 'has no C2PA manifest';
  const chain = [held.certificate, ...held.chainCertificates].map(({ rawData }) => Buffer.from(rawData));
  if (!chain[0]!.equals(certificate.raw)) return 'is signed with another certificate';
  if (wanted !== undefined && chainDigest(chain.map((raw) => ({ raw }))) !== wanted)
    return 'holds another chain of certificates';
  const stated = manifest!.assertions?.getActionAssertions()[0]?.actions[0]?.parameters ?? {};
  for (const [name, value] of Object.entries(claim.parameters))
    if (stated[name] !== value)
      return `has a manifest in which ${name} is ${JSON.stringify(stated[name])}, not ${JSON.stringify(value)}`;
  const again = await makeAgain(found.plain, claim, chain, held.signature).catch(() => null);
  return again && Buffer.from(again).equals(image) ? null : 'was changed after it was signed';
}

/** Embeds the manifest with a signature that is there already. @throws Error when it is not one of the first certificate */
async function makeAgain(
  plain: Uint8Array,
  claim: ImageClaim,
  certificates: readonly Buffer[],
  signature: Uint8Array,
): Promise<Uint8Array> {
  const chain = certificates.map((raw) => new X509Certificate(raw));
  return embedManifest(plain, claim, {
    chain,
    async sign(message) {
      if (!verify(null, message, chain[0]!.publicKey, signature)) throw new Error('the signature is of something else');
      return signature;
    },
  });
}

/** The manifest of an image, and the image without it; null when it has none. */
async function takeOut(
  c2pa: Library,
  image: Uint8Array,
  format: ImageFormat,
): Promise<{ plain: Uint8Array; store: ManifestStore } | null> {
  const asset = openAsset(c2pa, image, format);
  const manifest = asset.getManifestJUMBF();
  if (!manifest) return null;
  const { start, length } = asset.getHashExclusionRange();
  return {
    plain: Buffer.concat([image.subarray(0, start), image.subarray(start + length)]),
    store: c2pa.ManifestStore.read(c2pa.SuperBox.fromBuffer(new Uint8Array(manifest))),
  };
}

/** The reasons, codes of the specification, why readers of C2PA refuse a signed image today. Empty when they accept it. */
export async function refusals(image: Uint8Array, format: ImageFormat): Promise<string[]> {
  const c2pa = await library();
  const asset = openAsset(c2pa, image, format);
  const { statusEntries } = await c2pa.ManifestStore.read(
    c2pa.SuperBox.fromBuffer(new Uint8Array(asset.getManifestJUMBF()!)),
  ).validate(asset);
  return statusEntries.filter(({ success }) => !success).map(({ code }) => code);
}
