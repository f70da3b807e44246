import assert from 'node:assert/strict';
import { copyFile, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { Failure } from '../../contract/failure.ts';
import type { Sample } from '../../contract/plan/plan.ts';
import { gateSchema, type ModelGate } from '../../contract/schema/spec.ts';
import type { RawImage } from '../../platform/image/image.ts';
import { loadGate } from './gate.ts';

/** With the embedded gates, which judge chest phantoms. */

const GATES = join(import.meta.dirname, '../../models/phantom/gates');
const cpu = { provider: 'cpu', threads: 1, values: ['female', 'male'] } as const;

const gateOf = (change: Record<string, unknown> = {}): ModelGate =>
  gateSchema.parse({ name: 'sex', axis: 'sex', type: 'Classifier', modelUri: 'unused', ...change }) as ModelGate;

const wanted = (sex: string): Sample => ({ index: 0, key: '000000000', cell: 0, axes: { sex }, exact: {}, prompt: '' });

/** A picture that only `seed` decides; what it shows does not matter here. */
const picture = (seed: number, side = 128, channels: 1 | 3 = 1): RawImage => ({
  width: side,
  height: side,
  channels,
  data: Uint8Array.from(
    { length: side * side * channels },
    (_, i) => 128 + 100 * Math.sin((seed + 1) * Math.floor(i / channels / 9)),
  ),
});

async function copyOfSexGate(t: TestContext, change: (json: string) => string | null): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-gate-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  await copyFile(join(GATES, 'sex/model.onnx'), join(dir, 'model.onnx'));
  const json = change(await readFile(join(GATES, 'sex/gate.json'), 'utf8'));
  if (json !== null) await writeFile(join(dir, 'gate.json'), json);
  return dir;
}

test('probabilities of the classes add up to 1, whichever is wanted', async () => {
  const gate = await loadGate(gateOf(), join(GATES, 'sex'), cpu);
  const [female, male] = await gate.judge([picture(1), picture(1)], [wanted('female'), wanted('male')]);
  assert.ok(Math.abs(female!.score + male!.score - 1) < 1e-6);
  assert.notEqual(female!.passed, male!.passed);
});

test('a verdict does not depend on the company in the batch', async () => {
  const gate = await loadGate(gateOf(), join(GATES, 'sex'), cpu);
  const images = [picture(1), picture(2), picture(3)];
  const together = await gate.judge(
    images,
    images.map(() => wanted('female')),
  );
  for (const [i, image] of images.entries())
    assert.deepEqual(await gate.judge([image], [wanted('female')]), [together[i]]);
});

test('colour and other sizes are fitted to what the model sees', async () => {
  const gate = await loadGate(gateOf(), join(GATES, 'sex'), cpu);
  const [grey, colour] = await gate.judge([picture(1), picture(1, 128, 3)], [wanted('female'), wanted('female')]);
  assert.ok(Math.abs(grey!.score - colour!.score) < 0.02, 'grey as colour is the same picture');
  const [large] = await gate.judge([picture(1, 256)], [wanted('female')]);
  assert.ok(large!.score >= 0 && large!.score <= 1);
});

test('values that a gate does not apply to are not judged', async () => {
  const gate = await loadGate(gateOf({ appliesTo: ['female'] }), join(GATES, 'sex'), cpu);
  const [female, male] = await gate.judge([picture(1), picture(1)], [wanted('female'), wanted('male')]);
  assert.notEqual(female, null);
  assert.equal(male, null);
});

test('a spec that says how to feed the graph needs no gate.json', async (t) => {
  const described = await loadGate(gateOf(), join(GATES, 'sex'), cpu);
  const { input, output } = JSON.parse(await readFile(join(GATES, 'sex/gate.json'), 'utf8'));
  const spec = gateOf({ input, activation: output.activation, classes: output.classes });
  const bare = await loadGate(spec, await copyOfSexGate(t, () => null), cpu);
  assert.deepEqual(
    await bare.judge([picture(4)], [wanted('male')]),
    await described.judge([picture(4)], [wanted('male')]),
  );
});

const FAULTS: readonly (readonly [string, (json: string) => string | null, Record<string, unknown>, RegExp])[] = [
  ['there is no gate.json', () => null, {}, /gate sex: .*gate\.json is missing; write it/],
  ['gate.json is not valid JSON', () => '{', {}, /gate\.json is not valid JSON/],
  ['gate.json lacks a field', (json) => json.replace('"mean"', '"average"'), {}, /not valid: input/],
  [
    'gate.json is of another type',
    (json) => json.replace('Classifier', 'Regressor'),
    {},
    /describes a Regressor, but the spec says type: Classifier/,
  ],
  [
    'the spec names another number of classes',
    (json) => json,
    { classes: ['female', 'male', 'other'] },
    /spec classes are 3 names, but the model has 2/,
  ],
];

test('an axis value that is no class of the model is named, since no image of it could pass', async () => {
  const values = ['female', 'male', 'other'];
  await assert.rejects(
    loadGate(gateOf(), join(GATES, 'sex'), { ...cpu, values }),
    /gate sex: the model has no class other of axis sex/,
  );
  await loadGate(gateOf({ appliesTo: ['female'] }), join(GATES, 'sex'), { ...cpu, values });
});

for (const [what, change, spec, message] of FAULTS) {
  test(`it is said, with file and gate, when ${what}`, async (t) => {
    const dir = await copyOfSexGate(t, change);
    await assert.rejects(loadGate(gateOf(spec), dir, cpu), (error: Error) => {
      assert.ok(error instanceof Failure);
      assert.match(error.message, message);
      return true;
    });
  });
}

test('a value that only looks like a combination is no combination', async () => {
  const values = ['female', 'male', 'female+male'];
  await assert.rejects(loadGate(gateOf(), join(GATES, 'sex'), { ...cpu, values }), /has no class female\+male/);
  const combinations = { 'female+male': ['female', 'male'] };
  await loadGate(gateOf(), join(GATES, 'sex'), { ...cpu, values, combinations });
});
