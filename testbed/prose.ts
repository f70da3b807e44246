import { spawnSync } from 'node:child_process';
import { REPO } from '../test/support/cli.ts';
import { goTool } from './servers/tools.ts';
import { valeTool } from './servers/vale.ts';

/** Checks prose and comments against docs/style.md; part of `npm run check:lint`. */

const CHECKED = [
  'README.md',
  'ARCHITECTURE.md',
  'CHANGELOG.md',
  'CONTRIBUTING.md',
  'SECURITY.md',
  'docs',
  'contract',
  'platform',
  'kube',
  'operator',
  'diffusion',
  'dataset',
  'worker',
  'trainer',
  'exporter',
  'helm',
  'browse',
  'cli',
  'testbed',
  'test',
  'bench',
  'models',
  'images',
  'package',
  'manifests',
];

const vale = await goTool(valeTool);
const { status } = spawnSync(vale, ['--glob=!{node_modules,browse/dist}/**', ...CHECKED], {
  cwd: REPO,
  stdio: 'inherit',
});
process.exitCode = status ?? 1;
