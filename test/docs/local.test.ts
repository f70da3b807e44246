import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { cp, mkdir, readFile, writeFile } from 'node:fs/promises';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { parse, stringify } from 'yaml';
import { EXPORTER_ENVIRONMENT } from '../../cli/model/exporter.ts';
import { virtualPython } from '../../cli/train/venv.ts';
import { encodeImage } from '../../platform/image/image.ts';
import { openStore } from '../../platform/store/store.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { REPO } from '../support/cli.ts';
import { writeSmallDemo } from '../support/demo.ts';
import { growSmall } from '../support/grown.ts';
import { missingPython } from '../support/venv.ts';
import { blocksOf } from './blocks.ts';
import { addStubs, copyStore, type Reader, runPythonBlocks, startReader } from './shell.ts';

/** The shell and Python lines of pages that need no cluster, as a reader runs them. */

const skip = (await missingForServers()) || (await missingPython());

/** The demo with few samples and steps. */
async function smallResource(reader: Reader, name: string, samples: number): Promise<void> {
  const path = await writeSmallDemo(reader.folder, (spec) => {
    delete spec.training;
    Object.assign(spec.quota, { samples, minPerCell: 0 });
    spec.model.sampling.steps = 2;
    // So few steps draw what gates reject.
    spec.quality.gates = [];
    spec.output = { ...spec.output, uri: 'cohort', shard: { samples: 6 } };
  });
  await cp(path, join(reader.folder, name));
}

test('the lines of README.md about a clone, an installation and the demo', { skip }, async (t) => {
  const [reader, s3] = await Promise.all([startReader(t), startS3Server()]);
  t.after(() => s3.stop());
  await s3.createBucket('bucket');
  await addStubs(reader, ['npm']);
  await mkdir(join(reader.folder, 'examples'));
  await smallResource(reader, 'examples/demo.yaml', 18);
  const [clone, install, use, cluster] = await blocksOf('README.md', 'sh', 4);
  // cluster.test.ts runs that one.
  assert.match(cluster!, /helm install/);
  await reader.runBlocks([clone!, install!, 'cohortfarm run -f examples/demo.yaml -o out/demo']);
  const said = await reader.runBlocks([use!], { env: s3.env });
  assert.match(said, /Verified: 18 images/);
  assert.match(said, /000000017.*identical|identical.*000000017/is);
  assert.ok((await openStore('s3://bucket/demo', s3.options).stat('dataset.json')) !== null);
  await reader.runBlocks(await blocksOf('CONTRIBUTING.md', 'sh'));
});

test('the lines of docs/cuda.md put libraries where they belong, and doctor answers', { skip }, async (t) => {
  const reader = await startReader(t);
  await addStubs(reader, ['pip']);
  await mkdir(join(reader.folder, 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64'), { recursive: true });
  const said = await reader.runBlocks(await blocksOf('docs/cuda.md', 'sh'));
  assert.match(said, /Sampling/);
  const place = 'node_modules/onnxruntime-node/bin/napi-v6/linux/x64/libonnxruntime_providers_cuda.so';
  assert.equal(await readFile(join(reader.folder, place), 'utf8'), '');
});

test('the lines of images/README.md ask an engine for what the Dockerfiles have', { skip }, async (t) => {
  const reader = await startReader(t);
  await addStubs(reader, ['docker']);
  await cp(join(REPO, 'images'), join(reader.folder, 'images'), { recursive: true });
  await cp(join(REPO, 'package.json'), join(reader.folder, 'package.json'));
  assert.match(await reader.runBlocks(await blocksOf('images/README.md', 'sh')), /pins the base images/);
});

test('the lines of docs/evidence.md and docs/browse.md encode, compare and show', { skip }, async (t) => {
  const [reader, s3] = await Promise.all([startReader(t), startS3Server()]);
  t.after(() => s3.stop());
  for (const bucket of ['cohorts', 'real']) await s3.createBucket(bucket);
  const at = (name: string): string => join(reader.folder, name);
  await writeReal(reader);
  for (const name of ['out/unipc-20', 'out/pndm-75', 'out/demo']) await growSmall(openStore(at(name)));
  await growSmall(openStore('s3://cohorts/cxr-balanced', s3.options));
  await reader.runBlocks(['cohortfarm run -f dataset.yaml -o out/cxr']);

  const env = { ...s3.env, SALT: 'pepper' };
  const said = await reader.runBlocks(await blocksOf('docs/evidence.md', 'sh'), { env });
  assert.match(said, /^Encoded: 12 training and 8 held-out images, 64 numbers each; groups: finding, sex/m);
  await copyStore(openStore(at('out/reference')), openStore('s3://real/reference', s3.options));
  const replace = { 'https://s3.example.org': s3.endpoint };
  await reader.runBlocks(await blocksOf('docs/browse.md', 'sh'), { env, replace });

  const [load, exported] = await blocksOf('docs/evidence.md', 'python', 2);
  const python = await virtualPython(EXPORTER_ENVIRONMENT);
  const shape = await runPythonBlocks(python, at('out/cxr'), [load!, 'print(features.shape, features.dtype)']);
  assert.equal(shape.trim(), '(8, 64) float16');
  await mkdir(at('xrv'));
  // The weights come from elsewhere; the network is the package's own.
  const weightless = `import torchxrayvision
build = torchxrayvision.models.DenseNet.__init__
def without_weights(self, weights):
    assert weights in torchxrayvision.models.model_urls, weights
    build(self, weights=None)
torchxrayvision.models.DenseNet.__init__ = without_weights`;
  await runPythonBlocks(python, reader.folder, [weightless, exported!]);
  const encoded = await reader.runBlocks([
    'cohortfarm features real.csv -o out/xrv --encoder xrv --columns columns.yaml --salt x',
  ]);
  assert.match(encoded, /1024 numbers each/);
});

/** Real images, as docs/evidence.md lists them, and a resource with the axes of their columns. */
async function writeReal(reader: Reader): Promise<void> {
  const at = (name: string): string => join(reader.folder, name);
  const rows = ['Path,PatientID,fold,Sex,Labels'];
  for (let i = 0; i < 20; i++) {
    const bytes = createHash('sha512').update(String(i)).digest();
    const data = Uint8Array.from({ length: 128 * 128 }, (_, j) => bytes[(j >> 11) + 8 * ((j >> 4) & 7)]!);
    const image = await encodeImage({ width: 128, height: 128, channels: 1, data }, { format: 'png', quality: 95 });
    await writeFile(at(`${i}.png`), image);
    rows.push(`${i}.png,p${i},${i < 12 ? 'a' : 'b'},${i % 2 ? 'F' : 'M'},${i % 3 ? 'No Finding' : 'Edema'}`);
  }
  await writeFile(at('real.csv'), `${rows.join('\n')}\n`);
  const [columns] = (await blocksOf('docs/evidence.md', 'yaml')).filter((block) => block.startsWith('image:'));
  await writeFile(at('columns.yaml'), columns!);
  const document = parse(await readFile(join(REPO, 'examples/first.yaml'), 'utf8'));
  const { spec } = document;
  document.metadata = { name: 'cxr' };
  spec.quota = {
    samples: 8,
    axes: { sex: { values: ['female', 'male'] }, finding: { values: ['no-finding', 'edema'] } },
  };
  spec.prompt = { template: 'a {sex}. {impression}', impressions: { 'no-finding': ['Clear .'], edema: ['Edema .'] } };
  spec.model.sampling.steps = 2;
  spec.quality = { encoder: { modelUri: 'embedded:phantom/encoder' } };
  spec.output = { uri: 'out/cxr', shard: { samples: 8 } };
  await writeFile(at('dataset.yaml'), stringify(document));
}

test('the lines of docs/lineage.md send events, and version a cohort with DVC', { skip }, async (t) => {
  const received: string[] = [];
  const server = createServer((request, answer) => {
    received.push(`${request.method} ${request.url}`);
    request.resume().on('end', () => answer.end());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const [first, reader] = await Promise.all([startReader(t), startReader(t)]);
  const [events, dvc] = await blocksOf('docs/lineage.md', 'sh', 2);
  await smallResource(first, 'dataset.yaml', 4);
  const replace = { 'http://marquez:5000': `http://127.0.0.1:${(server.address() as AddressInfo).port}` };
  await first.runBlocks([events!], { replace });
  assert.deepEqual(new Set(received), new Set(['POST /api/v1/lineage']));
  assert.equal((await readFile(join(first.folder, 'events.jsonl'), 'utf8')).trim().split('\n').length, 2);

  await smallResource(reader, 'dataset.yaml', 8);
  const pipeline = (await blocksOf('docs/lineage.md', 'yaml')).find((block) => block.startsWith('stages:'));
  await writeFile(join(reader.folder, 'dvc.yaml'), pipeline!);
  const requirements = join(import.meta.dirname, 'requirements-dvc.txt');
  const python = await virtualPython({
    name: 'dvc',
    requirements: [requirements],
    installs: [() => ['--no-compile', '-r', requirements]],
  });
  await reader.addProgram('dvc', `exec "${python}" -m dvc "$@"`);
  const identity = {
    GIT_AUTHOR_NAME: 'a',
    GIT_AUTHOR_EMAIL: 'a@a',
    GIT_COMMITTER_NAME: 'a',
    GIT_COMMITTER_EMAIL: 'a@a',
  };
  const env = {
    ...identity,
    DVC_NO_ANALYTICS: '1',
    DVC_SITE_CACHE_DIR: join(reader.folder, '.dvc-site'),
    HOME: reader.folder,
  };
  const sh = (...lines: string[]) => reader.runBlocks(lines, { env });
  await sh(
    'git init -q . && printf ".*\\n!.gitignore\\n!.dvc\\n" > .git/info/exclude && dvc init -q && dvc remote add -q -d store .remote',
  );
  await sh(dvc!);
  assert.match(await sh('dvc repro'), /didn't change/);
  // Another clone, from the remote.
  await sh('rm -rf cohort .dvc/cache && dvc pull -q && cohortfarm verify cohort');
  // A change makes another cohort; the old one comes back with its commit.
  await sh(
    'cp cohort/dataset.json .old.json',
    'sed -i "s/samples: 8/samples: 6/" dataset.yaml',
    'dvc repro -q && git commit -qam second',
  );
  assert.match(await sh('cohortfarm verify cohort'), /Verified: 6 images/);
  assert.match(
    await sh(
      'git checkout -q HEAD~1 && dvc checkout -q && cmp cohort/dataset.json .old.json && cohortfarm verify cohort',
    ),
    /Verified: 8 images/,
  );
});
