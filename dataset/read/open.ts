import { Failure } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import { outlineSchema } from '../../contract/schema/manifest.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { readManifest } from '../claim.ts';
import { readStored } from '../stored.ts';
import { openPublished } from './published.ts';
import { openRunning } from './running.ts';
import type { Source } from './source.ts';

/**
 * Opens what lies at a URI: a published dataset, or else one that is still growing.
 * @throws Failure when there is neither
 */
export async function openSource(store: ObjectStore, now: () => number): Promise<Source> {
  const manifest = await readManifest(store);
  if (manifest) return openPublished(store, manifest);
  const outline = await readStored(store, objects.outline, outlineSchema);
  if (outline) return openRunning(store, outline, now);
  throw new Failure(
    'DatasetDamaged',
    `${store.uri} holds no dataset: neither ${objects.manifest} (published) nor ${objects.outline} (still growing) is there`,
  );
}

/** The source, which is opened again once a growing dataset has been published. */
export function followSource(store: ObjectStore, first: Source, now: () => number): () => Promise<Source> {
  let source = first;
  let looked = now();
  const pause = 2000;
  return async () => {
    if (source.state === 'running' && now() - looked > pause) {
      looked = now();
      if (await store.stat(objects.manifest)) source = await openSource(store, now);
    }
    return source;
  };
}
