import { type Command, Option } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { exportDataset } from '../../dataset/export/export.ts';
import { FORMATS, type Format } from '../../dataset/export/format.ts';
import { addCredentialOptions, type CredentialFlags, credentialSigner } from '../credentials.ts';
import { addS3Options, openDataset, type S3Flags } from '../open.ts';
import { countShards } from '../progress.ts';

/** `cohortfarm export`: a published dataset in a format that others read (docs/export.md). */

interface ExportOptions extends S3Flags, CredentialFlags {
  readonly format: Format;
  readonly output: string;
  readonly bodyPart: string;
}

export function addExport(program: Command): void {
  addS3Options(
    addCredentialOptions(
      program
        .command('export')
        .description('Export a published dataset: DICOM files, a Hugging Face ImageFolder, COCO, or MosaicML shards.')
        .argument('<uri>', 'directory or s3://bucket/prefix of the dataset')
        .addOption(new Option('--format <name>', 'what to write').choices(FORMATS).makeOptionMandatory())
        .requiredOption('-o, --output <uri>', 'where to: an empty directory or s3://bucket/prefix; run again to resume')
        .option('--body-part <code>', 'DICOM: Body Part Examined, such as CHEST', ''),
    ),
  ).action(runExport);
}

async function runExport(uri: string, options: ExportOptions): Promise<void> {
  const { format, output, bodyPart } = options;
  if (!/^[A-Z0-9_ ]{0,16}$/.test(bodyPart))
    throw new UsageError(
      `--body-part: ${JSON.stringify(bodyPart)} is not a DICOM code string; use up to 16 capitals, such as CHEST`,
    );
  const signer = await credentialSigner(options);
  if (signer && (format === 'dicom' || format === 'mds'))
    throw new UsageError(
      `--certificate: ${format === 'dicom' ? 'DICOM files hold' : 'mds holds'} no C2PA manifest; sign imagefolder or coco`,
    );
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
