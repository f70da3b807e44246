import type { Draft } from './manifest.ts';

/** `wids.json`: the shard index that WebDataset's `wids` reads for random access. URLs are relative to the file. */
export function renderWids({ name, planDigest, shards }: Draft): string {
  const index = {
    __kind__: 'wids-shard-index-v1',
    wids_version: 1,
    name,
    plan_digest: planDigest,
    shardlist: shards.map(({ key, accepted, bytes, sha256 }) => ({
      url: key,
      nsamples: accepted,
      filesize: bytes,
      sha256,
    })),
  };
  return `${JSON.stringify(index, null, 1)}\n`;
}
