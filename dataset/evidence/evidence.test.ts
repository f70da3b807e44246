import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { evidenceSchema } from '../../contract/schema/evidence.ts';
import { type Described, type EvidenceInput, evidenceOf } from './evidence.ts';
import { type Features, featuresOf, rowOf } from './features.ts';
import { combinerOf, type Group, groupsOf, isOf } from './groups.ts';
import { randomOf } from './random.ts';

const DIMENSIONS = 6;
const CELLS: readonly Group[] = ['female', 'male'].flatMap((sex) =>
  ['edema', 'no-finding'].map((finding) => ({ finding, sex })),
);

/** Images around a mean of their group. */
function described(name: string, counts: readonly number[], shift = 0): Described {
  const random = randomOf(name);
  const normal = () => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const groups = counts.flatMap((count, i) => Array<Group>(count).fill(CELLS[i]!));
  const vectors = groups.map((group) =>
    Float32Array.from({ length: DIMENSIONS }, (_, k) => normal() + shift + (k === 0 && group.sex === 'male' ? 3 : 0)),
  );
  return { features: featuresOf(vectors, DIMENSIONS), keys: groups.map((_, i) => `${name}${i}`), groups };
}

const real = { training: described('t', [80, 80, 80, 80]), heldOut: described('h', [80, 80, 80, 20]) };

const inputOf = (synthetic: Described, change: Partial<EvidenceInput> = {}): EvidenceInput => ({
  encoder: 'a'.repeat(64),
  seed: 'plan',
  synthetic,
  imagesOf: (group) => synthetic.groups.filter((image) => isOf(group, image)).length,
  cells: CELLS,
  reference: {
    sha256: 'b'.repeat(64),
    training: { ...real.training, keys: real.training.keys.map((_, i) => i.toString(16).padStart(64, '0')) },
    heldOut: real.heldOut,
  },
  refused: [],
  ...change,
});

describe('evidence', () => {
  const synthetic = described('s', [70, 70, 70, 10]);
  const evidence = evidenceOf(inputOf(synthetic));

  test('has the form of its schema, and is the same when it is computed again', () => {
    assert.deepEqual(evidenceSchema.parse(JSON.parse(JSON.stringify(evidence))), evidence);
    assert.deepEqual(evidenceOf(inputOf(synthetic)), evidence);
  });

  test('accounts for every group: figures, or why there are none', () => {
    const names = (group: Group) => JSON.stringify(group);
    const given = evidence.groups.map(({ group }) => names(group));
    const left = evidence.leftOut.filter(({ part }) => part === 'all').map(({ group }) => names(group));
    assert.deepEqual([...given, ...left].sort(), groupsOf(CELLS).map(names).sort());
    assert.deepEqual(evidence.leftOut, [
      { group: { finding: 'no-finding', sex: 'male' }, part: 'all', reason: '10 images, fewer than 50' },
    ]);
  });

  test('of real images that are too few says so, and keeps what needs none', () => {
    const found = evidenceOf(inputOf(described('s', [70, 70, 70, 70])));
    const reason = '20 real images, fewer than 50';
    assert.deepEqual(found.leftOut, [{ group: { finding: 'no-finding', sex: 'male' }, part: 'fidelity', reason }]);
    const group = found.groups.at(-1)!;
    assert.ok(group.fidelity === null && group.privacy !== null && group.diversity.vendi > 1);
  });

  test('real images of groups that the cohort does not have do not count', () => {
    const elsewhere = described('elsewhere', [40, 40, 40, 40], 9);
    const groups = elsewhere.groups.map((group, i): Group => ({ ...group, sex: i % 2 ? 'unknown' : '' }));
    const { heldOut } = real;
    const more: Described = {
      features: featuresOf(
        [...heldOut.groups.keys()]
          .map((i) => rowOf(heldOut.features, i))
          .concat(groups.map((_, i) => rowOf(elsewhere.features, i))),
        DIMENSIONS,
      ),
      keys: [...heldOut.keys, ...elsewhere.keys],
      groups: [...heldOut.groups, ...groups],
    };
    const found = evidenceOf(inputOf(synthetic, { reference: { ...inputOf(synthetic).reference!, heldOut: more } }));
    assert.deepEqual(
      found.groups.map(({ fidelity }) => fidelity),
      evidence.groups.map(({ fidelity }) => fidelity),
    );
    assert.equal(found.reference!.heldOut, 420);
  });

  test('without a reference tells how varied the images are', () => {
    const found = evidenceOf(inputOf(synthetic, { reference: null }));
    assert.ok(found.groups.every(({ fidelity, privacy }) => fidelity === null && privacy === null));
    assert.ok(found.groups.every(({ diversity: { vendi, meanDistance } }) => vendi > 1 && meanDistance.value > 0));
    assert.deepEqual([found.reference, found.against, found.suspicious], [null, null, []]);
  });

  test('where few images are held out, fidelity is against training images, and nothing is said of copies', () => {
    const few = { ...inputOf(synthetic).reference!, heldOut: described('h', [5, 5, 5, 5]) };
    const found = evidenceOf(inputOf(synthetic, { reference: few }));
    assert.equal(found.against, 'Training');
    assert.ok(found.groups.every(({ privacy, fidelity }) => privacy === null && fidelity !== null));
    assert.deepEqual(
      found.leftOut.filter(({ part }) => part === 'privacy').map(({ reason }) => reason),
      ['320 training and 20 held-out images in the reference, fewer than 50'],
    );
  });

  test('tells a cohort that is like the real one from one that is not, in the group that it concerns', () => {
    const shifted = described('s', [70, 70, 70, 70]);
    const moved: Features = featuresOf(
      shifted.groups.map((group, i) => rowOf(shifted.features, i).map((v) => (group.sex === 'male' ? v + 2 : v))),
      DIMENSIONS,
    );
    const found = evidenceOf(inputOf({ ...shifted, features: moved }));
    const of = (sex: string) => found.groups.find(({ group }) => group.sex === sex && !group.finding)!.fidelity!;
    assert.ok(of('male').kid.interval![0] > of('female').kid.interval![1], JSON.stringify(found.groups));
    assert.ok(of('male').separability!.value > 0.9 && of('female').separability!.value < 0.65);
    assert.ok(of('male').precision.value < of('female').precision.value - 0.3);
  });

  test('names the images that are copies first', () => {
    const copies = [3, 100, 200].map((i) => rowOf(real.training.features, i));
    const features = featuresOf(
      synthetic.groups.map((_, i) => (i % 50 === 7 && i < 150 ? copies[(i - 7) / 50]! : rowOf(synthetic.features, i))),
      DIMENSIONS,
    );
    const { suspicious } = evidenceOf(inputOf({ ...synthetic, features }));
    assert.deepEqual(
      suspicious
        .slice(0, 3)
        .map(({ key, image }) => [key, Number.parseInt(image, 16)])
        .sort(),
      [
        ['s7', 3],
        ['s57', 100],
        ['s107', 200],
      ].sort(),
    );
    assert.ok(suspicious[2]!.distance < 1e-6 && suspicious[3]!.distance > 1e-6);
  });

  test('uses no more images than it says', () => {
    const many = described('s', [700, 700, 700, 700]);
    const found = evidenceOf(inputOf(many, { reference: null }));
    assert.deepEqual(
      found.groups.map(({ images, used }) => [images, used]),
      [[2800, 2000], ...Array(4).fill([1400, 500]), ...Array(4).fill([700, 500])],
    );
  });
});

test('real images of several findings are compared with the combination that shows just those', () => {
  const combine = combinerOf([{ finding: 'edema' }, { finding: 'edema+effusion' }]);
  assert.deepEqual(
    ['effusion|edema', 'edema', 'edema|effusion|nodule'].map((finding) => combine({ finding, sex: 'male' }).finding),
    ['edema+effusion', 'edema', 'edema|effusion|nodule'],
  );
  const whole = { finding: 'effusion|edema' };
  assert.equal(combinerOf([{ finding: 'edema' }])(whole), whole);
});
