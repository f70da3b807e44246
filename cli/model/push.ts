import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure, UsageError } from '../../contract/failure.ts';
import { isGateFile, isModelFile } from '../../contract/folder.ts';
import { CONTENT_TYPES, objects } from '../../contract/names.ts';
import { hashFolder } from '../../platform/folder.ts';
import type { ObjectStore, StreamedBody } from '../../platform/store/store.ts';

/** Copies a model or a gate to where workers find it. Nothing there is overwritten. */

export interface Pushed {
  readonly digest: string;
  readonly files: number;
  /** Files that were there already, and their content the same. */
  readonly kept: number;
  readonly bytes: number;
}

/** The file that names the folder's kind: pushed last, so that a folder that is not whole is not taken for one. */
const ENTRY = { model: 'model_index.json', gate: 'gate.json' } as const;

/** The model's own card. */
const CARD = objects.card;

/**
 * @throws UsageError when the folder is neither a model nor a gate; Failure when something else lies at the place, before
 *   anything is written
 */
export async function pushFolder(dir: string, store: ObjectStore, onFile: (path: string) => void): Promise<Pushed> {
  const kind = await kindOf(dir);
  const includes = kind === 'model' ? isModelFile : isGateFile;
  const { files, digest } = (await hashFolder(dir, includes))!;
  const sizes = new Map<string, number>();
  for await (const { key, size } of store.list('')) if (isModelFile(key) || isGateFile(key)) sizes.set(key, size);
  const wanted = await Promise.all(
    files.map(async ({ path, sha256 }) => ({ path, sha256, size: (await stat(join(dir, path))).size })),
  );
  const known = new Set(wanted.map(({ path }) => path));
  const wrong = [
    ...[...sizes.keys()].filter((path) => !known.has(path)).map((path) => `${path} is not in ${dir}`),
    ...wanted.filter(({ path, size }) => (sizes.get(path) ?? size) !== size).map(({ path }) => `${path} differs`),
  ];
  for (const { path, sha256, size } of wrong.length > 0 ? [] : wanted) {
    if (sizes.has(path) && (await remoteSha256(store, path, size)) !== sha256) wrong.push(`${path} differs`);
  }
  if (wrong.length > 0) throw anotherFolder(store, wrong);
  await store.assertConditional('_conditional');
  const missing = wanted.filter(({ path }) => !sizes.has(path));
  missing.sort((a, b) => Number(a.path === ENTRY[kind]) - Number(b.path === ENTRY[kind]));
  for (const { path, size, sha256 } of missing) {
    onFile(path);
    const body: StreamedBody = { size, chunks: () => createReadStream(join(dir, path), { highWaterMark: 2 ** 20 }) };
    const outcome = await store.create(path, body, { contentType: 'application/octet-stream' });
    // Another push may have been faster, or the answer of this one was lost.
    if (outcome === 'exists' && (await remoteSha256(store, path, size)) !== sha256)
      throw anotherFolder(store, [`${path} differs`]);
  }
  // No part of the model, so that it decides no digest; `cohortfarm push` reads the terms in it.
  if (await isFile(join(dir, CARD)))
    await store.create(CARD, await readFile(join(dir, CARD)), { contentType: CONTENT_TYPES.markdown });
  const bytes = missing.reduce((sum, { size }) => sum + size, 0);
  return { digest, files: missing.length, kept: wanted.length - missing.length, bytes };
}

const anotherFolder = (store: ObjectStore, wrong: readonly string[]): Failure =>
  new Failure(
    'OutputTaken',
    `${store.uri} holds another model (${wrong.slice(0, 5).join('; ')}); nothing there is overwritten: choose another prefix`,
  );

async function kindOf(dir: string): Promise<keyof typeof ENTRY> {
  for (const kind of ['model', 'gate'] as const) if (await isFile(join(dir, ENTRY[kind]))) return kind;
  throw new UsageError(
    `${dir} holds neither a model (model_index.json) nor a gate (gate.json); give a folder that \`model export\` or \`model export-gate\` wrote`,
  );
}

const isFile = async (path: string): Promise<boolean> => (await stat(path).catch(() => null))?.isFile() ?? false;

const CHUNK = 64 * 2 ** 20;

/** The digest of what a store holds, read in pieces; null when it is gone. */
async function remoteSha256(store: ObjectStore, key: string, size: number): Promise<string | null> {
  const hash = createHash('sha256');
  for (let start = 0; start < size; start += CHUNK) {
    const bytes = await store.get(key, { start, end: Math.min(size, start + CHUNK) });
    if (bytes === null) return null;
    hash.update(bytes);
  }
  return hash.digest('hex');
}
