import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { dirname, join, resolve } from 'node:path';
import { parseArgs } from 'node:util';
import { parse } from 'yaml';
import { TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { exists, farm, run } from './commands.ts';

/**
 * Two rounds of the loop on phantom sites, with several seeds: a first balanced cohort, which grows twice by Deficit and twice
 * by as many images of a balanced quota. A network is trained on what there is after each round, and on synthetic images alone.
 *   node trainer/study/loop.ts --output FOLDER [--seeds 5] [--loop 400] [--test 700] [--tables FILE]
 * Deficits are read from people of site-a and site-b, results from others of all three sites. What is there already is not made
 * again.
 */

const { values } = parseArgs({
  options: {
    output: { type: 'string' },
    seeds: { type: 'string', default: '5' },
    loop: { type: 'string', default: '400' },
    test: { type: 'string', default: '700' },
    tables: { type: 'string' },
  },
});

const ROUNDS = 2;
const FIRST_SEED = 2026;
const ARMS = ['Balanced', 'Deficit'] as const;

if (!values.output) throw new Error('usage: node trainer/study/loop.ts --output FOLDER [--tables FILE]');
const output = resolve(values.output);
const sites = join(output, 'sites');
const template = await readFile(join(import.meta.dirname, 'loop.yaml'), 'utf8');
const placesOf = (part: string, names: readonly string[]) =>
  names.map((name) => ({ name: `${part}-${name}`, uri: join(sites, part, name) }));
/** People of whom the loop learns what is missed, and those of whom results are reported. */
const SITES = {
  loop: placesOf('train', ['site-a', 'site-b']),
  results: placesOf('test', ['site-a', 'site-b', 'site-c']),
};

interface Round {
  readonly folder: string;
  readonly seed: number;
  /** Folder of the round that it extends. */
  readonly parent?: string;
  readonly deficit?: boolean;
  /** The people that it is measured on; a round that the loop does not read is not trained on. */
  readonly sites: keyof typeof SITES | null;
}

const metricsOf = (folder: string): string => join(folder, 'training/evaluate/metrics.json');

/** Grows the images of a round; trains and measures on all that there are by then. */
async function growRound({ folder, seed, parent, deficit, sites }: Round): Promise<void> {
  if (await exists(sites ? metricsOf(folder) : join(folder, 'dataset.json'))) return;
  const { spec, ...head } = parse(template);
  spec.seed = seed;
  spec.output.uri = folder;
  if (parent) spec.extends = { manifest: join(parent, 'dataset.json') };
  if (deficit) {
    const groups = { sex: { name: 'sex' }, age: { name: 'age' }, race: { name: 'race' } };
    const evaluation = { uri: metricsOf(parent!), model: 'pretrain', site: 'pooled', groups, maxPerCell: 6 };
    spec.quota.allocation = { strategy: 'Deficit', evaluation };
  }
  if (sites) spec.training.evaluation = { sites: SITES[sites], bootstraps: 200 };
  const file = `${folder}.json`;
  await mkdir(dirname(file), { recursive: true });
  await writeFile(file, JSON.stringify({ ...head, spec }, null, 2));
  // Verifying the last round verifies those that it extends.
  await farm('run', '-f', file, '--workers', '2', ...(sites === 'results' ? ['--verify'] : []));
  if (sites) await farm('train', '-f', file);
}

const python = await virtualPython(TRAINER_ENVIRONMENT);
if (!(await exists(join(sites, 'test/site-c/metadata.csv'))))
  await run(python, ['trainer/study/sites.py', sites, '--train', values.loop, '--test', values.test]);
for (let seed = FIRST_SEED; seed < FIRST_SEED + Number(values.seeds); seed++) {
  const first = join(output, String(seed), 'first');
  await growRound({ folder: first, seed, sites: 'loop' });
  for (const arm of ARMS) {
    let parent = first;
    for (let round = 1; round <= ROUNDS; round++) {
      const folder = join(output, String(seed), `${arm}-${round}`);
      const deficit = arm === 'Deficit';
      await growRound({ folder, seed, parent, deficit, sites: round === ROUNDS ? 'results' : deficit ? 'loop' : null });
      parent = folder;
    }
  }
}
await run(python, ['trainer/study/loop.py', output, ...(values.tables ? ['--tables', resolve(values.tables)] : [])]);
