import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStore } from '../../platform/store/store.ts';
import { startOrthanc } from '../../testbed/servers/orthanc.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { blocksOf } from '../docs/blocks.ts';
import { startReader } from '../docs/shell.ts';
import { growSmall } from '../support/grown.ts';

/** The lines of docs/export.md, up to a PACS: what Orthanc has stored is what was exported. */

/** The one part of a multipart answer. */
async function partOf(answer: Response): Promise<Buffer> {
  const [, boundary] = /boundary="?([^";]+)/.exec(answer.headers.get('content-type')!)!;
  const body = Buffer.from(await answer.arrayBuffer());
  const start = body.indexOf('\r\n\r\n') + 4;
  return body.subarray(start, body.indexOf(`\r\n--${boundary}--`, start));
}

const skip = await missingForServers();

test('F9: the lines of docs/export.md export, and store DICOM files that QIDO-RS finds and WADO-RS returns', {
  skip,
}, async (t) => {
  const orthanc = await startOrthanc();
  t.after(() => orthanc.stop());
  const reader = await startReader(t);
  await growSmall(openStore(join(reader.folder, 'cohort')));
  const replace = { 'http://localhost:8042/dicom-web': orthanc.dicomWeb };
  await reader.runBlocks(await blocksOf('docs/export.md', 'sh'), { replace });

  const lines = (await readFile(join(reader.folder, 'cohort-dicom/metadata.jsonl'), 'utf8')).trim().split('\n');
  const rows = lines.map((line) => JSON.parse(line));
  const found = await (await fetch(`${orthanc.dicomWeb}/instances?limit=1000&includefield=00100010`)).json();
  const first = (instance: Record<string, { Value: unknown[] }>, tag: string) => instance[tag]!.Value[0];
  assert.deepEqual(
    found.map((instance: never) => first(instance, '00080018')).sort(),
    rows.map((row) => row.sop_instance_uid).sort(),
  );
  for (const row of rows) {
    const place = `studies/${row.study_instance_uid}/series/${row.series_instance_uid}/instances/${row.sop_instance_uid}`;
    const headers = { Accept: 'multipart/related; type="application/dicom"; transfer-syntax=*' };
    const answer = await fetch(`${orthanc.dicomWeb}/${place}`, { headers });
    assert.equal(answer.status, 200, place);
    const file = await readFile(join(reader.folder, 'cohort-dicom', row.file_name));
    assert.ok(file.equals(await partOf(answer)), `${row.file_name} is stored as it was exported`);
  }
  const [{ sex, key }] = rows;
  const query = `${orthanc.dicomWeb}/studies?PatientName=SYNTHETIC^${key}&includefield=00100040`;
  const [study, ...others] = await (await fetch(query)).json();
  assert.deepEqual([first(study, '00100040'), others.length], [sex === 'female' ? 'F' : 'M', 0]);
});
