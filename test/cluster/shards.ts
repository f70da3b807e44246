import { sha256 } from '../../contract/digest.ts';
import { openStore } from '../../platform/store/store.ts';
import type { S3Server } from '../../testbed/servers/s3.ts';

/** SHA-256 of every shard below a URI, by key. */
export async function storedShards({ options }: S3Server, uri: string): Promise<Record<string, string>> {
  const store = openStore(uri, options);
  const digests: Record<string, string> = {};
  for await (const { key } of store.list('shards/')) digests[key] = sha256((await store.get(key))!);
  return digests;
}
