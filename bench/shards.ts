import { mkdtemp, open, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { sha256 } from '../contract/digest.ts';
import { CONTENT_TYPES, sampleKey } from '../contract/names.ts';
import type { SampleRecord } from '../contract/schema/record.ts';
import { sampleMembers } from '../dataset/shard/part.ts';
import { TAR_END } from '../dataset/shard/tar.ts';
import { openStore } from '../platform/store/store.ts';
import { PROMPT } from './sampling.ts';

/** Writing ready-encoded images into shards of 1,000: hashed and synced to disk as a worker does, or neither. */

const PER_SHARD = 1000;

const recordOf = (index: number): SampleRecord => ({
  apiVersion: 'cohortfarm.dev/sample/v1',
  synthetic: true,
  index,
  cell: 'sex=female',
  axes: { sex: 'female' },
  exact: {},
  prompt: PROMPT,
  seed: index,
  attempt: 0,
  scores: {},
  rejected: [],
  planDigest: 'a'.repeat(64),
  modelDigest: 'b'.repeat(64),
});

export interface ShardWriting {
  readonly images: number;
  /** Size of each image. */
  readonly bytes: number;
  /** False leaves out what ShardWriter does not do either: the digest and waiting for the disk. */
  readonly durable: boolean;
}

/** Returns an action that writes the images into a fresh directory. */
export function shardWriting({ images, bytes, durable }: ShardWriting): () => Promise<void> {
  const pool = Array.from({ length: 64 }, (_, k) =>
    Uint8Array.from({ length: bytes }, (_, i) => (i * 7919 + k) & 0xff),
  );
  return async () => {
    const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-bench-'));
    try {
      const store = openStore(dir);
      for (let first = 0; first < images; first += PER_SHARD) {
        const chunks: Uint8Array[] = [];
        for (let index = first; index < Math.min(images, first + PER_SHARD); index++) {
          chunks.push(...sampleMembers(sampleKey(index), 'jpg', pool[index % 64]!, recordOf(index)));
        }
        chunks.push(TAR_END);
        if (durable) {
          sha256(...chunks);
          await store.create(`shards/bench-${first}.tar`, chunks, { contentType: CONTENT_TYPES.tar });
        } else await writePlainly(join(dir, `bench-${first}.tar`), chunks);
      }
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  };
}

/** Buffers in one system call, at most (IOV_MAX). */
const VECTOR = 1024;

async function writePlainly(path: string, chunks: readonly Uint8Array[]): Promise<void> {
  const file = await open(path, 'w');
  for (let i = 0; i < chunks.length; i += VECTOR) await file.writev(chunks.slice(i, i + VECTOR));
  await file.close();
}
