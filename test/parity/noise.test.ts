import { randn } from '../../diffusion/noise.ts';
import { largestDifference, parityTest, readGolden, Worst } from './goldens.ts';

parityTest('noise equals torch.randn', (report) => {
  const worst = new Worst();
  for (const { seed, shape, first, last, sum, sumSquares } of readGolden('noise/cases.json').cases) {
    const count = shape.reduce((product: number, dim: number) => product * dim, 1);
    const noise = randn(seed, new Float32Array(count));
    const of = `seed ${seed}, ${count} values`;
    worst.see('value', of, largestDifference(noise.subarray(0, 16), first), 4e-6);
    worst.see('value', of, largestDifference(noise.subarray(-16), last), 4e-6);
    const ours = noise.reduce((total, value) => total + value, 0);
    const oursSquared = noise.reduce((total, value) => total + value * value, 0);
    worst.see('sum per value', of, Math.abs(ours - sum) / count, 4e-6);
    worst.see('sum of squares per value', of, Math.abs(oursSquared - sumSquares) / count, 4e-6);
  }
  worst.finish(report);
});
