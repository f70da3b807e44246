import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { existsSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { promisify } from 'node:util';
import { EXPORTER_ENVIRONMENT } from '../../cli/model/exporter.ts';
import { virtualPython } from '../../cli/train/venv.ts';
import type { Sample } from '../../contract/plan/plan.ts';
import { loadGate } from '../../worker/gate/gate.ts';
import { runCli } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

const GATES = [
  { name: 'xrv:age', weights: 'age.pt', type: 'Regressor', values: ['18-39'], args: [] },
  { name: 'xrv:race', weights: 'race.pt', type: 'Classifier', values: ['WHITE', 'BLACK'], args: [] },
  { name: 'xrv:sex', weights: 'sex.ckpt', type: 'Classifier', values: ['female', 'male'], args: [] },
  {
    name: 'torchvision:squeezenet1_1',
    weights: 'finding.pt',
    type: 'Classifier',
    values: ['edema'],
    args: ['--classes', 'edema', 'pneumonia', 'no-finding', '--size', '96'],
  },
] as const;

describe('model export-gate', { skip: await missingPython() }, () => {
  let dir: string;
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-gates-'));
    const python = await virtualPython(EXPORTER_ENVIRONMENT);
    await promisify(execFile)(python, [join(import.meta.dirname, 'weights.py'), dir]);
  });
  after(() => rm(dir, { recursive: true, force: true }));

  for (const { name, weights, type, values, args } of GATES) {
    test(`B3: ${name} becomes a gate that loads and judges`, async () => {
      const output = join(dir, name.replace(':', '-'));
      const place = ['-o', output, '--weights', join(dir, weights)];
      const { code, stdout, stderr } = await runCli(['model', 'export-gate', name, ...place, ...args]);
      assert.equal(code, 0, stderr);
      assert.match(stdout, /^sha256: [0-9a-f]{64}$/m);
      const gate = { name: 'g', axis: 'a', type, modelUri: output, tolerance: 5, minProbability: 0, multiLabel: false };
      const loaded = await loadGate(gate as never, output, { provider: 'cpu', values });
      const data = Uint8Array.from({ length: 128 * 128 }, (_, i) => (i * 37) % 256);
      const images = [data, data.toReversed(), data].map((pixels) => {
        return { width: 128, height: 128, channels: 1 as const, data: pixels };
      });
      const sample = { axes: { a: values[0] }, exact: { a: 30 } } as unknown as Sample;
      const verdicts = await loaded.judge(images, [sample, sample, sample]);
      for (const verdict of verdicts) assert.ok(Number.isFinite(verdict!.score), JSON.stringify(verdict));
      assert.equal(verdicts[0]!.score, verdicts[2]!.score);
    });
  }

  test('code in a file of weights is not run', () => {
    assert.ok(!existsSync(join(dir, 'was-run')));
  });

  test('weights that do not fit are named with what is wrong', async () => {
    const weights = join(dir, 'finding.pt');
    const of = async (gate: string, ...more: string[]) => {
      const { code, stderr } = await runCli(['model', 'export-gate', gate, '-o', join(dir, 'none'), ...more]);
      assert.equal(code, 2, stderr);
      assert.ok(!existsSync(join(dir, 'none')));
      return stderr;
    };
    assert.match(
      await of('torchvision:squeezenet1_1', '--weights', weights, '--classes', 'a', 'b'),
      /finding\.pt does not fit squeezenet1_1 with 2 classes/,
    );
    assert.match(await of('xrv:sex', '--weights', weights), /does not hold the weights of sex/);
    assert.match(
      await of('xrv:race', '--weights', join(dir, 'missing.pt')),
      /there are no weights at .*missing\.pt; download https:/,
    );
    assert.match(
      await of('xrv:bones'),
      /xrv:bones is not a gate that can be exported; write xrv:age, xrv:race, xrv:sex/,
    );
  });
});
