import assert from 'node:assert/strict';
import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse } from 'yaml';
import { z } from 'zod';
import { datasetDefinition } from '../../contract/crd/definition.ts';
import { deficitOf, lowerEnd } from '../../contract/plan/deficit.ts';
import { encoderModelSchema } from '../../contract/schema/encoder.ts';
import { gateModelSchema } from '../../contract/schema/gate.ts';
import { columnSchema, specSchema } from '../../contract/schema/spec.ts';
import { stageConfigSchema } from '../../contract/schema/stage.ts';
import { sourceSchema, trainingSchema } from '../../contract/schema/training.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { encodeFrame } from '../../worker/engine/frames.ts';
import { REPO } from '../support/cli.ts';

/** Blocks that are not run: parts of resources, files and drawings, held against the schemas and the code. */

/** The place of a part of a resource, by the field that it begins with; other parts are of the spec. */
const PLACES: Readonly<Record<string, z.ZodType>> = {
  spec: z.object({ spec: specSchema }),
  source: z.strictObject({ source: sourceSchema }),
  primary: trainingSchema,
  compare: trainingSchema,
  synthetic: trainingSchema,
  // Columns of a table, in a file of their own.
  image: z.record(z.string(), columnSchema),
};

/** A YAML block: a whole resource, or a part of one that leaves out what it does not speak of. */
export function checkYaml(text: string): void {
  const document = parse(text);
  // An overlay, which cluster.test.ts applies.
  if (document.kind === 'Kustomization') return;
  if (document.apiVersion !== undefined) return void parseDataset(document);
  // A pipeline of DVC, which local.test.ts runs.
  if (document.stages?.grow?.cmd !== undefined) return;
  if (!Array.isArray(document) && !(Object.keys(document)[0]! in { ...specSchema.shape, ...PLACES }))
    return void checkValues(document, VALUES, '');
  const [schema, value] = Array.isArray(document)
    ? [trainingSchema, { stages: document }]
    : [PLACES[Object.keys(document)[0]!] ?? specSchema, document];
  const issues = schema.safeParse(value).error?.issues ?? [];
  const faults = issues.filter(({ path }) => valueAt(value, path) !== undefined && valueAt(value, path) !== '...');
  assert.deepEqual(faults, [], text);
}

const VALUES = parse(readFileSync(join(REPO, 'helm/cohortfarm/values.yaml'), 'utf8'));

/** Values of the chart: each is one that the chart has. */
function checkValues(given: object, known: object, path: string): void {
  for (const [name, value] of Object.entries(given)) {
    const there = (known as Record<string, unknown>)[name];
    assert.notEqual(there, undefined, `the chart has no value ${path}${name}`);
    const isGroup =
      typeof there === 'object' && there !== null && Object.keys(there).length > 0 && !Array.isArray(there);
    if (isGroup) checkValues(value, there, `${path}${name}.`);
  }
}

const valueAt = (value: unknown, path: readonly PropertyKey[]): unknown =>
  path.reduce<unknown>((at, key) => (at as Record<PropertyKey, unknown> | undefined)?.[key], value);

const FORMATS: Readonly<Record<string, z.ZodType>> = {
  'cohortfarm.dev/encoder/v1': encoderModelSchema,
  'cohortfarm.dev/gate/v1': gateModelSchema,
  'cohortfarm.dev/stage/v1': stageConfigSchema,
};

/** The actions of S3 by which the requests of the store are allowed. */
const ACTIONS = ['ListBucket', 'GetObject', 'PutObject', 'DeleteObject', 'AbortMultipartUpload'];

/** A JSON block: a file of CohortFarm's, or a policy of S3. */
export function checkJson(text: string): void {
  const document = JSON.parse(text);
  if (document.Version === undefined) return void FORMATS[document.apiVersion]!.parse(document);
  assert.equal(document.Version, '2012-10-17');
  for (const { Effect, Action, Resource, ...others } of document.Statement) {
    assert.deepEqual([Effect, others], ['Allow', {}]);
    for (const action of Action) assert.ok(ACTIONS.includes(action.replace(/^s3:/, '')), action);
    for (const resource of [Resource].flat()) assert.match(resource, /^arn:aws:s3:::[a-z]+(\/\*)?$/);
  }
}

/** Folders and files that a drawing names, as a path or as the name of a module. */
function checkPaths(text: string): void {
  const names = text.match(/\b(contract|platform|kube|diffusion|dataset|worker|operator|docs)\/[\w./-]*\w/g) ?? [];
  for (const name of names)
    assert.ok(
      [name, `${name}.ts`].some((path) => existsSync(join(REPO, path))),
      `there is no ${name}`,
    );
}

export function checkMermaid(text: string): void {
  const folders = [...text.matchAll(/\["(\w+)\/ — /g)].map(([, folder]) => folder!);
  assert.ok(folders.length > 0);
  for (const folder of folders) assert.ok(existsSync(join(REPO, folder)), `there is no ${folder}/`);
}

/** Blocks in no language, by their page. */
const PLAIN_CHECKS: Readonly<Record<string, (text: string) => void>> = {
  'README.md': (text) => {
    const columns = datasetDefinition().spec.versions[0]!.additionalPrinterColumns as readonly {
      name: string;
      priority?: number;
    }[];
    const shown = columns.filter(({ priority = 0 }) => priority === 0).map(({ name }) => name.toUpperCase());
    assert.deepEqual(text.split('\n')[0]!.split(/ +/), ['NAME', ...shown], 'columns of kubectl get');
  },
  'ARCHITECTURE.md': checkPaths,
  'docs/farm.md': checkPaths,
  'docs/engine-protocol.md': (text) => {
    assert.equal(text.trim(), 'uint32 LE: bytes of the header | uint32 LE: bytes of the body | header | body');
    const [header, body] = [Buffer.from('{"type":"x"}'), Buffer.from([7, 8, 9])];
    const lengths = Buffer.from(new Uint32Array([header.length, body.length]).buffer);
    assert.deepEqual(Buffer.concat(encodeFrame({ type: 'x' }, [body])), Buffer.concat([lengths, header, body]));
  },
  'docs/loop.md': (text) => {
    const formula = text.replace('max', 'Math.max').replace('^', '**');
    const weigh = new Function('low', 'overall', 'power', `return ${formula}`);
    for (const errors of [1, 40, 400]) {
      const group = { errors, of: 1000, patients: 1000 };
      const cell = { group, overall: { errors: 200, of: 1000, patients: 1000 } };
      for (const power of [0.5, 1, 2])
        assert.equal(weigh(lowerEnd(group), 0.2, power), deficitOf(cell) ** power, `${errors} missed, power ${power}`);
    }
  },
};

export function checkPlain(page: string, text: string): void {
  const check = PLAIN_CHECKS[page];
  assert.ok(check, `${page} has a block in no language; say what it is by a language, or how it is checked`);
  check(text);
}
