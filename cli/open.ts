import type { Command } from 'commander';
import { resolveUri } from '../platform/resource.ts';
import { type ObjectStore, openStore } from '../platform/store/store.ts';

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

export function openDataset(uri: string, { endpoint, region, pathStyle }: S3Flags): ObjectStore {
  return openStore(resolveUri(uri, process.cwd()), {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(pathStyle !== undefined && { forcePathStyle: pathStyle }),
  });
}
