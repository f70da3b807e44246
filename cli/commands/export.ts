import { type Command, Option } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { exportDataset } from '../../dataset/export/export.ts';
import { FORMATS, type Format } from '../../dataset/export/format.ts';
import type { CredentialSigner } from '../../platform/content-credentials.ts';
import { commandKey, readCertificates, readPrivateKey } from '../../platform/signing-key.ts';
import { addS3Options, openDataset, type S3Flags } from '../open.ts';
import { countShards } from '../progress.ts';

/** `cohortfarm export`: a published dataset in a format that others read (docs/export.md). */

interface ExportOptions extends S3Flags {
  readonly format: Format;
  readonly output: string;
  readonly bodyPart: string;
  readonly certificate?: string;
  readonly key?: string;
  readonly keyCommand?: string;
}

export function addExport(program: Command): void {
  addS3Options(
    program
      .command('export')
      .description('Export a published dataset: DICOM files, a Hugging Face ImageFolder, COCO, or MosaicML shards.')
      .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
      .addOption(new Option('--format <name>', 'what to write').choices(FORMATS).makeOptionMandatory())
      .requiredOption('-o, --output <uri>', 'where to: an empty directory or s3://bucket/prefix; run again to resume')
      .option('--body-part <code>', 'DICOM: Body Part Examined, such as CHEST', '')
      .option('--certificate <file>', 'sign each image (C2PA): certificates in PEM, first that of the key; or env:NAME')
      .option('--key <file>', 'private key of --certificate: a PEM file, or env:NAME')
      .option('--key-command <command>', 'in place of --key: reads the message, prints its signature in base64'),
  ).action(runExport);
}

async function runExport(uri: string, options: ExportOptions): Promise<void> {
  const { format, output, bodyPart } = options;
  if (!/^[A-Z0-9_ ]{0,16}$/.test(bodyPart))
    throw new UsageError(
      `--body-part: ${JSON.stringify(bodyPart)} is not a DICOM code string; use up to 16 capitals, such as CHEST`,
    );
  const signer = await chooseSigner(options);
  const [source, target] = [openDataset(uri, options), openDataset(output, options)];
  const { samples, written, table } = await exportDataset({
    source,
    target,
    format,
    bodyPart,
    signer,
    onShard: countShards(process.stderr),
  });
  const before = samples - written;
  process.stdout.write(
    `Exported: ${samples} images${before > 0 ? ` (${before} of them before)` : ''}; ${target.uri}/${table} lists them.\n`,
  );
}

/** The signer of the images; null when they are exported as they are. */
async function chooseSigner({ certificate, key, keyCommand, format }: ExportOptions): Promise<CredentialSigner | null> {
  if (certificate === undefined && key === undefined && keyCommand === undefined) return null;
  if (format === 'dicom' || format === 'mds')
    throw new UsageError(
      `--certificate: ${format === 'dicom' ? 'DICOM files hold' : 'mds holds'} no C2PA manifest; sign imagefolder or coco`,
    );
  if (certificate === undefined || (key === undefined) === (keyCommand === undefined))
    throw new UsageError('to sign images give --certificate FILE with either --key FILE or --key-command COMMAND');
  const chain = await readCertificates('--certificate', certificate);
  const { publicKey } = chain[0];
  if (keyCommand !== undefined) {
    const { sign } = commandKey('--key-command', keyCommand, publicKey);
    return { chain, sign };
  }
  const signer = await readPrivateKey('--key', key!);
  if (!signer.publicKey.equals(publicKey))
    throw new UsageError(
      '--key is not the key of the first certificate of --certificate; give the two that belong together',
    );
  return { chain, sign: signer.sign };
}
