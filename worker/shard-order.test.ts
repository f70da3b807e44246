import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { toHalf } from '../platform/half.ts';
import { createShardOrder } from './shard-order.ts';

/** A unit vector at an angle: two of them are 1 - cos of the difference apart. */
function at(degrees: number): Uint16Array {
  const bits = new Uint16Array(2);
  const angle = (degrees * Math.PI) / 180;
  toHalf(Float32Array.of(Math.cos(angle), Math.sin(angle)), bits);
  return bits;
}

const isFar = (nearest: { distance: number } | null): boolean => !nearest || nearest.distance >= 0.01;

test('an image waits until all samples before it are decided', () => {
  const order = createShardOrder<string>([{ start: 0, end: 3 }], []);
  const decided: string[] = [];
  const decide = () =>
    order.decide((image, nearest) => {
      decided.push(`${image} ${nearest?.sample ?? 'first'} ${isFar(nearest)}`);
      return isFar(nearest);
    });
  order.offer(2, at(91), 'two');
  order.offer(1, at(90), 'one');
  decide();
  assert.deepEqual(decided, []);
  order.offer(0, at(0), 'zero');
  decide();
  assert.deepEqual(decided, ['zero first true', 'one 0 true', 'two 1 false']);
  order.offer(2, at(60), 'two again');
  decide();
  assert.equal(decided.at(-1), 'two again 1 true');
});

test('an exhausted sample holds nobody up, and images of stored parts count in their place', () => {
  const order = createShardOrder<string>(
    [{ start: 1, end: 3 }],
    [
      { index: 3, features: at(180) },
      { index: 0, features: at(0) },
    ],
  );
  const seen: (number | undefined)[] = [];
  order.offer(2, at(181), 'two');
  order.exhaust(1);
  order.decide((_image, nearest) => seen.push(nearest?.sample) > 0);
  assert.deepEqual(seen, [0], 'sample 3 comes later, however near it is');
});

test('what is accepted depends on no order in which images come', () => {
  /** The first attempts of each sample in order of their angles; each later one is refused or accepted. */
  const attempts = fc.array(fc.array(fc.integer({ min: 0, max: 59 }), { minLength: 1, maxLength: 4 }), {
    minLength: 1,
    maxLength: 8,
  });
  const property = fc.property(attempts, fc.infiniteStream(fc.nat()), (angles, random) => {
    const run = (pick: (count: number) => number): (number | null)[] => {
      const order = createShardOrder<{ sample: number; attempt: number }>([{ start: 0, end: angles.length }], []);
      const result: (number | null)[] = angles.map(() => null);
      const open = angles.map((_, sample) => ({ sample, attempt: 0 }));
      while (open.length > 0) {
        const [one] = open.splice(pick(open.length), 1);
        order.offer(one!.sample, at(6 * angles[one!.sample]![one!.attempt]!), one!);
        order.decide((image, nearest) => {
          if (isFar(nearest)) {
            result[image.sample] = image.attempt;
            return true;
          }
          if (image.attempt + 1 < angles[image.sample]!.length) open.push({ ...image, attempt: image.attempt + 1 });
          else order.exhaust(image.sample);
          return false;
        });
      }
      return result;
    };
    assert.deepEqual(
      run((count) => random.next().value % count),
      run(() => 0),
    );
  });
  fc.assert(property);
});
