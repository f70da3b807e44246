import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { startBrowseServer } from '../browse-server/server.ts';
import { addDatasetOptions, type DatasetFlags, locate, openDataset, type S3Flags } from '../open.ts';
import { fetchReference } from '../reference.ts';

/** `cohortfarm browse`: a local page on a dataset, published or still growing. */

interface BrowseFlags extends DatasetFlags {
  readonly host: string;
  readonly port: string;
  readonly reference?: string;
}

export function addBrowse(program: Command): void {
  addDatasetOptions(
    program
      .command('browse')
      .description('Serve a local page to look at a dataset, published or still growing. Nothing is changed or copied.')
      .argument('[uri]', 'directory or s3://bucket/prefix of the dataset')
      .option('--port <number>', 'port to listen on; 0 takes a free one', '0')
      .option('--reference <uri>', 'a reference, to show of each image the training image that is nearest to it')
      .option('--host <address>', 'address to listen on; others than this machine can then reach it', '127.0.0.1'),
  ).action(browse);
}

async function browse(given: string | undefined, options: BrowseFlags): Promise<void> {
  const port = /^\d{1,5}$/.test(options.port) ? Number(options.port) : Number.NaN;
  if (!(port <= 65_535)) throw new UsageError(`--port: ${options.port} is not a port; use 0 to 65535`);
  const { uri, flags } = await locate(given, options);
  const store = openDataset(uri, flags);
  const replayCommand = (key: string): string =>
    ['cohortfarm replay', quoted(store.uri), key, ...s3Words(flags)].join(' ');
  const reference = (await fetchReference(flags.reference, flags))?.reference ?? null;
  const server = await startBrowseServer({ store, host: flags.host, port, replayCommand, reference }).catch(
    (cause: NodeJS.ErrnoException) => {
      if (cause.syscall === undefined) throw cause;
      throw new UsageError(`--host, --port: cannot listen on ${flags.host}:${port} (${cause.code}); choose others`, {
        cause,
      });
    },
  );
  process.stdout.write(`${server.url}\n`);
  process.stderr.write(`Shows ${store.uri} to anyone with this URL. Press Ctrl-C to stop.\n`);
  await untilStopped();
  await server.close();
}

function untilStopped(): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolve());
  return promise;
}

const s3Words = ({ endpoint, region, pathStyle }: S3Flags): string[] => [
  ...(endpoint === undefined ? [] : ['--endpoint', quoted(endpoint)]),
  ...(region === undefined ? [] : ['--region', quoted(region)]),
  ...(pathStyle ? ['--path-style'] : []),
];

/** A word of a command that a shell reads as it stands. */
const quoted = (word: string): string => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`);
