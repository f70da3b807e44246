import { readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { parse, stringify } from 'yaml';
import { sha256 } from '../../contract/digest.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { REPO } from './cli.ts';

/** The demo's resource, made small enough that many runs fit into a test. */

export const SMALL_DEMO_SAMPLES = 48;

/** Writes the small demo to `dir` and returns its path. */
export async function writeSmallDemo(
  dir: string,
  change: (spec: SyntheticDataset['spec']) => void = () => {},
): Promise<string> {
  const document = parse(await readFile(join(REPO, 'examples/demo.yaml'), 'utf8')) as SyntheticDataset;
  const { spec } = document;
  spec.quota.samples = SMALL_DEMO_SAMPLES;
  spec.output.shard.samples = 12;
  spec.workers.checkpointSamples = 4;
  spec.model.sampling.steps = 8;
  // Few steps draw poorly; what is tested is the path, and an exhausted sample would withhold publication.
  spec.quality.maxAttempts = 200;
  change(spec);
  const path = join(dir, `${sha256(stringify(document)).slice(0, 12)}.yaml`);
  await writeFile(path, stringify(document));
  return path;
}

/** SHA-256 of every shard of a dataset in a directory, by file name. */
export async function shardDigests(output: string): Promise<Record<string, string>> {
  const names = (await readdir(join(output, 'shards'))).sort();
  const digests = names.map(async (name) => [name, sha256(await readFile(join(output, 'shards', name)))]);
  return Object.fromEntries(await Promise.all(digests));
}
