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

/** A dataset that a command names by URI or, as the resource of a cluster, with `--dataset`. */
export interface DatasetFlags extends S3Flags {
  readonly dataset?: string;
  readonly context?: string;
}

/** Adds the options that say which dataset is meant and how its store is reached. */
export function addDatasetOptions(command: Command): Command {
  return addS3Options(
    command
      .option('--dataset <name>', 'in place of the URI: a SyntheticDataset of the cluster, as NAME or NAMESPACE/NAME')
      .option('--context <name>', 'with --dataset: context of the kubeconfig; default: the current one'),
  );
}

/**
 * The URI of a dataset, and how its store is reached: by the flags, and where they are silent by the resource.
 * @throws UsageError unless exactly one of URI and `--dataset` is given, and for an endpoint that needs to be repeated
 */
export async function locate<F extends DatasetFlags>(
  uri: string | undefined,
  flags: F,
): Promise<{ uri: string; flags: F }> {
  const { dataset, context } = flags;
  if (dataset === undefined) {
    if (context !== undefined) throw new UsageError('--context needs --dataset NAMESPACE/NAME');
    if (uri === undefined)
      throw new UsageError('no dataset is named; give its URI, or --dataset NAMESPACE/NAME for one of a cluster');
    return { uri, flags };
  }
  if (uri !== undefined)
    throw new UsageError(`${JSON.stringify(uri)} and --dataset contradict each other; give either a URI or --dataset`);
  const [, namespace, name] = /^(?:([^/]+)\/)?([^/]+)$/.exec(dataset) ?? [];
  if (name === undefined)
    throw new UsageError(`--dataset: ${JSON.stringify(dataset)} is not a name; write NAME or NAMESPACE/NAME`);
  // The Kubernetes library takes half a second to load, which other commands need not wait for.
  const { openCluster } = await import('./status/cluster.ts');
  const cluster = openCluster({ ...(context && { context }), ...(namespace && { namespace }), option: '--dataset' });
  const output = await cluster.output(name);
  if (!output.uri.startsWith('s3://'))
    throw new UsageError(
      `${cluster.namespace}/${name} has the output ${output.uri}, a folder in its pods; mount that volume here and give its path`,
    );
  const { endpoint, region, forcePathStyle } = output.s3;
  assertOwnChoice(`${cluster.namespace}/${name}`, endpoint, flags.endpoint);
  const known = {
    ...(endpoint !== undefined && { endpoint }),
    ...(region !== undefined && { region }),
    ...(forcePathStyle !== undefined && { pathStyle: forcePathStyle }),
  };
  return { uri: output.uri, flags: { ...known, ...flags } };
}

/** Endpoints of AWS itself; under other names of amazonaws.com anyone can run a server. */
const AWS = /^https:\/\/s3(-fips)?(\.dualstack)?(\.[a-z]{2}(-[a-z]+)+-\d)?\.amazonaws\.com(\.cn)?$/;

/**
 * Requests are signed with the credentials of this machine, and the author of a resource chose its endpoint.
 * @param flag the endpoint of the command line, which is used where it is given
 * @throws UsageError for an endpoint that is not AWS and that the person has not named
 */
export function assertOwnChoice(dataset: string, endpoint: string | undefined, flag: string | undefined): void {
  // An endpoint that is not a URL is refused when the store is opened.
  if (endpoint === undefined || flag !== undefined || !URL.canParse(endpoint)) return;
  const { origin } = new URL(endpoint);
  if (AWS.test(origin)) return;
  throw new UsageError(
    `--dataset: ${dataset} names the S3 endpoint ${origin}, which is not AWS, and requests are signed with the credentials of this machine; add --endpoint ${origin} if that server may have them`,
  );
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
