import type { Command } from 'commander';
import { UsageError } from '../contract/failure.ts';
import type { CredentialSigner } from '../platform/content-credentials.ts';
import { commandKey, readCertificates, readPrivateKey } from '../platform/signing-key.ts';

/** The key and certificate that sign images (docs/provenance.md). */

export interface CredentialFlags {
  readonly certificate?: string;
  readonly key?: string;
  readonly keyCommand?: string;
}

/** Adds the options that name them. */
export function addCredentialOptions(command: Command): Command {
  return command
    .option('--certificate <file>', 'sign each image (C2PA): certificates in PEM, first that of the key; or env:NAME')
    .option('--key <file>', 'private key of --certificate: a PEM file, or env:NAME')
    .option('--key-command <command>', 'in place of --key: reads the message, prints its signature in base64');
}

/** The signer of the images; null when they are handed on as they are. */
export async function credentialSigner({
  certificate,
  key,
  keyCommand,
}: CredentialFlags): Promise<CredentialSigner | null> {
  if (certificate === undefined && key === undefined && keyCommand === undefined) return null;
  if (certificate === undefined || (key === undefined) === (keyCommand === undefined))
    throw new UsageError('to sign images give --certificate FILE with either --key FILE or --key-command COMMAND');
  const chain = await readCertificates('--certificate', certificate);
  const { publicKey } = chain[0];
  if (keyCommand !== undefined) return { chain, sign: commandKey('--key-command', keyCommand, publicKey).sign };
  const signer = await readPrivateKey('--key', key!);
  if (!signer.publicKey.equals(publicKey))
    throw new UsageError(
      '--key is not the key of the first certificate of --certificate; give the two that belong together',
    );
  return { chain, sign: signer.sign };
}
