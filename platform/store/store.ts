import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { DirectoryStore } from './directory.ts';
import { StoreError } from './errors.ts';
import { S3Store } from './s3.ts';
import type { S3Options } from './s3-client.ts';
import type { ObjectStore } from './types.ts';

export { StoreError, type StoreErrorKind } from './errors.ts';
export type { S3Options } from './s3-client.ts';
export type { ByteRange, ListedObject, ObjectBody, ObjectStore, StreamedBody, WriteOptions } from './types.ts';

const SUPPORTED = 'use s3://bucket/prefix, file:///folder or a plain path';

/**
 * Opens the store that a URI names: `s3://bucket/prefix`, `file:///folder` or a plain path. Nothing is contacted or made
 * until the first call of a method.
 * @param options used for S3 only
 * @throws StoreError (terminal) for a URI of another kind; the message never repeats a password written into it
 */
export function openStore(uri: string, options: S3Options = {}): ObjectStore {
  if (uri === '') throw new StoreError('terminal', `the store URI is empty: ${SUPPORTED}`);
  const scheme = /^([a-z][a-z0-9+.-]+):/i.exec(uri)?.[1]?.toLowerCase();
  if (scheme === undefined) return new DirectoryStore(resolve(uri));
  if (scheme === 's3') return new S3Store(parseS3Uri(uri), options);
  if (scheme === 'file') return new DirectoryStore(parseFileUri(uri));
  throw new StoreError('terminal', `a store URI of the kind "${scheme}:" is not supported: ${SUPPORTED}`);
}

/** The stores above a URI, from the nearest to the bucket or the root folder. */
export function storesAbove(uri: string, options?: S3Options): ObjectStore[] {
  const above: ObjectStore[] = [];
  const own = openStore(uri, options).uri;
  const [, root = '', path = ''] = /^(s3:\/\/[^/]+|file:\/\/)(.*)$/.exec(own) ?? [];
  const segments = path.split('/').filter((segment) => segment !== '');
  for (let kept = segments.length - 1; kept >= 0; kept--) {
    above.push(openStore(`${root}/${segments.slice(0, kept).join('/')}`, options));
  }
  return above;
}

/** The place of one object: its folder, opened as a store, and its key there. @throws StoreError as `openStore` does */
export function objectAt(uri: string, options?: S3Options): { readonly store: ObjectStore; readonly key: string } {
  const cut = uri.lastIndexOf('/');
  return { store: openStore(uri.slice(0, cut) || '/', options), key: uri.slice(cut + 1) };
}

function parseFileUri(uri: string): string {
  try {
    return resolve(fileURLToPath(uri));
  } catch {
    // Without the cause, which repeats the URI and a password in it.
    throw new StoreError('terminal', `the store URI must look like file:///folder: ${SUPPORTED}`);
  }
}

function parseS3Uri(uri: string): { bucket: string; prefix: string } {
  // Not `new URL`: object names may hold characters that a URL would re-encode.
  const [, bucket = '', rest = ''] = /^s3:\/\/([^/]*)(.*)$/is.exec(uri) ?? [];
  if (bucket.includes('@')) {
    throw new StoreError(
      'terminal',
      'an s3:// URI must not hold credentials: remove everything up to "@" and use the AWS credential chain or a Secret',
    );
  }
  if (!/^[a-z0-9A-Z][a-zA-Z0-9._-]{1,}[a-zA-Z0-9]$/.test(bucket)) {
    throw new StoreError('terminal', `the store URI names no valid bucket (${JSON.stringify(bucket)}): ${SUPPORTED}`);
  }
  const prefix = rest.replace(/^\/+|\/+$/g, '');
  if (/[?#]/.test(prefix)) {
    throw new StoreError('terminal', 'an s3:// URI must not hold "?" or "#": put endpoint and region in the options');
  }
  return { bucket, prefix };
}
