import { type Issue, SpecError } from '../../contract/schema/issue.ts';
import type { Training } from '../../contract/schema/spec.ts';
import { TIMM_WEIGHTS } from '../../contract/schema/training.ts';
import { objectAt, openStore, type S3Options, StoreError } from '../../platform/store/store.ts';

/** The external inputs of a training, checked before the first stage begins, so that a typo fails in seconds, not after the last stage. */

export interface InputContext {
  /** Makes a URI of the spec one that does not depend on the place of the spec. */
  readonly resolve: (uri: string) => string;
  readonly s3: S3Options | undefined;
}

interface Input {
  readonly path: string;
  readonly uri: string;
  readonly is: 'folder' | 'file';
}

/** @throws SpecError that names each field whose URI leads to nothing */
export async function checkInputs(training: Training, context: InputContext): Promise<void> {
  const found = await Promise.all(inputsOf(training).map((input) => issueOf(input, context)));
  const issues = found.filter((issue) => issue !== null);
  if (issues.length > 0) throw new SpecError(issues, { reason: 'DataNotFound' });
}

function inputsOf({ weights, stages, evaluation, synthetic }: Training): Input[] {
  const folder = (path: string, uri: string | undefined): Input[] =>
    uri === undefined ? [] : [{ path, uri, is: 'folder' }];
  const tables = (path: string, source: Training['stages'][number]['source']): Input[] =>
    (source?.tables ?? []).map(({ uri }, i) => ({ path: `${path}.source.tables[${i}].uri`, uri, is: 'file' }));
  return [
    ...(weights === undefined || weights.startsWith(TIMM_WEIGHTS)
      ? []
      : [{ path: 'spec.training.weights', uri: weights, is: 'file' as const }]),
    ...stages.flatMap(({ data, source }, i) => [
      ...folder(`spec.training.stages[${i}].data`, data),
      ...tables(`spec.training.stages[${i}]`, source),
    ]),
    ...(synthetic ?? []).flatMap(({ uri }, i) => folder(`spec.training.synthetic[${i}].uri`, uri)),
    ...(evaluation?.sites ?? []).flatMap(({ uri, source }, i) => [
      ...folder(`spec.training.evaluation.sites[${i}].uri`, uri),
      ...tables(`spec.training.evaluation.sites[${i}]`, source),
    ]),
  ];
}

async function issueOf({ path, uri, is }: Input, { resolve, s3 }: InputContext): Promise<Issue | null> {
  try {
    const place = resolve(uri).replace(/\/+$/, '');
    const exists = is === 'file' ? await fileExists(place, s3) : await holdsSomething(place, s3);
    return exists ? null : { path, message: `there is nothing at ${place}; correct the URI` };
  } catch (error) {
    if (error instanceof StoreError && !error.retryable) return { path, message: error.message };
    throw error;
  }
}

async function fileExists(place: string, s3: S3Options | undefined): Promise<boolean> {
  const { store, key } = objectAt(place, s3);
  return (await store.stat(key)) !== null;
}

async function holdsSomething(place: string, s3: S3Options | undefined): Promise<boolean> {
  for await (const _ of openStore(place || '/', s3).list('')) return true;
  return false;
}
