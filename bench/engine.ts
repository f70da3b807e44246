import { writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { engineStart } from '../worker/context.ts';
import { startEngine } from '../worker/engine/engine.ts';
import { loadEngine } from '../worker/engine/load.ts';
import { prepare } from '../worker/prepare.ts';
import { interleave, median, timed } from './measure.ts';
import { benchDataset, PROMPT } from './sampling.ts';

/** The cost of handing batches to an engine process and pixels back: the same engine here and in a process, in turn. */

const [BATCH, STEPS, BATCHES, ROUNDS] = [8, 20, 4, 7];

const dataset = benchDataset({ model: 'models/phantom', images: BATCH, batch: BATCH, steps: STEPS });
const prepared = await prepare(dataset, { baseDir: process.cwd(), cacheDir: tmpdir() });
const start = engineStart(prepared, { provider: 'cpu', threads: null });
const here = await loadEngine(start, 'cpu');
const apart = startEngine({ start });
await apart.ready;
const batches = Array.from({ length: BATCHES }, (_, batch) =>
  Array.from({ length: BATCH }, (_, i) => ({ prompt: PROMPT, seed: BATCH * batch + i, axes: {}, exact: {} })),
);

const [inProcess, inEngine] = await interleave(
  [
    {
      name: 'in this process',
      run: () =>
        timed(async () => {
          for (const batch of batches) await here.judge(await here.generate(batch), batch);
        }),
    },
    { name: 'in an engine process', run: () => timed(() => Promise.all(batches.map((batch) => apart.sample(batch)))) },
  ],
  ROUNDS,
);
const ratio = median(inEngine!.seconds.map((seconds, round) => seconds / inProcess!.seconds[round]!));
const image = (seconds: readonly number[]): string =>
  `${((1000 * median(seconds)) / (BATCH * BATCHES)).toFixed(1)} ms an image`;
const text = `# The engine process

Written by \`node bench/engine.ts\` on ${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}: embedded model,
128x128, batch ${BATCH}, ${STEPS} guided steps, no gates, ${BATCHES} batches a round, ${ROUNDS} rounds in turn.

| what | figure | target |
| --- | --- | --- |
| in the same process | ${image(inProcess!.seconds)} | |
| in an engine process, with the hand-over | ${image(inEngine!.seconds)} | |
| time in an engine process, of that in the same process (median over rounds) | ${ratio.toFixed(4)} | below 1.01 |
`;
await writeFile(new URL('engine.md', import.meta.url), text);
process.stdout.write(text);
apart.close();
