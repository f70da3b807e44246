import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { availableParallelism, cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { bareLoop } from './loop.ts';
import { type Contender, interleave, type Measured, median, type Peer, speedup, startPeer, timed } from './measure.ts';
import { measurePlanning } from './plan.ts';
import { endToEnd, enginesOf } from './sampling.ts';
import { shardWriting } from './shards.ts';
import { soak } from './soak.ts';

/** Runs every benchmark and writes bench/results.md. Ratios compare what ran in turn, round by round. */

const { values } = parseArgs({
  options: {
    python: { type: 'string' },
    midsize: { type: 'string' },
    optimised: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    only: { type: 'string' },
  },
});
const python = values.python!;
const rounds = Number(values.rounds);

const MODELS = [
  { name: 'embedded', onnx: 'models/phantom', torch: 'models/phantom/diffusers', images: 16, batch: 4, steps: 20 },
  {
    name: 'mid-size',
    onnx: join(values.midsize!, 'onnx'),
    torch: join(values.midsize!, 'diffusers'),
    images: 8,
    batch: 4,
    steps: 20,
  },
] as const;
type Model = (typeof MODELS)[number];

type Action = () => Promise<void>;
type Row = readonly [what: string, figure: string, target: string];

const times = (ratio: number): string => `${ratio.toFixed(2)} x`;
const rate = (images: number, { seconds }: Measured): string => `${(images / median(seconds)).toFixed(2)} images/s`;

/** Sections 1 and 2: the worker against the bare loop, diffusers and optimum. */
async function sampling({ name, onnx, torch, images, batch, steps }: Model): Promise<Row[]> {
  const worker = await endToEnd({ model: onnx, images, batch, steps });
  const loop = await bareLoop({ model: onnx, batch, calls: steps + 1, height: 16, width: 16 });
  const contenders = [
    { name: 'worker', run: () => timed(worker) },
    { name: 'bare loop', run: () => timed(() => loop(images)) },
  ];
  const request = { images, batch, steps, height: 128, width: 128 };
  const [ours, bare, diffusers, optimum] = await besidePeers(contenders, { torch, onnx, request });
  const all = [ours!, bare!, diffusers!, optimum!]
    .map((measured) => `${measured.name} ${rate(images, measured)}`)
    .join(', ');
  return [
    [`${name}: worker end to end, of a bare session loop`, `${speedup(ours!, bare!).toFixed(3)}`, 'at least 0.95'],
    [`${name}: worker end to end, against diffusers (PyTorch)`, times(speedup(ours!, diffusers!)), 'at least 1.5 x'],
    [`${name}: worker end to end, against optimum (ONNX Runtime)`, times(speedup(ours!, optimum!)), 'at least 1 x'],
    [`${name}: rates, batch ${batch}, ${steps} steps, guided, 128x128`, all, ''],
  ];
}

/** Runs contenders in turn with diffusers and optimum, which come last. */
async function besidePeers(
  contenders: readonly Contender[],
  { torch, onnx, request }: { readonly torch: string; readonly onnx: string; readonly request: object },
): Promise<Measured[]> {
  const peers: (Peer & { readonly name: string })[] = [];
  try {
    for (const [name, model] of [
      ['diffusers', torch],
      ['optimum', onnx],
    ] as const)
      peers.push({ name, ...(await startPeer(python, ['bench/python/peers.py', name, model])) });
    const asked = peers.map(({ name, ask }) => ({ name, run: async () => (await ask(request)).seconds }));
    return await interleave([...contenders, ...asked], rounds);
  } finally {
    for (const peer of peers) peer.end();
  }
}

/** The embedded model once more, by the means that a CPU has: a graph rewritten for it, and engines of one thread each. */
async function optimised(): Promise<Row[]> {
  const [{ onnx, torch, images, batch, steps }] = MODELS;
  const options = { model: values.optimised!, images, batch, steps, shard: images / 2 };
  const contenders = [
    { name: 'one engine', run: await enginesOf(options, 1) },
    { name: 'two engines', run: await enginesOf(options, 2) },
  ];
  const request = { images, batch, steps, height: 128, width: 128 };
  const [one, two, diffusers, optimum] = await besidePeers(contenders, { torch, onnx, request });
  return [
    ['one engine of all threads, against optimum', times(speedup(one!, optimum!)), 'at least 1.25 x'],
    ['one engine of all threads, against diffusers', times(speedup(one!, diffusers!)), 'at least 1.5 x'],
    ['two engines of one thread, against optimum', times(speedup(two!, optimum!)), 'at least 1.25 x'],
    ['two engines of one thread, against diffusers', times(speedup(two!, diffusers!)), 'at least 1.5 x'],
  ];
}

/** Section 3. */
async function shards(): Promise<Row[]> {
  const [images, bytes] = [4000, 30_000];
  const dir = await mkdtemp(join(tmpdir(), 'cohortfarm-bench-'));
  const peer = await startPeer(python, ['bench/python/peers.py', 'webdataset', dir]);
  const [durably, plainly] = [true, false].map((durable) => shardWriting({ images, bytes, durable })) as [
    Action,
    Action,
  ];
  const contenders = [
    { name: 'hashed and synced', run: () => timed(durably) },
    { name: 'neither', run: () => timed(plainly) },
    { name: 'webdataset', run: async () => (await peer.ask({ images, bytes })).seconds },
  ];
  try {
    const [durable, plain, theirs] = await interleave(contenders, rounds);
    const all = [durable!, plain!, theirs!].map((measured) => `${measured.name} ${rate(images, measured)}`).join(', ');
    return [
      [
        `${images} images of 30 KB into shards, hashed and synced, against webdataset's ShardWriter (neither)`,
        times(speedup(durable!, theirs!)),
        'at least 3 x',
      ],
      ['the same without digest and sync, as ShardWriter works', times(speedup(plain!, theirs!)), 'at least 3 x'],
      ['rates', all, ''],
    ];
  } finally {
    peer.end();
    await rm(dir, { recursive: true, force: true });
  }
}

/** Section 5. */
async function workers(): Promise<Row[]> {
  const options = { model: 'models/phantom', images: 48, batch: 4, steps: 20, shard: 12 };
  const [two, one] = await interleave(
    [
      { name: 'two', run: await enginesOf(options, 2) },
      { name: 'one', run: await enginesOf(options, 1) },
    ],
    Math.min(rounds, 3),
  );
  return [['two engine processes with one thread each, against one with two', times(speedup(two!, one!)), 'reported']];
}

/** Section 4. */
async function planning(): Promise<Row[]> {
  return measurePlanning().map(({ name, value, unit }) => [name, `${value} ${unit}`, '']);
}

/** Generator and gates in one process, called thousands of times. */
async function soaking(): Promise<Row[]> {
  const { batches, early, late } = await soak(2000);
  const growth = `${early.toFixed(0)} MiB after a tenth, ${late.toFixed(0)} MiB at the end`;
  return [[`resident memory over ${batches} batches through generator and gates`, growth, 'flat']];
}

const SECTIONS: readonly (readonly [title: string, run: () => Promise<Row[]>])[] = [
  ['Sampling, embedded model', () => sampling(MODELS[0])],
  ['Sampling, mid-size model (UNet of about 60 million parameters, random weights)', () => sampling(MODELS[1])],
  ['Sampling, embedded model optimised for the CPU', optimised],
  ['Shard writing', shards],
  ['Planning', planning],
  ['Workers', workers],
  ['Soak', soaking],
];

const machine = `${cpus()[0]!.model.trim()}, ${availableParallelism()} cores, Node ${process.versions.node}`;
const results = new URL('results.md', import.meta.url);
const head = `# Benchmarks

Written by \`npm run bench\`; \`--only TITLE\` measures one section again. A ratio above 1 means that CohortFarm is faster.
Contenders run in turn; a ratio is the median over the rounds of the ratio within the round.
`;
/** By title. */
const sections = new Map(
  (await readFile(results, 'utf8'))
    .split(/^(?=## )/m)
    .slice(1)
    .map((text) => [/^## (.*)$/m.exec(text)![1]!, text.trimEnd()]),
);
for (const [title, run] of SECTIONS) {
  if (values.only !== undefined && !title.startsWith(values.only)) continue;
  process.stderr.write(`${title} ...\n`);
  const rows = await run();
  const table = ['| what | figure | target |', '| --- | --- | --- |', ...rows.map((row) => `| ${row.join(' | ')} |`)];
  sections.set(title, `## ${title}\n\nOn ${machine}, ${rounds} rounds.\n\n${table.join('\n')}`);
  process.stdout.write(`${table.slice(2).join('\n')}\n`);
}
const inOrder = SECTIONS.flatMap(([title]) => sections.get(title) ?? []);
await writeFile(results, `${[head.trimEnd(), ...inOrder].join('\n\n')}\n`);
