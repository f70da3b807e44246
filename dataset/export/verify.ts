import type { X509Certificate } from 'node:crypto';
import { z } from 'zod';
import { Failure } from '../../contract/failure.ts';
import { exportSchema } from '../../contract/schema/export.ts';
import type { ObjectStore } from '../../platform/store/store.ts';
import { checkCredentials, type ExportCheck } from '../provenance/credentials.ts';
import { parseStored, readStored } from '../stored.ts';
import { EXPORT } from './export.ts';
import { type Format, layoutOf } from './format.ts';

/** Checks an export against itself: its images are those that its table lists, and signed as export.json says. */

/** Checks the content credentials of an export. @throws Failure when the export is missing or was not signed */
export async function verifyExport(store: ObjectStore, certificate: X509Certificate): Promise<ExportCheck> {
  const claim = await readStored(store, EXPORT, exportSchema);
  if (!claim)
    throw new Failure(
      'DatasetDamaged',
      `${store.uri} holds no export: ${EXPORT} is missing; --certificate checks exports`,
    );
  const files = { ...layoutOf(claim.format), listed: await readListed(store, claim.format) };
  return checkCredentials(store, claim, files, certificate);
}

const row = z.object({ file_name: z.string() });
const coco = z.object({ images: z.array(row) });

/** Names below the folder of the images, or what is wrong with the table. */
async function readListed(store: ObjectStore, format: Format): Promise<ReadonlySet<string> | string> {
  const table = await store.get(layoutOf(format).table);
  if (!table) return 'is missing: the export is incomplete';
  const names = new Set<string>();
  const add = ({ file_name }: z.infer<typeof row>): void => {
    names.add(file_name);
  };
  if (format === 'coco') {
    const parsed = parseStored(table, coco);
    if (typeof parsed === 'string') return parsed;
    parsed.value.images.forEach(add);
    return names;
  }
  for (const [i, line] of Buffer.from(table).toString().split('\n').entries()) {
    if (line === '') continue;
    const parsed = parseStored(Buffer.from(line), row);
    if (typeof parsed === 'string') return `line ${i + 1} ${parsed}`;
    add(parsed.value);
  }
  return names;
}
