import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { installApp } from '../../test/images/context.ts';
import { baseFolders, copyProgram, packImage } from './image.ts';

/** Name under which the farm's rig asks for it. */
const NAME = 'docker.io/library/cohortfarm:test';

/**
 * Makes the image that images/Dockerfile describes as target cpu, of this machine's Node and libraries instead of a base
 * image's: the same files at /app, installed by the same command, for the same user.
 */
export async function makeAppImage(archive: string): Promise<void> {
  const root = await mkdtemp(join(tmpdir(), 'cohortfarm-app-image-'));
  try {
    const app = join(root, 'app');
    await mkdir(app);
    await installApp(app);
    await baseFolders(root);
    await copyProgram(root, process.execPath, '/usr/local/bin/node', [join(app, 'node_modules')]);
    await packImage(archive, root, NAME, {
      Entrypoint: ['node', '/app/cli/main.ts'],
      Env: ['PATH=/usr/local/bin:/usr/bin:/bin', 'HOME=/tmp', 'NODE_ENV=production'],
      User: '65532:65532',
      WorkingDir: '/app',
    });
  } finally {
    await rm(root, { recursive: true, force: true });
  }
}
