import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { join } from 'node:path';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { EXPORTER_ENVIRONMENT } from '../../cli/model/exporter.ts';
import { virtualPython } from '../../cli/train/venv.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

const REWRITTEN = [
  'group norm',
  'group norm without epsilon',
  'group norm of opset 17',
  'gated gelu',
  'attention',
  'attention with a bias',
];
const KEPT = [
  'group norm in float16',
  'group norm that is an output',
  'gated gelu whose gate is an output',
  'gated gelu whose gate is used twice',
  'gated gelu along the tokens',
  'gated gelu of two thirds',
  'gated gelu by tanh',
  'gated gelu with a gate that a branch takes',
  'attention with a mask',
  'attention in one direction',
];

test('graphs are rewritten for the CPU where they are exactly as expected, and compute the same', {
  skip: await missingPython(),
}, async () => {
  const python = await virtualPython(EXPORTER_ENVIRONMENT);
  const env = { ...process.env, PYTHONPATH: join(REPO, 'exporter') };
  const { stdout } = await promisify(execFile)(python, [join(import.meta.dirname, 'cpu_graph.py')], { env });
  const found = Object.entries(JSON.parse(stdout) as Record<string, { isRewritten: boolean; difference: number }>);
  const namesOf = (rewritten: boolean): string[] =>
    found.filter(([, { isRewritten }]) => isRewritten === rewritten).map(([name]) => name);
  assert.deepEqual([namesOf(true), namesOf(false)], [REWRITTEN, KEPT]);
  for (const [name, { difference, isRewritten }] of found)
    assert.ok(difference <= (isRewritten ? 1e-5 : 0), `${name}: ${difference}`);
});
