import type { Evidence } from '../../contract/schema/evidence.ts';
import { type Described, evidenceOf } from '../../dataset/evidence/evidence.ts';
import { featuresOf } from '../../dataset/evidence/features.ts';
import { randomOf } from '../../dataset/evidence/random.ts';

/** Evidence about invented features of images of two axes, for tests of what is made of it. @param shift of the synthetic images */
export function inventedEvidence(shift = 0): Evidence {
  const cells = ['female', 'male'].flatMap((sex) => ['18-39', '80-90'].map((age) => ({ age, sex })));
  const described = (key: string, moved = 0): Described => {
    const random = randomOf(key);
    const groups = Array.from({ length: 260 }, (_, i) => cells[i % 13 === 0 ? 3 : i % 3]!);
    return {
      features: featuresOf(
        groups.map(() => Float32Array.from({ length: 4 }, () => random() + random() - 1 + moved)),
        4,
      ),
      keys: groups.map((_, i) => (key === 'synthetic' ? String(i).padStart(9, '0') : i.toString(16).padStart(64, '0'))),
      groups,
    };
  };
  return evidenceOf({
    encoder: 'e'.repeat(64),
    seed: 'plan',
    synthetic: described('synthetic', shift),
    imagesOf: (group) => (Object.keys(group).length === 0 ? 260 : 100),
    cells,
    reference: { sha256: 'f'.repeat(64), training: described('training'), heldOut: described('held out') },
    refused: [
      {
        gate: 'copies',
        against: 'Training',
        threshold: 0.125,
        groups: [
          {
            group: {},
            refused: 17,
            ofRefused: { images: 12, distances: { smallest: 0.011, low: 0.012, median: 0.085 } },
            ofOthers: { images: 0 },
            ofAccepted: { images: 260, distances: { smallest: 0.131, low: 0.142, median: 0.333 } },
          },
        ],
      },
    ],
  });
}
