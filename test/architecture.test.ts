import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';

/** Who may import whom. Tests and benchmarks may import anything; no product file imports them. */

const ROOT = join(import.meta.dirname, '..');

/** The layers from the lowest to the highest, and what each may import besides itself. */
const LAYERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['contract', []],
  ['platform', ['contract']],
  ['kube', ['contract', 'platform']],
  // Runs in a web browser; cli/browse-server serves what it is built into. What others may use of it: DOORS.
  ['browse', ['contract']],
  // Stable Diffusion for Node: knows nothing of datasets.
  ['diffusion', ['contract', 'platform']],
  // What lies in the bucket: knows no ONNX Runtime.
  ['dataset', ['contract', 'platform', 'browse']],
  ['worker', ['contract', 'platform', 'diffusion', 'dataset']],
  ['operator', ['contract', 'platform', 'kube']],
  ['cli', ['contract', 'platform', 'kube', 'diffusion', 'dataset', 'worker', 'browse']],
]);

/** Packages of folders that may not use any other. */
const PURE: readonly { readonly folder: string; readonly packages: readonly string[] }[] = [
  { folder: 'contract/', packages: ['zod', 'node:crypto'] },
  { folder: 'browse/page/', packages: ['preact', 'preact/hooks'] },
  { folder: 'browse/parts/', packages: ['preact'] },
];

/** The files of a layer that those of a folder may import: paths, where one that ends in / is a folder. */
const DOORS: readonly { readonly of: string; readonly from: string; readonly files: readonly string[] }[] = [
  { of: 'browse/', from: 'cli/', files: ['browse/wire.ts'] },
  // The report is made of the parts of the page, from the same columns of counts.
  { of: 'browse/', from: 'dataset/publish/', files: ['browse/look.ts', 'browse/parts/', 'browse/wire.ts'] },
  { of: 'browse/', from: 'dataset/', files: [] },
  // Parts run in Node, too: nothing of the page.
  { of: 'browse/', from: 'browse/parts/', files: ['browse/look.ts', 'browse/parts/', 'browse/wire.ts'] },
];

/** Packages that few files know: paths, where one that ends in / is a folder. */
const OWNERS: readonly { readonly packages: RegExp; readonly files: readonly string[] }[] = [
  { packages: /^onnxruntime-/, files: ['diffusion/onnx.ts'] },
  { packages: /^@(aws-sdk|smithy)\//, files: ['platform/store/'] },
  { packages: /^csv-parse(\/|$)/, files: ['platform/csv.ts'] },
  { packages: /^sharp$/, files: ['platform/image/', 'dataset/publish/thumbnails.ts'] },
  { packages: /^@huggingface\/hub$/, files: ['platform/hub.ts'] },
  { packages: /^@(trustnxt|peculiar)\//, files: ['platform/content-credentials.ts'] },
  { packages: /^dcmjs$/, files: ['dataset/export/dicom.ts'] },
  { packages: /^ml-matrix$/, files: ['dataset/evidence/'] },
  { packages: /^esbuild$/, files: ['browse/build.ts', 'package/bundle.ts'] },
  { packages: /^@kubernetes\/client-node$/, files: ['kube/'] },
  { packages: /^@nats-io\//, files: ['platform/queue/'] },
  { packages: /^prom-client$/, files: ['operator/metrics/'] },
  { packages: /^preact(\/|$)/, files: ['browse/', 'dataset/publish/report/'] },
];

interface Import {
  readonly file: string;
  readonly line: number;
  /** A path from the root for a file of ours, else the name as written. */
  readonly target: string;
  readonly ours: boolean;
  readonly typeOnly: boolean;
  /** Loaded when the call is reached, not when the file is. */
  readonly lazy: boolean;
}

const STATEMENT =
  /^[ \t]*(?:import|export)\s+(type\s)?[^'"`;]*?from\s*['"]([^'"]+)['"]|^[ \t]*import\s*()['"]([^'"]+)['"]/gm;
const CALL = /\b(?:import|require|import\.meta\.resolve)\s*\(\s*['"]([^'"]+)['"]/g;

function importsOf(file: string, source: string): Import[] {
  const found = [
    ...[...source.matchAll(STATEMENT)].map((m) => ({
      m,
      name: m[2] ?? m[4]!,
      typeOnly: m[1] !== undefined,
      lazy: false,
    })),
    ...[...source.matchAll(CALL)].map((m) => ({ m, name: m[1]!, typeOnly: false, lazy: true })),
  ];
  return found.map(({ m, name, typeOnly, lazy }) => {
    const ours = name.startsWith('.') || name.startsWith('/');
    const target = ours
      ? relative(ROOT, join(ROOT, dirname(file), name))
          .split(sep)
          .join('/')
      : name;
    return { file, line: source.slice(0, m.index).split('\n').length, target, ours, typeOnly, lazy };
  });
}

const layerOf = (path: string): string => path.split('/')[0]!;

function productFiles(): string[] {
  return globSync(
    [...LAYERS.keys()].map((layer) => `${layer}/**/*.{ts,tsx}`),
    { cwd: ROOT },
  )
    .map((path) => path.split(sep).join('/'))
    .filter((file) => !file.endsWith('.test.ts') && !file.includes('node_modules/'));
}

const read = (file: string): string => readFileSync(join(ROOT, file), 'utf8');

const productImports = (): Import[] => productFiles().flatMap((file) => importsOf(file, read(file)));

const where = ({ file, line, target }: Import): string => `${file}:${line} imports ${target}`;

function faultOf(one: Import): string | null {
  const layer = layerOf(one.file);
  if (one.ours) {
    const allowed = [...LAYERS.get(layer)!, layer];
    if (!allowed.includes(layerOf(one.target)) || one.target.endsWith('.test.ts')) {
      return `${where(one)}: ${layer} may import only ${allowed.join(', ')}`;
    }
    const door = DOORS.find(({ of, from }) => one.target.startsWith(of) && one.file.startsWith(from));
    if (!door || isAmong(one.target, door.files)) return null;
    return `${where(one)}: ${door.from} may import of ${door.of} ${door.files.join(', ') || 'nothing'}`;
  }
  const pure = PURE.find(({ folder }) => one.file.startsWith(folder));
  if (pure && !pure.packages.includes(one.target))
    return `${where(one)}: ${pure.folder} may use only ${pure.packages.join(', ')}`;
  const owner = OWNERS.find(({ packages }) => packages.test(one.target));
  if (!owner || isAmong(one.file, owner.files)) return null;
  return `${where(one)}: only ${owner.files.join(', ')} may`;
}

const isAmong = (path: string, files: readonly string[]): boolean =>
  files.some((file) => path === file || (file.endsWith('/') && path.startsWith(file)));

/** A way round from a file back to itself along imports of values; null when there is none. */
function cycleIn(imports: readonly Import[]): string[] | null {
  const next = Map.groupBy(
    imports.filter(({ ours, typeOnly }) => ours && !typeOnly),
    ({ file }) => file,
  );
  const done = new Set<string>();
  const visit = (file: string, way: readonly string[]): string[] | null => {
    if (way.includes(file)) return [...way.slice(way.indexOf(file)), file];
    if (done.has(file)) return null;
    for (const { target } of next.get(file) ?? []) {
      const cycle = visit(target, [...way, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return null;
  };
  for (const file of next.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return null;
}

/** The files and packages that a file imports, directly or not, at once or later. */
function loadedBy(start: string, imports: readonly Import[]): Set<string> {
  const values = Map.groupBy(
    imports.filter(({ typeOnly }) => !typeOnly),
    ({ file }) => file,
  );
  const loaded = new Set([start]);
  for (const file of loaded) for (const { target } of values.get(file) ?? []) loaded.add(target);
  return loaded;
}

/** The rooms with their sizes and arrows, one line each. */
function diagram(): string[] {
  const lines = Map.groupBy(productFiles(), layerOf);
  const sizes = new Map(
    [...lines].map(([layer, files]) => [
      layer,
      files.reduce((sum, file) => sum + read(file).split('\n').length - 1, 0),
    ]),
  );
  const total = [...sizes.values()].reduce((a, b) => a + b, 0);
  const imports = productImports().filter(({ ours }) => ours);
  const order = [...LAYERS.keys()];
  const up = imports.filter(({ file, target }) => order.indexOf(layerOf(target)) > order.indexOf(layerOf(file)));
  const rows = order.map((layer) => {
    const size = sizes.get(layer) ?? 0;
    const arrows = Object.entries(Object.groupBy(imports, ({ file, target }) => `${layerOf(file)} ${layerOf(target)}`))
      .filter(([key]) => key.startsWith(`${layer} `) && key !== `${layer} ${layer}`)
      .map(([key, list]) => `${key.split(' ')[1]} ${list!.length}`);
    const share = ((100 * size) / total).toFixed(0);
    return `${layer}: ${lines.get(layer)?.length} files, ${size} lines (${share} %) -> ${arrows.join(', ') || 'nothing'}`;
  });
  return [...rows, `${total} lines in all; imports of a higher layer: ${up.length}`];
}

test('imports go one way, and each package has its owner', () => {
  const imports = productImports();
  assert.ok(imports.length > 50, 'product files are found');
  assert.deepEqual(
    imports.map(faultOf).filter((fault) => fault !== null),
    [],
  );
});

test('no file imports itself by a detour', () => {
  assert.equal(cycleIn(productImports())?.join(' -> '), undefined);
});

test('the rooms and the arrows between them', (t) => {
  const lines = diagram();
  for (const line of lines) t.diagnostic(line);
  assert.match(lines.at(-1)!, /imports of a higher layer: 0$/);
});

test('only the engine program, the trial of a model and programs of features and doctor load ONNX Runtime, lazily or not', () => {
  const imports = productImports();
  const loads = (file: string): boolean =>
    [...loadedBy(file, imports)].some((name) => /^onnxruntime-|^diffusion\/onnx\.ts$/.test(name));
  const inWorker = productFiles().filter((file) => /^(worker|cli|dataset|operator)\//.test(file) && loads(file));
  assert.deepEqual(inWorker.sort(), [
    'cli/doctor/sampling-program.ts',
    'cli/features/encode-program.ts',
    'cli/features/encode.ts',
    'cli/model/trial-program.ts',
    'cli/model/trial.ts',
    'worker/encoder/encoder.ts',
    'worker/engine/load.ts',
    'worker/engine/main.ts',
    'worker/gate/gate.ts',
    'worker/gate/nearest.ts',
    'worker/gate/novelty.ts',
  ]);
  const programs = ['cli/main.ts', 'worker/pod/main.ts', 'operator/main.ts', 'worker/work.ts'];
  assert.deepEqual(programs.filter(loads), []);
});

test('imports of every form are seen, and the rules bite', () => {
  const source = [
    "import { a } from '../diffusion/onnx.ts';",
    'import type {',
    '  B,',
    "} from '../cli/main.ts';",
    "export * from 'onnxruntime-node';",
    "import 'sharp';",
    "const d = await import('@aws-sdk/client-s3');",
    "import fs, { readFile } from 'node:fs/promises';",
    "import { ok } from '../contract/names.ts';",
  ].join('\n');
  assert.deepEqual(importsOf('platform/x.ts', source).map(faultOf), [
    'platform/x.ts:1 imports diffusion/onnx.ts: platform may import only contract, platform',
    'platform/x.ts:2 imports cli/main.ts: platform may import only contract, platform',
    'platform/x.ts:5 imports onnxruntime-node: only diffusion/onnx.ts may',
    'platform/x.ts:6 imports sharp: only platform/image/, dataset/publish/thumbnails.ts may',
    null,
    null,
    'platform/x.ts:7 imports @aws-sdk/client-s3: only platform/store/ may',
  ]);
  assert.deepEqual(importsOf('contract/x.ts', "import { join } from 'node:path';").map(faultOf), [
    'contract/x.ts:1 imports node:path: contract/ may use only zod, node:crypto',
  ]);
  assert.deepEqual(importsOf('browse/page/x.tsx', "import { z } from 'zod';").map(faultOf), [
    'browse/page/x.tsx:1 imports zod: browse/page/ may use only preact, preact/hooks',
  ]);
  assert.deepEqual(importsOf('dataset/read/x.ts', "import { a } from '../../browse/parts/map.ts';").map(faultOf), [
    'dataset/read/x.ts:1 imports browse/parts/map.ts: dataset/ may import of browse/ nothing',
  ]);
  assert.deepEqual(importsOf('browse/parts/x.ts', "import { a } from '../page/state.ts';").map(faultOf), [
    'browse/parts/x.ts:1 imports browse/page/state.ts: browse/parts/ may import of browse/ browse/look.ts, browse/parts/, browse/wire.ts',
  ]);
  assert.match(
    faultOf(importsOf('operator/x.ts', "import '../worker/main.ts';")[0]!)!,
    /^operator\/x\.ts:1 imports worker/,
  );
  const loop = [...importsOf('cli/a.ts', "import './b.ts';"), ...importsOf('cli/b.ts', "export { x } from './a.ts';")];
  assert.deepEqual(cycleIn(loop), ['cli/a.ts', 'cli/b.ts', 'cli/a.ts']);
});

test('B7: one file knows where files lie, so that what is bundled finds them', () => {
  const places = productFiles().filter((file) => /import\.meta\.(url|dirname|filename|resolve)/.test(read(file)));
  // Run in the repository only, or looking for a package and not for a file of ours.
  const others = ['browse/build.ts', 'diffusion/onnx.ts'];
  assert.deepEqual(
    places.filter((file) => !others.includes(file)),
    ['platform/files.ts'],
    'ask installedFile() or installedProgram() of platform/files.ts',
  );
});
