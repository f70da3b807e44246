import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { metricsSchema } from '../../contract/schema/metrics.ts';
import { runCli } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { trainerPython } from './python.ts';

/** Predictions of another model on the command line: 400 patients, of whom ill women are called healthy more often. */

const HEADER = 'patient,site,sex,age,label:no-finding,score:no-finding';

function row(i: number): string {
  const [ill, woman] = [i % 2 === 0, i % 4 < 2];
  const missed = ill && woman && i % 8 === 0;
  const score = (!ill || missed ? 0.8 : 0.2) + (i % 97) / 1000;
  return [`p${i}`, i < 200 ? 'a' : 'b', woman ? 'F' : 'M', 30 + (i % 50), ill ? 0 : 1, score].join(',');
}

test("anybody's predictions are audited, and what is wrong with them is named", {
  skip: await missingPython(),
}, async (t) => {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-audit-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const [file, output, python] = [join(dir, 'predictions.csv'), join(dir, 'out'), await trainerPython()];
  await writeFile(file, [HEADER, ...Array.from({ length: 400 }, (_, i) => row(i)), ''].join('\n'));
  const flags = ['--python', python, '--output', output, '--bootstraps', '200', '--json'];
  const { code, stdout, stderr } = await runCli(['audit', file, ...flags]);
  assert.equal(code, 0, stderr);
  const { metrics, report } = JSON.parse(stdout);
  assert.match(await readFile(report, 'utf8'), /Groups against noise/);
  const { evaluations } = metricsSchema.parse(JSON.parse(await readFile(join(output, 'metrics.json'), 'utf8')));
  assert.deepEqual(
    evaluations.map(({ site, images }) => [site, images]),
    [
      ['a', 200],
      ['b', 200],
      ['pooled', 400],
    ],
  );
  // Of 100 ill women 50 are called healthy, of 100 ill men none.
  const bySex = evaluations.at(-1)!.disparities.find(({ grouping }) => grouping.join() === 'sex')!;
  assert.deepEqual(
    bySex.cells.map(({ cell, errors, of }) => [cell.sex, errors, of]),
    [
      ['female', 50, 100],
      ['male', 0, 100],
    ],
  );
  assert.ok(bySex.excess! > 0.3 && bySex.pValue! < 0.01, JSON.stringify(bySex));
  assert.ok(metrics.underdiagnosisExcess > 0);
  await writeFile(file, 'who,label:edema\n1,1\n');
  const wrong = await runCli(['audit', file, ...flags]);
  assert.equal(wrong.code, 2);
  assert.match(wrong.stderr, /there is no column patient\nlabel:edema has neither score:edema nor logit:edema/);
  const flagged = await runCli(['audit', file, '--bootstraps', '7', '--ages', 'old']);
  assert.equal(flagged.code, 2);
  assert.match(flagged.stderr, /--ages: .*\n--bootstraps: /);
});
