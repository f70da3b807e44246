import { isModelFile } from '../../contract/folder.ts';
import { cachedCopy } from '../../platform/model-cache.ts';
import { openStore, type S3Options } from '../../platform/store/store.ts';

/** For tests, a process that fetches a model through the cache: `node fetch-model.ts JSON`. Prints the folder and its digest. */

interface Wanted {
  readonly uri: string;
  readonly cacheDir: string;
  readonly s3: S3Options;
  readonly times?: { readonly touchMs: number; readonly staleMs: number };
}

const { uri, cacheDir, s3, times }: Wanted = JSON.parse(process.argv[2]!);
const copy = await cachedCopy(openStore(uri, s3), { includes: isModelFile }, cacheDir, times);
process.stdout.write(JSON.stringify(copy));
