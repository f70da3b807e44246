import assert from 'node:assert/strict';
import { globSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { test } from 'node:test';

/** Who may import whom. Tests and benchmarks may import anything; no product file imports them. */

const ROOT = join(import.meta.dirname, '..');

/** Each layer and the layers that its files may import. */
const LAYERS: ReadonlyMap<string, readonly string[]> = new Map([
  ['contract', ['contract']],
  ['platform', ['contract', 'platform']],
  ['worker', ['contract', 'platform', 'worker']],
  ['operator', ['contract', 'platform', 'operator']],
  ['cli', ['contract', 'platform', 'worker', 'cli']],
  // Runs in a web browser; what it is built into is served by cli/browse, which imports none of it.
  ['browse', ['contract', 'browse']],
]);

/** Packages of folders that may not use any other. */
const PURE: readonly { readonly folder: string; readonly packages: readonly string[] }[] = [
  { folder: 'contract/', packages: ['zod', 'node:crypto'] },
  { folder: 'browse/page/', packages: ['preact', 'preact/hooks'] },
];

/** Packages that few files know: paths, where one that ends in / stands for a folder. */
const OWNERS: readonly { readonly packages: RegExp; readonly files: readonly string[] }[] = [
  { packages: /^onnxruntime-/, files: ['worker/onnx.ts'] },
  { packages: /^@(aws-sdk|smithy)\//, files: ['platform/store/'] },
  { packages: /^csv-parse(\/|$)/, files: ['platform/csv.ts'] },
  { packages: /^sharp$/, files: ['worker/image.ts', 'worker/resize.ts', 'worker/publish/thumbnails.ts'] },
  { packages: /^esbuild$/, files: ['browse/build.ts'] },
  { packages: /^@kubernetes\/client-node$/, files: ['platform/kube/'] },
  { packages: /^@nats-io\//, files: ['platform/queue/'] },
  { packages: /^prom-client$/, files: ['operator/metrics.ts'] },
];

interface Import {
  readonly file: string;
  readonly line: number;
  /** A path from the root for a file of ours, else the name as written. */
  readonly target: string;
  readonly ours: boolean;
  readonly typeOnly: boolean;
}

const STATEMENT =
  /^[ \t]*(?:import|export)\s+(type\s)?[^'"`;]*?from\s*['"]([^'"]+)['"]|^[ \t]*import\s*()['"]([^'"]+)['"]/gm;
const CALL = /\b(?:import|require|import\.meta\.resolve)\s*\(\s*['"]([^'"]+)['"]/g;

function importsOf(file: string, source: string): Import[] {
  const found = [
    ...[...source.matchAll(STATEMENT)].map((m) => ({ m, name: m[2] ?? m[4]!, typeOnly: m[1] !== undefined })),
    ...[...source.matchAll(CALL)].map((m) => ({ m, name: m[1]!, typeOnly: false })),
  ];
  return found.map(({ m, name, typeOnly }) => {
    const ours = name.startsWith('.') || name.startsWith('/');
    const target = ours
      ? relative(ROOT, join(ROOT, dirname(file), name))
          .split(sep)
          .join('/')
      : name;
    return { file, line: source.slice(0, m.index).split('\n').length, target, ours, typeOnly };
  });
}

const layerOf = (path: string): string => path.split('/')[0]!;

function productImports(): Import[] {
  const files = globSync(
    [...LAYERS.keys()].map((layer) => `${layer}/**/*.{ts,tsx}`),
    { cwd: ROOT },
  ).map((path) => path.split(sep).join('/'));
  return files
    .filter((file) => !file.endsWith('.test.ts') && !file.includes('node_modules/'))
    .flatMap((file) => importsOf(file, readFileSync(join(ROOT, file), 'utf8')));
}

const where = ({ file, line, target }: Import): string => `${file}:${line} imports ${target}`;

function faultOf(one: Import): string | null {
  const layer = layerOf(one.file);
  if (one.ours) {
    if (LAYERS.get(layer)!.includes(layerOf(one.target)) && !one.target.endsWith('.test.ts')) return null;
    return `${where(one)}: ${layer} may import only ${LAYERS.get(layer)!.join(', ')}`;
  }
  const pure = PURE.find(({ folder }) => one.file.startsWith(folder));
  if (pure && !pure.packages.includes(one.target))
    return `${where(one)}: ${pure.folder} may use only ${pure.packages.join(', ')}`;
  const owner = OWNERS.find(({ packages }) => packages.test(one.target));
  if (!owner || owner.files.some((file) => one.file === file || (file.endsWith('/') && one.file.startsWith(file)))) {
    return null;
  }
  return `${where(one)}: only ${owner.files.join(', ')} may`;
}

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

test('imports of every form are seen, and the rules bite', () => {
  const source = [
    "import { a } from '../worker/onnx.ts';",
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
    'platform/x.ts:1 imports worker/onnx.ts: platform may import only contract, platform',
    'platform/x.ts:2 imports cli/main.ts: platform may import only contract, platform',
    'platform/x.ts:5 imports onnxruntime-node: only worker/onnx.ts may',
    'platform/x.ts:6 imports sharp: only worker/image.ts, worker/resize.ts, worker/publish/thumbnails.ts may',
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
  assert.match(
    faultOf(importsOf('operator/x.ts', "import '../worker/main.ts';")[0]!)!,
    /^operator\/x\.ts:1 imports worker/,
  );
  const loop = [...importsOf('cli/a.ts', "import './b.ts';"), ...importsOf('cli/b.ts', "export { x } from './a.ts';")];
  assert.deepEqual(cycleIn(loop), ['cli/a.ts', 'cli/b.ts', 'cli/a.ts']);
});
