import { objects } from '../../contract/names.ts';
import type { ObjectStore } from '../../platform/store/store.ts';

/** Results of training, as far as they are there: the numbers of `training/NAME/metrics.json`. */

export interface TrainedModel {
  readonly name: string;
  readonly metrics: Readonly<Record<string, number>>;
}

const MAX_MODELS = 50;
const MAX_METRICS = 24;

/** The trained models in order of name; one whose metrics cannot be read has none. */
export async function readTraining(store: ObjectStore): Promise<TrainedModel[]> {
  const names: string[] = [];
  for await (const { key } of store.list(objects.training)) {
    const name = /^training\/([^/]+)\/metrics\.json$/.exec(key)?.[1];
    if (name !== undefined && names.length < MAX_MODELS) names.push(name);
  }
  return Promise.all(
    names.map(async (name) => {
      const bytes = await store.get(`${objects.training}${name}/metrics.json`);
      return { name, metrics: bytes ? numbersIn(bytes) : {} };
    }),
  );
}

function numbersIn(bytes: Uint8Array): Record<string, number> {
  let value: unknown;
  try {
    value = JSON.parse(Buffer.from(bytes).toString());
  } catch {
    return {};
  }
  return Object.fromEntries(leaves(value, '').slice(0, MAX_METRICS));
}

/** Numbers by their path, `site-a.auroc`; lists, which hold curves rather than results, are left out. */
function leaves(value: unknown, path: string): [string, number][] {
  if (typeof value === 'number') return [[path, value]];
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return [];
  return Object.entries(value).flatMap(([name, member]) => leaves(member, path === '' ? name : `${path}.${name}`));
}
