import type { Metrics } from '../../contract/schema/metrics.ts';

/** Evaluations for tests, as the trainer writes them. */

/** Errors, images that could be one, and people; by the joined values of the axes. */
export type Rates = Readonly<Record<string, readonly [errors: number, of: number, patients?: number]>>;

type Evaluation = Metrics['evaluations'][number];

const NO_ESTIMATE = { value: 0, low: null, high: null };

/** The false-negative rates of some labels by one set of axes. */
export function evaluationOf(
  axes: readonly string[],
  labels: Readonly<Record<string, Rates>>,
  { model = 'finetune', site = 'pooled' }: { model?: string; site?: string } = {},
): Evaluation {
  return {
    model,
    site,
    images: 100,
    patients: 100,
    labels: Object.keys(labels).map((label) => ({
      label,
      positives: 50,
      negatives: 50,
      threshold: 0.5,
      auroc: null,
      auprc: null,
      sensitivity: null,
      specificity: null,
      brier: NO_ESTIMATE,
      accuracy: NO_ESTIMATE,
      calibrationError: NO_ESTIMATE,
    })),
    macro: { auroc: null, accuracy: NO_ESTIMATE, calibrationError: NO_ESTIMATE },
    underdiagnosis: null,
    overdiagnosis: null,
    disparities: Object.entries(labels).flatMap(([label, rates]) => [
      // Other kinds of error are not to be taken for it.
      disparityOf(label, 'FalsePositiveRate', axes, {}),
      disparityOf(label, 'FalseNegativeRate', axes, rates),
    ]),
    equalisedOdds: [],
    leftOut: [],
  };
}

function disparityOf(
  label: string,
  rate: Evaluation['disparities'][number]['rate'],
  axes: readonly string[],
  rates: Rates,
): Evaluation['disparities'][number] {
  return {
    label,
    rate,
    operatingPoint: 'Validation',
    grouping: [...axes],
    cells: Object.entries(rates).map(([values, [errors, of, patients = of]]) => ({
      cell: Object.fromEntries(values.split(',').map((value, i) => [axes[i]!, value])),
      images: of,
      patients,
      positives: of,
      negatives: 0,
      errors,
      of,
      ofPatients: patients,
      rate: of === 0 ? null : errors / of,
      smoothed: (errors + 0.5) / (of + 1),
      auroc: null,
      brier: null,
      calibrationError: null,
      counted: of >= 20,
    })),
    gap: null,
    robustGap: null,
    countedCells: 0,
    expectedGap: null,
    excess: null,
    pValue: null,
    betweenSd: null,
    worst: null,
  };
}

/** A metrics.json with some evaluations. */
export const metricsOf = (...evaluations: Evaluation[]): Metrics => ({
  apiVersion: 'cohortfarm.dev/metrics/v2',
  stage: { name: 'evaluate', type: 'Evaluate' },
  configDigest: '0'.repeat(64),
  model: { labels: evaluations[0]?.labels.map(({ label }) => label) ?? [] },
  headline: {},
  evaluations,
});
