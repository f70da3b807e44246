import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';

/**
 * Applies objects to the API server without a trace (`--dry-run=server`), unknown fields and warnings being faults.
 * @returns the lines of its complaints
 */
export async function dryRun(plane: ControlPlane, objects: readonly object[]): Promise<string[]> {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-dry-run-'));
  const file = join(folder, 'objects.json');
  try {
    await writeFile(file, JSON.stringify({ apiVersion: 'v1', kind: 'List', items: objects }));
    await plane.kubectl(
      'apply',
      '--server-side',
      '--dry-run=server',
      '--validate=strict',
      '--warnings-as-errors',
      '-f',
      file,
    );
    return [];
  } catch (error) {
    const [, ...lines] = (error as Error).message.split('\n');
    return lines.filter((line) => line !== '');
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}
