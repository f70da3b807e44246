import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { EXIT } from '../../contract/names.ts';
import { signDataset } from '../../dataset/provenance/sign.ts';
import { commandKey, readPrivateKey, readPublicKey, type Signer } from '../../platform/signing-key.ts';
import { openStore } from '../../platform/store/store.ts';
import { addS3Options, openDataset, type S3Flags, s3FromFlags } from '../open.ts';
import { countShards } from '../progress.ts';
import { printFaults } from './verify.ts';

/** `cohortfarm sign`: verifies a published dataset and signs it (docs/provenance.md). */

interface SignOptions extends S3Flags {
  readonly key?: string;
  readonly keyCommand?: string;
  readonly publicKey?: string;
}

export function addSign(program: Command): void {
  addS3Options(
    program
      .command('sign')
      .description('Verify a published dataset and sign it: an in-toto statement in a DSSE envelope, with Ed25519.')
      .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
      .option('--key <file>', 'private key: a PEM file, or env:NAME for a variable that holds it')
      .option('--key-command <command>', 'reads the message, prints its signature in base64: for keys in a KMS')
      .option('--public-key <file>', 'public key of --key-command: a PEM file, or env:NAME'),
  ).action(async (uri: string, options: SignOptions) => {
    process.exitCode = await signAndReport(uri, options, await chooseSigner(options));
  });
}

async function chooseSigner({ key, keyCommand, publicKey }: SignOptions): Promise<Signer> {
  if (key !== undefined && keyCommand === undefined) return readPrivateKey('--key', key);
  if (key === undefined && keyCommand !== undefined && publicKey !== undefined)
    return commandKey('--key-command', keyCommand, await readPublicKey('--public-key', publicKey));
  throw new UsageError('give either --key FILE, or --key-command COMMAND with --public-key FILE');
}

async function signAndReport(uri: string, options: SignOptions, signer: Signer): Promise<number> {
  const store = openDataset(uri, options);
  const { verification, object, written } = await signDataset(store, signer, countShards(process.stderr), (parent) =>
    openStore(parent, s3FromFlags(options)),
  );
  if (object === null) {
    printFaults(verification.faults);
    process.stderr.write(`NOT signed: ${store.uri} does not verify\n`);
    return EXIT.checkFailed;
  }
  process.stdout.write(
    `${written ? 'Signed' : 'Signed already'}: ${verification.images} images; ${store.uri}/${object}\n`,
  );
  return EXIT.done;
}
