import { Readable } from 'node:stream';
import type { S3 } from '@aws-sdk/client-s3';
import { chunksOf, sizeOf, wholeBody } from './body.ts';
import type { StoreError } from './errors.ts';
import { assertKey, assertPrefix, compareKeys, isValidKey } from './keys.ts';
import { bodyOf } from './s3-body.ts';
import { assertEndpoint, connect, type S3Options } from './s3-client.ts';
import {
  isBareAnswer,
  isBareNotFound,
  isNoSuchKey,
  isPreconditionFailed,
  notS3Answer,
  wrapS3Error,
} from './s3-errors.ts';
import { retryBriefly } from './s3-retry.ts';
import type { ByteRange, ListedObject, ObjectBody, ObjectStore, WriteOptions } from './types.ts';

/** Above this, a body goes up in parts: a lost connection then costs one part. Bytes. */
const MULTIPART_BYTES = 64 * 1024 * 1024;
const PART_BYTES = 16 * 1024 * 1024;
const PARALLEL_PARTS = 4;
const MAX_DELETED_AT_ONCE = 1000; // S3's own limit

/**
 * Objects below a prefix of a bucket of AWS S3 or of a compatible server with conditional writes. A killed writer can leave
 * parts of a large upload: invisible, but paid for until a lifecycle rule of the bucket (AbortIncompleteMultipartUpload)
 * removes them.
 */
export class S3Store implements ObjectStore {
  readonly uri: string;
  readonly #bucket: string;
  readonly #prefix: string;
  readonly #options: S3Options;
  #connected: Promise<S3> | undefined;
  #bucketSeen = false;

  constructor(place: { bucket: string; prefix: string }, options: S3Options) {
    this.#bucket = place.bucket;
    this.#prefix = place.prefix === '' ? '' : `${place.prefix}/`;
    this.#options = options;
    this.uri = `s3://${place.bucket}${place.prefix === '' ? '' : `/${place.prefix}`}`;
    assertEndpoint(options.endpoint);
  }

  async get(key: string, range?: ByteRange): Promise<Uint8Array | null> {
    assertKey(key);
    if (range !== undefined && range.end <= range.start) return (await this.stat(key)) && new Uint8Array(0);
    const Range = range && `bytes=${range.start}-${range.end - 1}`;
    const request = { ...this.#name(key), ...(Range && { Range }) };
    return this.#guard('read', key, async (s3) => {
      try {
        return await retryBriefly(async () => {
          const output = await s3.getObject(request);
          const bytes = await bodyOf(output);
          // A server may ignore the range and send everything.
          return range && output.ContentRange === undefined ? bytes.subarray(range.start, range.end) : bytes;
        });
      } catch (error) {
        if (isNoSuchKey(error)) return null;
        if (isNamed(error, 'InvalidRange')) return new Uint8Array(0);
        throw error;
      }
    });
  }

  async stat(key: string): Promise<{ size: number } | null> {
    assertKey(key);
    return this.#guard('read', key, async (s3) => {
      try {
        const output = await s3.headObject(this.#name(key));
        if (output.ETag === undefined) throw notS3Answer();
        this.#bucketSeen = true;
        return { size: output.ContentLength ?? 0 };
      } catch (error) {
        if (!isBareAnswer(error)) throw error;
        const isAbsent = isBareNotFound(error);
        if (!isAbsent || !this.#bucketSeen) await this.#explain(s3, key);
        if (isAbsent) return null;
        throw error;
      }
    });
  }

  async create(key: string, body: ObjectBody, options: WriteOptions): Promise<'created' | 'exists'> {
    assertKey(key);
    // A look first: the server would refuse a large body only after all of it is there.
    if (sizeOf(body) > MULTIPART_BYTES && (await this.stat(key)) !== null) return 'exists';
    return this.#guard('create', key, async (s3) => {
      try {
        await this.#put(s3, key, body, { ContentType: options.contentType, IfNoneMatch: '*' });
        return 'created';
      } catch (error) {
        if (isPreconditionFailed(error)) return 'exists';
        throw error;
      }
    });
  }

  async replace(key: string, body: ObjectBody, options: WriteOptions): Promise<void> {
    assertKey(key);
    await this.#guard('write', key, (s3) => this.#put(s3, key, body, { ContentType: options.contentType }));
  }

  async *list(prefix: string): AsyncIterable<ListedObject> {
    assertPrefix(prefix);
    const found: ListedObject[] = [];
    let ContinuationToken: string | undefined;
    do {
      const page = await this.#guard('list', prefix, async (s3) => {
        const output = await s3.listObjectsV2({
          Bucket: this.#bucket,
          Prefix: this.#prefix + prefix,
          ...(ContinuationToken && { ContinuationToken }),
        });
        if (output.Name === undefined) throw notS3Answer();
        return output;
      });
      for (const { Key = '', Size = 0, ETag } of page.Contents ?? []) {
        const key = Key.slice(this.#prefix.length);
        // Folder markers and other names that this store never writes.
        if (isValidKey(key)) found.push({ key, size: Size, ...(ETag !== undefined && { etag: ETag }) });
      }
      ContinuationToken = page.IsTruncated ? page.NextContinuationToken : undefined;
    } while (ContinuationToken !== undefined);
    // Not every server lists in byte order, so the order is made here; sorting what is sorted costs one pass.
    yield* found.sort((a, b) => compareKeys(a.key, b.key));
  }

  async assertConditional(key: string): Promise<void> {
    assertKey(key);
    await this.#guard('try conditional writes with', key, async (s3) => {
      const first = { ...this.#name(key), Body: 'first', IfNoneMatch: '*' } as const;
      await s3.putObject(first);
      const remove = () => s3.deleteObject(this.#name(key));
      try {
        await refused(s3.putObject({ ...first, Body: 'second' }), 'PutObject');
        await refused(this.#completeUpload(s3, key), 'CompleteMultipartUpload');
      } catch (error) {
        await remove().catch(() => undefined); // What is wrong with the writes matters more.
        throw error;
      }
      await remove();
    });
  }

  /** Large objects go up in parts, and the condition with the request that completes them. */
  async #completeUpload(s3: S3, key: string): Promise<unknown> {
    const name = this.#name(key);
    const { UploadId } = await s3.createMultipartUpload(name);
    const upload = { ...name, UploadId };
    try {
      const { ETag } = await s3.uploadPart({ ...upload, PartNumber: 1, Body: 'third' });
      return await s3.completeMultipartUpload({
        ...upload,
        IfNoneMatch: '*',
        MultipartUpload: { Parts: [{ PartNumber: 1, ETag }] },
      });
    } catch (error) {
      await s3.abortMultipartUpload(upload).catch(() => undefined);
      throw error;
    }
  }

  async remove(keys: readonly string[]): Promise<void> {
    for (const key of keys) assertKey(key);
    for (let first = 0; first < keys.length; first += MAX_DELETED_AT_ONCE) {
      const batch = keys.slice(first, first + MAX_DELETED_AT_ONCE);
      await this.#guard('remove', batch[0]!, async (s3) => {
        const Objects = batch.map((key) => ({ Key: this.#prefix + key }));
        const { Deleted, Errors } = await s3.deleteObjects({ Bucket: this.#bucket, Delete: { Objects } });
        if (Deleted === undefined && Errors === undefined) throw notS3Answer();
        const failed = Errors?.find(({ Code }) => Code !== 'NoSuchKey');
        if (failed !== undefined) {
          const error = Object.assign(new Error(failed.Message), { name: failed.Code ?? 'UnknownError' });
          throw this.#wrap(error, 'remove', (failed.Key ?? '').slice(this.#prefix.length));
        }
      });
    }
  }

  async #put(
    s3: S3,
    key: string,
    body: ObjectBody,
    options: { ContentType: string; IfNoneMatch?: '*' },
  ): Promise<void> {
    const size = sizeOf(body);
    const params = { ...this.#name(key), ...options, ChecksumAlgorithm: 'SHA256' as const };
    await retryBriefly(async () => {
      if (size <= MULTIPART_BYTES) {
        const Body = await wholeBody(body);
        const output = await s3.putObject({ ...params, Body });
        if (output.ETag === undefined) throw notS3Answer();
        return;
      }
      const { Upload } = await import('@aws-sdk/lib-storage');
      // Carries IfNoneMatch to the completing request, and aborts the parts when anything fails.
      const Body = Readable.from(chunksOf(body), { objectMode: false });
      const upload = new Upload({
        client: s3,
        params: { ...params, Body },
        partSize: Math.max(PART_BYTES, Math.ceil(size / 10_000)),
        queueSize: PARALLEL_PARTS,
      });
      await upload.done();
    });
  }

  /** Throws what a bare answer to HEAD left unsaid; returns when no more than the object is missing. */
  async #explain(s3: S3, key: string): Promise<void> {
    try {
      await s3.getObject({ ...this.#name(key), Range: 'bytes=0-0' });
    } catch (error) {
      if (!isNoSuchKey(error) && !isNamed(error, 'InvalidRange')) throw error;
    }
    this.#bucketSeen = true;
  }

  #name(key: string): { Bucket: string; Key: string } {
    return { Bucket: this.#bucket, Key: this.#prefix + key };
  }

  async #guard<T>(action: string, key: string, run: (s3: S3) => Promise<T>): Promise<T> {
    try {
      return await run(await this.#connect());
    } catch (error) {
      throw this.#wrap(error, action, key);
    }
  }

  #wrap(error: unknown, action: string, key: string): StoreError {
    return wrapS3Error(error, { action, object: `${this.uri}/${key}`, options: this.#options });
  }

  #connect(): Promise<S3> {
    this.#connected ??= connect(this.#options, process.env).catch((error) => {
      this.#connected = undefined; // a failure is not kept
      throw error;
    });
    return this.#connected;
  }
}

/** @throws Error when a write that must be refused is not; the refusal itself is what is wanted */
async function refused(write: Promise<unknown>, request: string): Promise<void> {
  try {
    await write;
  } catch (error) {
    if (isPreconditionFailed(error)) return;
    throw error;
  }
  throw Object.assign(new Error(`${request} overwrote an object although If-None-Match was set`), {
    name: 'ConditionIgnored',
  });
}

function isNamed(error: unknown, name: string): boolean {
  return error instanceof Error && error.name === name;
}
