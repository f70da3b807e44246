import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { metricsSchema } from '../../contract/schema/metrics.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { blocksOf } from './blocks.ts';
import { startReader } from './shell.ts';

/** The lines of docs/real-data.md, on drawings in the place of the films, with few images, steps and arms. */

const skip = (await missingForServers()) || (await missingPython());

test('the lines of docs/real-data.md count, grow, train and compare', { skip }, async (t) => {
  const reader = await startReader(t);
  const at = (name: string): string => join(reader.folder, name);
  for (const folder of ['examples', 'out', 'films/images']) await mkdir(at(folder), { recursive: true });
  await writeFilms(at('films'));
  const document = parse(await readFile(join(REPO, 'examples/real-data.yaml'), 'utf8'));
  const { spec } = document;
  Object.assign(spec.quota, { samples: 12, minPerCell: 0 });
  spec.model.sampling.steps = 2;
  // So few steps draw what gates reject.
  spec.quality.gates = [];
  spec.output.shard.samples = 6;
  Object.assign(spec.training, { imageSize: 32, compare: ['RealOnly'], seeds: 1 });
  for (const { hyperparameters } of spec.training.stages) {
    delete hyperparameters.epochs;
    Object.assign(hyperparameters, { steps: 4, loaderWorkers: 0 });
  }
  spec.training.evaluation.bootstraps = 100;
  await writeFile(at('examples/real-data.yaml'), stringify(document));

  const said = await reader.runBlocks(await blocksOf('docs/real-data.md', 'sh'), {
    replace: { '/data/nih-cxr-700': at('films') },
  });
  assert.match(said, /pneumonia/);
  const { comparison } = metricsSchema.parse(
    JSON.parse(await readFile(at('out/real-data/training/compare/metrics.json'), 'utf8')),
  );
  assert.deepEqual([...new Set(comparison!.arms.map(({ arm }) => arm))], ['RealOnly', 'PretrainFinetune']);
});

/** Drawings under the headers of the data set: the ill are brighter. */
async function writeFilms(folder: string): Promise<void> {
  const rows = ['file_name,patient_id,age,sex,view_position,findings'];
  for (let i = 0; i < 120; i++) {
    const ill = i % 2 === 1;
    const pattern = createHash('sha512').update(String(i)).digest();
    const data = Uint8Array.from({ length: 32 * 32 }, (_, j) => 60 + (pattern[j >> 4]! % 40) + (ill ? 40 : 0));
    const name = `images/${String(i).padStart(8, '0')}_000.jpg`;
    const image = { width: 32, height: 32, channels: 1, data } as const;
    await writeFile(join(folder, name), await encodeImage(image, { format: 'jpeg', quality: 95 }));
    rows.push(`${name},${i},${20 + (i % 60)},${'FM'[(i >> 1) % 2]},PA,${ill ? 'Edema|Pneumonia' : 'No Finding'}`);
  }
  await writeFile(join(folder, 'metadata.csv'), `${rows.join('\n')}\n`);
}
