import { execFile } from 'node:child_process';
import { access, mkdir, readFile, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';
import { parseArgs, promisify } from 'node:util';
import { parse } from 'yaml';
import { EXPORTER_ENVIRONMENT } from '../cli/model/exporter.ts';
import { virtualPython } from '../cli/train/venv.ts';
import type { Estimate } from '../contract/schema/evidence.ts';
import type { Manifest } from '../contract/schema/manifest.ts';

/**
 * Fewer steps in place of 75 of PNDM: what the gates accept, and how far from real images the accepted ones are, sampler by
 * sampler on the same plan and seeds. What is there already is not made again. Writes steps.md.
 */

const { values } = parseArgs({
  options: { samples: { type: 'string', default: '256' }, output: { type: 'string', default: 'out/steps' } },
});
const output = resolve(values.output);
const FILMS = 800;
const RECIPES = [
  { scheduler: 'PNDM', steps: 75 },
  { scheduler: 'DPMSolver++', steps: 25 },
  { scheduler: 'DPMSolver++', steps: 20 },
  { scheduler: 'UniPC', steps: 25 },
  { scheduler: 'UniPC', steps: 20 },
  { scheduler: 'PNDM', steps: 25 },
] as const;

const run = promisify(execFile);
const isThere = (path: string): Promise<boolean> =>
  access(path).then(
    () => true,
    () => false,
  );

/** Phantoms that the embedded model was trained on, and as many that it has never seen, in the folder of `real.csv`. */
const DRAW = `
from pathlib import Path
import sys
from phantom.data import phantoms
from phantom.memorise import write_films
write_films(Path(sys.argv[1]), phantoms(${FILMS}, "train"), phantoms(${FILMS}, "test"))
`;

async function makeReference(): Promise<string> {
  const [films, reference] = [join(output, 'films'), join(output, 'reference')];
  if (await isThere(reference)) return reference;
  const env = { ...process.env, PYTHONPATH: 'models/phantom/training' };
  await run(await virtualPython(EXPORTER_ENVIRONMENT), ['-c', DRAW, films], { env });
  const args = ['features', join(films, 'real.csv'), '--output', reference, '--encoder', 'embedded:phantom/encoder'];
  await run(process.execPath, ['cli/main.ts', ...args]);
  return reference;
}

const demo = parse(await readFile('examples/demo.yaml', 'utf8'));
const reference = await makeReference();

/** Grows the demo's grid with one recipe. */
async function grow(recipe: (typeof RECIPES)[number]): Promise<Manifest> {
  const name = `${recipe.scheduler.replace('++', 'pp')}-${recipe.steps}`.toLowerCase();
  const folder = join(output, name);
  const { training: _training, ...spec } = structuredClone(demo.spec);
  spec.quota.samples = Number(values.samples);
  spec.model.sampling = { ...recipe, guidanceScale: 3 };
  spec.quality.encoder = { modelUri: 'embedded:phantom/encoder' };
  spec.quality.reference = { uri: reference };
  spec.output.uri = folder;
  await writeFile(join(output, `${name}.json`), JSON.stringify({ ...demo, metadata: { name }, spec }));
  if (!(await isThere(join(folder, 'dataset.json'))))
    await run(process.execPath, ['cli/main.ts', 'run', '--file', join(output, `${name}.json`), '--output', folder]);
  return JSON.parse(await readFile(join(folder, 'dataset.json'), 'utf8'));
}

const estimate = ({ value, interval }: Estimate, digits: number): string =>
  `${value.toFixed(digits)}${interval ? ` (${interval[0].toFixed(digits)} to ${interval[1].toFixed(digits)})` : ''}`;

await mkdir(output, { recursive: true });
const gates = (demo.spec.quality.gates as { name: string }[]).map(({ name }) => name);
const [accepted, fidelity]: [string[], string[]] = [[], []];
for (const recipe of RECIPES) {
  const manifest = await grow(recipe);
  const name = `${recipe.scheduler}, ${recipe.steps} steps`;
  const { attempts, accepted: images } = manifest.samples;
  const share = (count: number): string => `${((100 * count) / attempts).toFixed(1)} %`;
  const refused = gates.map((gate) => share(manifest.rejected[gate] ?? 0));
  accepted.push(`| ${[name, attempts, share(images), ...refused].join(' | ')} |`);
  const whole = manifest.evidence!.groups.find(({ group }) => Object.keys(group).length === 0)!;
  const real = whole.fidelity!;
  const figures = [
    real.fidInfinity ? estimate(real.fidInfinity, 1) : '',
    estimate(real.precision, 2),
    estimate(real.recall, 2),
    estimate(whole.diversity.meanDistance, 3),
    estimate(whole.privacy!.nearTraining, 3),
  ];
  fidelity.push(`| ${[name, ...figures].join(' | ')} |`);
  process.stderr.write(`${accepted.at(-1)}\n${fidelity.at(-1)}\n`);
}
const text = `# Fewer steps

Written by \`npm run bench:steps\`: the grid of examples/demo.yaml, ${values.samples} samples, the embedded model, guidance 3, the
same plan and seeds for each sampler. Fidelity is against ${FILMS} phantoms that the model has never seen, by the features of
\`embedded:phantom/encoder\`; intervals are those of [evidence](../docs/evidence.md).

| sampler | attempts | accepted | ${gates.map((gate) => `refused by ${gate}`).join(' | ')} |
| --- | --- | --- | ${gates.map(() => '---').join(' | ')} |
${accepted.join('\n')}

| sampler | FID∞ | precision | recall | mean distance of two | near to a training image |
| --- | --- | --- | --- | --- | --- |
${fidelity.join('\n')}
`;
await writeFile(new URL('steps.md', import.meta.url), text);
process.stdout.write(text);
