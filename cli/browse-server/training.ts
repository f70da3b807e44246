import { z } from 'zod';
import type { ResultView, TrainingView } from '../../browse/wire.ts';
import { NO_FINDING, objects } from '../../contract/names.ts';
import { type Metrics, metricsSchema } from '../../contract/schema/metrics.ts';
import { parseStored } from '../../dataset/stored.ts';
import type { ObjectStore } from '../../platform/store/store.ts';

/** Results of training, as far as they are there: `training/STAGE/metrics.json`. */

const MAX_STAGES = 50;

/** The stages in order of name; one whose results are not as this version writes them says so. */
export async function readTraining(store: ObjectStore): Promise<TrainingView[]> {
  const names: string[] = [];
  for await (const { key } of store.list(objects.training)) {
    const name = /^training\/([^/]+)\/metrics\.json$/.exec(key)?.[1];
    if (name !== undefined && names.length < MAX_STAGES) names.push(name);
  }
  return Promise.all(
    names.map(async (name) => stageView(name, await store.get(`${objects.training}${name}/metrics.json`))),
  );
}

function stageView(name: string, bytes: Uint8Array | null): TrainingView {
  const nothing = { name, headline: {}, evaluations: [], arms: [] };
  if (!bytes) return { ...nothing, problem: 'metrics.json is gone' };
  // Of another version the first difference says it all.
  const version = parseStored(bytes, z.looseObject({ apiVersion: metricsSchema.shape.apiVersion }));
  const parsed = typeof version === 'string' ? version : parseStored(bytes, metricsSchema);
  if (typeof parsed === 'string') return { ...nothing, problem: `metrics.json ${parsed}` };
  const { headline, evaluations, comparison } = parsed.value;
  const arms = (comparison?.arms ?? []).map(armView);
  return { name, headline, evaluations: evaluations.map(evaluationView), arms, problem: null };
}

function evaluationView({
  model,
  site,
  macro,
  underdiagnosis,
  disparities,
}: Metrics['evaluations'][number]): ResultView {
  return { name: model, site, ...macro, underdiagnosis, gap: finestGap(disparities) };
}

/** The gap of underdiagnosis over the most axes. */
function finestGap(disparities: Metrics['evaluations'][number]['disparities']): ResultView['gap'] {
  const ofUnderdiagnosis = disparities.filter(
    ({ label, rate, operatingPoint }) =>
      label === NO_FINDING && rate === 'FalsePositiveRate' && operatingPoint === 'Validation',
  );
  const finest = Math.max(0, ...ofUnderdiagnosis.map(({ grouping }) => grouping.length));
  return ofUnderdiagnosis.find(({ grouping }) => grouping.length === finest)?.gap ?? null;
}

function armView(arm: NonNullable<Metrics['comparison']>['arms'][number]): ResultView {
  const { site, auroc, accuracy, calibrationError, underdiagnosis, gap } = arm;
  const name = arm.initialisation === 'Scratch' ? arm.arm : `${arm.arm} (from ${arm.initialisation})`;
  return { name, site, auroc, accuracy, calibrationError, underdiagnosis, gap };
}
