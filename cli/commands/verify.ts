import type { KeyObject, X509Certificate } from 'node:crypto';
import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import { verifyExport } from '../../dataset/export/verify.ts';
import { keyIdOf } from '../../dataset/provenance/envelope.ts';
import { signatureFault } from '../../dataset/provenance/sign.ts';
import type { GivenReference } from '../../dataset/verify/novelty.ts';
import { type Fault, type Verification, verify } from '../../dataset/verify/verify.ts';
import { readCertificates, readPublicKey } from '../../platform/signing-key.ts';
import { type ObjectStore, openStore, type S3Options } from '../../platform/store/store.ts';
import { addDatasetOptions, type DatasetFlags, locate, openDataset, s3FromFlags } from '../open.ts';
import { countShards } from '../progress.ts';
import { fetchReference } from '../reference.ts';
import { plain } from '../status/text.ts';

/** `cohortfarm verify`: exit 0 only if every digest, member, image, count and quota is as it should be. */

const SHOWN = 20;

interface VerifyOptions extends DatasetFlags {
  readonly json?: boolean;
  readonly key?: string;
  readonly certificate?: string;
  readonly reference?: string;
}

export function addVerify(program: Command): void {
  addDatasetOptions(
    program
      .command('verify')
      .description('Check a published dataset: every digest, tar member, image, count and quota.')
      .argument('[uri]', 'directory or s3://bucket/prefix of the dataset')
      .option('--reference <uri>', 'the reference that the plan names, to compute again what needs its real images')
      .option('--key <file>', 'require a signature of this public key: a PEM file, or env:NAME')
      .option('--certificate <file>', 'of an export: require that this certificate signed each image; PEM, or env:NAME')
      .option('--json', 'print JSON with every fault'),
  ).action(async (named: string | undefined, flags: VerifyOptions) => {
    const { uri, flags: options } = await locate(named, flags);
    if (options.certificate !== undefined) {
      process.exitCode = await reportExport(uri, options);
      return;
    }
    const key = options.key === undefined ? null : await readPublicKey('--key', options.key);
    process.exitCode = await reportVerification(openDataset(uri, options), {
      json: options.json === true,
      key,
      s3: s3FromFlags(options),
      given: await fetchReference(options.reference, options),
    });
  });
}

/** Verifies, prints the result, and returns the exit code: 0, 1 for a fault, 3 for a sound dataset with a shortfall. */
export async function reportVerification(
  store: ObjectStore,
  options: {
    json?: boolean;
    quiet?: boolean;
    key?: KeyObject | null;
    s3?: S3Options | undefined;
    given?: GivenReference | null;
  } = {},
): Promise<number> {
  const open = (uri: string): ObjectStore => openStore(uri, options.s3);
  const verification = await verify(store, countShards(process.stderr), open, options.given ?? null);
  const { manifest, images } = verification;
  const key = options.key ?? null;
  const signature = key && (await signatureFault(store, verification, key));
  const faults = signature ? [signature, ...verification.faults] : verification.faults;
  const signedBy = key && !signature ? keyIdOf(key) : null;
  const shortfall = manifest ? manifest.samples.wanted - manifest.samples.accepted : 0;
  if (options.json)
    process.stdout.write(
      `${JSON.stringify({ uri: store.uri, ok: faults.length === 0, images, shortfall, signedBy, faults })}\n`,
    );
  if (faults.length > 0) {
    if (!options.json) printUnverified(store, faults);
    return EXIT.checkFailed;
  }
  if (!options.json && !options.quiet) {
    const quota = shortfall === 0 ? 'every quota met' : `but a SHORTFALL of ${shortfall} images, as recorded`;
    const before = imagesBefore(verification);
    process.stdout.write(
      `Verified: ${images} images in ${manifest!.shards.length} shards and ${manifest!.cells.length} cells, ${quota}${before > 0 ? `, and ${before} images of the datasets that it extends` : ''}${signedBy ? `, signed by key ${signedBy}` : ''}.\n`,
    );
    if (manifest!.evidence?.reference && !options.given)
      process.stdout.write(
        'Fidelity, privacy and distances to training images were not computed again: give --reference.\n',
      );
  }
  return shortfall === 0 ? EXIT.done : EXIT.shortfall;
}

/** Verifies the content credentials of an export, prints the result, and returns the exit code. */
async function reportExport(
  uri: string,
  { certificate, key, reference, json, ...flags }: VerifyOptions,
): Promise<number> {
  if (key !== undefined || reference !== undefined)
    throw new UsageError('--certificate checks an export; --key and --reference are for the dataset itself');
  const [signing] = await readCertificates('--certificate', certificate!);
  const store = openDataset(uri, flags);
  const { images, faults } = await verifyExport(store, signing);
  const ok = faults.length === 0;
  if (json) process.stdout.write(`${JSON.stringify({ uri: store.uri, ok, images, faults })}\n`);
  else if (ok) process.stdout.write(`Verified: each of ${images} images is signed by ${plain(nameOf(signing))}.\n`);
  else printUnverified(store, faults);
  return ok ? EXIT.done : EXIT.checkFailed;
}

const nameOf = ({ subject }: X509Certificate): string => subject.replaceAll('\n', ', ');

/** Images of the datasets that a dataset extends. */
const imagesBefore = ({ parent }: Verification): number => (parent ? parent.images + imagesBefore(parent) : 0);

function printUnverified({ uri }: ObjectStore, faults: readonly Fault[]): void {
  printFaults(faults);
  process.stderr.write(`NOT verified: ${faults.length} ${faults.length === 1 ? 'fault' : 'faults'} in ${uri}\n`);
}

/** Prints the first faults to standard error. */
export function printFaults(faults: readonly Fault[]): void {
  for (const { object, message } of faults.slice(0, SHOWN)) process.stderr.write(`${plain(`${object}: ${message}`)}\n`);
  if (faults.length > SHOWN)
    process.stderr.write(`... and ${faults.length - SHOWN} more faults (verify --json lists them)\n`);
}
