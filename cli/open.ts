import { writeFile } from 'node:fs/promises';
import type { Command } from 'commander';
import { UsageError } from '../contract/failure.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { resolveUri } from '../platform/resource.ts';
import { type ObjectStore, openStore, type S3Options } from '../platform/store/store.ts';

/** Opening a dataset that a command names by URI. */

export interface S3Flags {
  readonly endpoint?: string;
  readonly region?: string;
  readonly pathStyle?: boolean;
}

/** Adds the options that say how S3 is reached. Credentials come from the default AWS chain, never from the command line. */
export function addS3Options(command: Command): Command {
  return command
    .option('--endpoint <url>', 'S3 endpoint, if it is not AWS')
    .option('--region <name>', 'S3 region')
    .option('--path-style', 'put the bucket into the path of S3 requests');
}

/** The S3 options of the command line. */
export const s3FromFlags = ({ endpoint, region, pathStyle }: S3Flags): S3Options => ({
  ...(endpoint !== undefined && { endpoint }),
  ...(region !== undefined && { region }),
  ...(pathStyle !== undefined && { forcePathStyle: pathStyle }),
});

/** The same dataset, reached as the command line says. */
export function withS3(dataset: SyntheticDataset, flags: S3Flags): SyntheticDataset {
  const s3 = s3FromFlags(flags);
  if (Object.keys(s3).length === 0) return dataset;
  const { output } = dataset.spec;
  return { ...dataset, spec: { ...dataset.spec, output: { ...output, s3: { ...output.s3, ...s3 } } } };
}

export function openDataset(uri: string, flags: S3Flags): ObjectStore {
  if (uri === '') throw new UsageError('the URI of the dataset is empty; name a directory or s3://bucket/prefix');
  return openStore(resolveUri(uri, process.cwd()), s3FromFlags(flags));
}

/** Writes a file that an option names. @throws UsageError that names the option */
export async function writeLocal(option: string, file: string, bytes: Uint8Array): Promise<void> {
  await writeFile(file, bytes).catch((cause: NodeJS.ErrnoException) => {
    throw new UsageError(
      `${option}: ${file} cannot be written (${cause.code}); give the path of a file in an existing folder`,
      { cause },
    );
  });
}
