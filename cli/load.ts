import { readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { parseAllDocuments } from 'yaml';
import { UsageError } from '../contract/failure.ts';
import { SpecError } from '../contract/schema/issue.ts';
import type { SyntheticDataset } from '../contract/schema/spec.ts';
import { parseDataset } from '../contract/validate/parse.ts';
import type { ResourceContext } from '../platform/resource.ts';
import { resolveUri, s3Options } from '../platform/resource.ts';
import { type S3Flags, withS3 } from './open.ts';

const MAX_BYTES = 16 * 2 ** 20;

export interface Loaded {
  readonly dataset: SyntheticDataset;
  readonly resources: ResourceContext;
}

/**
 * Reads the SyntheticDataset of a YAML file.
 * @param flags how S3 is reached, in place of what the file says
 * @throws UsageError when there is no such file or resource, SpecError with every issue of the resource
 */
export async function loadDataset(file: string, flags: S3Flags = {}): Promise<Loaded> {
  const text = await readFile(file).catch((cause) => {
    throw new UsageError(
      `${file} cannot be read (${(cause as NodeJS.ErrnoException).code}); give the path of a dataset.yaml`,
      { cause },
    );
  });
  if (text.length > MAX_BYTES) throw new UsageError(`${file} is larger than ${MAX_BYTES} bytes`);
  const dataset = withS3(parseDataset(documentOf(text.toString(), file)), flags);
  return { dataset, resources: { baseDir: dirname(resolve(file)), cacheDir: cacheDir(), s3: s3Options(dataset) } };
}

function documentOf(text: string, file: string): unknown {
  const documents = parseAllDocuments(text, { strict: true, uniqueKeys: true });
  if (!Array.isArray(documents) || documents.length === 0)
    throw new UsageError(`${file} is empty; write a SyntheticDataset`);
  const errors = documents.flatMap((document) => document.errors);
  // What follows an error of form is mostly its echo.
  const [broken] = errors.filter(({ code }) => code !== 'DUPLICATE_KEY');
  const issues = (broken ? [broken] : errors).map(({ message, code }) => ({
    path: file,
    message: `${message.split('\n')[0]!.replace(/:$/, '')}; ${code === 'DUPLICATE_KEY' ? 'remove one' : 'correct the YAML there'}`,
  }));
  if (issues.length > 0) throw new SpecError(issues);
  if (documents.length > 1)
    throw new UsageError(`${file} holds ${documents.length} documents; keep the one SyntheticDataset`);
  try {
    return documents[0]!.toJS({ maxAliasCount: 100 });
  } catch (cause) {
    throw new UsageError(`${file}: ${(cause as Error).message}; write the values out`, { cause });
  }
}

/** The cache of models from S3. */
export const cacheDir = (): string =>
  process.env.COHORTFARM_CACHE ?? join(process.env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'cohortfarm');

/** The same dataset with another place for the output, given on the command line (relative to the working directory). */
export function withOutput(dataset: SyntheticDataset, output: string | undefined): SyntheticDataset {
  if (output === undefined) return dataset;
  if (output === '') throw new UsageError('--output is empty; name a directory or s3://bucket/prefix');
  return {
    ...dataset,
    spec: { ...dataset.spec, output: { ...dataset.spec.output, uri: resolveUri(output, process.cwd()) } },
  };
}
