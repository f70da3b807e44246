import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { TRAINER } from '../../cli/train/venv.ts';
import { type Metrics, metricsSchema } from '../../contract/schema/metrics.ts';
import { BASELINES, ENDPOINTS } from '../../contract/schema/training.ts';
import { launchChromium, missingChromium, openPage } from '../browse/chromium.ts';
import { missingPython } from '../support/venv.ts';
import { trainerPython } from './python.ts';

/** The report of a comparison of all arms with two cohorts, in Chromium: on a desk and on a phone. */

const SITES = ['macro', 'a-hospital-of-a-long-name', 'elsewhere', 'pooled'];
const STARTS = ['Scratch', 'Weights'] as const;
const ARMS = [...BASELINES, 'PretrainFinetune'] as const;
const about = (value: number) => ({ value, low: value - 0.02, high: value + 0.02 });

const CELLS = ['female', 'male'].flatMap((sex) =>
  ['18-39', '40-59', '60-79', '80-90'].flatMap((age) =>
    ['AMERICAN INDIAN', 'ASIAN', 'BLACK', 'HISPANIC', 'WHITE'].map((race, i) => ({
      cell: { sex, age, race },
      of: 7 + 9 * i,
      smoothed: 0.1 * i,
      counted: i > 1,
    })),
  ),
);

const cohortsOf = (arm: string) =>
  arm.startsWith('RealOnly') ? [{}] : [{ synthetic: 'balanced' }, { synthetic: 'matched' }];

const runs = STARTS.flatMap((initialisation) =>
  ARMS.flatMap((arm) => cohortsOf(arm).map((cohort) => ({ arm, ...cohort, initialisation }))),
);

const METRICS: Metrics = metricsSchema.parse({
  apiVersion: 'cohortfarm.dev/metrics/v2',
  stage: { name: 'compare', type: 'Compare' },
  configDigest: '0'.repeat(64),
  model: { architecture: 'densenet121', imageSize: 224, labels: ['no-finding', 'pleural-effusion'] },
  headline: {},
  evaluations: [],
  comparison: {
    realSteps: 800,
    syntheticSteps: 4000,
    equalComputeSteps: 4800,
    mixedShare: 5 / 6,
    replayShare: 0.2,
    batchSize: 32,
    arms: runs.flatMap((run) =>
      SITES.map((site) => ({
        ...run,
        site,
        seeds: [{ seed: 1, auroc: 0.9, gap: 0.1 }],
        ...Object.fromEntries(
          ['auroc', 'accuracy', 'calibrationError', 'gap', 'robustGap', 'underdiagnosis', 'overdiagnosis'].map(
            (name) => [name, about(0.5)],
          ),
        ),
        betweenSd: about(0.05),
        matchedBetweenSd: null,
        countedCells: site === 'macro' ? null : 24,
        expectedGap: site === 'macro' ? null : 0.1,
        excess: site === 'macro' ? null : 0.02,
        cells: site === 'macro' ? [] : CELLS,
      })),
    ),
    primary: {
      arm: 'PretrainFinetune',
      minus: 'Mixed',
      synthetic: 'balanced',
      initialisation: 'Weights',
      endpoint: 'auroc',
    },
    contrasts: BASELINES.flatMap((minus) =>
      SITES.flatMap((site) =>
        ENDPOINTS.map((endpoint) => ({
          ...{ arm: 'PretrainFinetune', minus, synthetic: 'matched', initialisation: 'Scratch', site, endpoint },
          ...{ value: -0.012, low: -0.1, high: 0.076, primary: false, pAdjusted: site === 'macro' ? 0.412 : null },
        })),
      ),
    ),
    curves: runs.map((run) => ({
      ...run,
      seed: 1,
      points: [50, 100].map((step) => ({ step, validationLoss: 30 / step, validationAuroc: 0.9 })),
    })),
  },
});

const RENDER =
  'import json, sys; from cohortfarm_trainer.report.report import render_report; print(render_report(json.load(open(sys.argv[1]))))';

test('the report of a comparison fits a desk and a phone', {
  skip: (await missingPython()) || (await missingChromium()),
}, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-report-'));
  t.after(() => rm(folder, { recursive: true, force: true }));
  await writeFile(join(folder, 'metrics.json'), JSON.stringify(METRICS));
  const env = { ...process.env, PYTHONPATH: TRAINER };
  const args = ['-c', RENDER, join(folder, 'metrics.json')];
  const { stdout } = await promisify(execFile)(await trainerPython(), args, { env, maxBuffer: 2 ** 26 });
  await writeFile(join(folder, 'report.html'), stdout);

  const browser = await launchChromium();
  t.after(() => browser.close());
  const { page, faults, close } = await openPage(browser);
  await page.goto(pathToFileURL(join(folder, 'report.html')).href);
  assert.ok((await page.locator('table.listed tbody tr').count()) > 100);
  for (const width of [1280, 390]) {
    await page.setViewportSize({ width, height: 900 });
    const overflow = await page.evaluate<number>('document.scrollingElement.scrollWidth - innerWidth');
    assert.ok(overflow <= 0, `${width} pixels: ${overflow} too wide`);
    // Nor is a number to the right of what is seen, within a table that would have to be moved.
    const hidden = await page.evaluate<string[]>(
      `[...document.querySelectorAll('.listed td')].filter((cell) => cell.getBoundingClientRect().right > innerWidth).map((cell) => cell.textContent)`,
    );
    assert.deepEqual(hidden, [], `${width} pixels`);
  }
  const column = await page.evaluate<string>(
    `getComputedStyle(document.querySelector('.listed td'), '::before').content`,
  );
  assert.equal(column, '"macro"');
  assert.deepEqual(faults, []);
  await close();
});
