import assert from 'node:assert/strict';
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type ParseArgsConfig, parseArgs } from 'node:util';
import { REPO } from '../support/cli.ts';

/**
 * Programs that cannot be had or do too much here: `node stub.ts NAME ARGUMENTS` fails unless the arguments are ones that the
 * program takes, and name files, images, scripts and packages that there are. It leaves what a following line needs.
 */

type Options = NonNullable<ParseArgsConfig['options']>;

const text = (file: string): string => readFileSync(join(REPO, file), 'utf8');
const PACKAGE = JSON.parse(text('package.json')) as { version: string; scripts: Record<string, string> };
const IMAGES = ['cohortfarm', 'cohortfarm-cuda', 'cohortfarm-trainer'].map((name) => `${name}:${PACKAGE.version}`);
const flag = { type: 'boolean' } as const;
const value = { type: 'string' } as const;

/** The values of options, and the words beside them. Fails for others. */
function read(args: readonly string[], options: Options = {}) {
  const { values, positionals } = parseArgs({ args: [...args], options, allowPositionals: true, strict: true });
  return { values: values as Record<string, unknown>, words: positionals };
}

function expectWords(found: readonly string[], ...wanted: readonly (string | RegExp)[]): void {
  assert.equal(found.length, wanted.length, `arguments ${found.join(' ')}`);
  for (const [i, one] of wanted.entries()) {
    if (typeof one === 'string') assert.equal(found[i], one);
    else assert.match(found[i]!, one);
  }
}

function build(args: readonly string[]): void {
  const options: Options = { file: value, target: value, platform: value, sbom: value, provenance: value };
  const { values, words } = read(args, {
    ...options,
    tag: value,
    load: flag,
    push: flag,
    'build-arg': { ...value, multiple: true },
  });
  expectWords(words, '.');
  const file = text(String(values.file));
  assert.match(file, new RegExp(`^FROM .* AS ${values.target}$`, 'm'));
  // A file that has no use for an argument is built with a warning.
  const files = file + text('images/Dockerfile');
  for (const one of values['build-arg'] as string[])
    assert.match(files, new RegExp(`^ARG ${one.slice(0, one.indexOf('='))}\\b`, 'm'), one);
  assert.ok(
    IMAGES.some((image) => String(values.tag).split('/').at(-1) === image),
    String(values.tag),
  );
  assert.notEqual(values.load, values.push, 'either --load or --push');
}

const PROGRAMS: Readonly<Record<string, (args: readonly string[]) => void>> = {
  docker([command, ...args]) {
    if (command === 'save') {
      for (const image of args) assert.ok(IMAGES.includes(image), image);
      process.stdout.write('images');
      return;
    }
    assert.equal(command, 'buildx');
    const [what, ...rest] = args;
    if (what === 'build') return build(rest);
    const { values, words } = read(args, { format: value });
    expectWords(words, 'imagetools', 'inspect', /^[\w./-]+:[\w.-]+$/);
    assert.equal(values.format, '{{.Manifest.Digest}}');
    process.stdout.write(`sha256:${'a'.repeat(64)}\n`);
  },
  kind(args) {
    if (args[0] === 'create') return expectWords(args, 'create', 'cluster');
    expectWords(args, 'load', 'docker-image', /./);
    assert.ok(IMAGES.includes(args[2]!), args[2]);
  },
  sudo([command, ...args]) {
    process.exitCode = spawnSync(command!, args, { stdio: 'inherit' }).status ?? 1;
  },
  k3s(args) {
    expectWords(args, 'ctr', 'images', 'import', '-');
    assert.equal(readFileSync(0, 'utf8'), 'images');
  },
  curl(args) {
    expectWords(args, '-sfL', 'https://get.k3s.io');
    process.stdout.write('test "$*" = "--write-kubeconfig-mode 644"\n');
  },
  'stub-helm'(args) {
    const options = { repo: value, namespace: value, 'create-namespace': flag, set: value };
    const { values, words } = read(args, options);
    expectWords(words, 'install', 'nvidia-device-plugin', 'nvidia-device-plugin');
    assert.equal(values.repo, 'https://nvidia.github.io/k8s-device-plugin');
    assert.equal(values.set, 'runtimeClassName=nvidia');
  },
  npm([command, ...args]) {
    switch (command) {
      case 'ci':
        return expectWords(args);
      case 'run':
      case 'test': {
        const name = command === 'test' ? 'test' : args[0]!;
        expectWords(command === 'test' ? args : args.slice(1));
        const script = PACKAGE.scripts[name];
        assert.ok(script, `package.json has no script ${name}`);
        const [, file] = /^(?:node|bash) ([\w./-]+\.(?:ts|sh))\b/.exec(script) ?? [];
        assert.ok(!file || existsSync(join(REPO, file)), file);
        return;
      }
      case 'pack':
        expectWords(args);
        return writeFileSync(`cohortfarm-${PACKAGE.version}.tgz`, '');
      default: {
        assert.equal(command, 'install');
        const { words } = read(args, { global: flag, 'ignore-scripts': flag });
        expectWords(words, /^\.\//);
        assert.ok(existsSync(words[0]!), words[0]);
      }
    }
  },
  pip([command, ...args]) {
    const { version } = JSON.parse(text('package-lock.json')).packages['node_modules/onnxruntime-node'];
    const name = { 'no-deps': flag, 'only-binary': value, 'python-version': value, platform: value, target: value };
    const { values, words } = read(args, name);
    if (command === 'download') {
      expectWords(words, `onnxruntime-gpu==${version}`);
      assert.deepEqual([values['only-binary'], values.platform], [':all:', 'manylinux_2_28_x86_64']);
      const members = ['cuda', 'shared'].map((one) => `onnxruntime/capi/libonnxruntime_providers_${one}.so`);
      const script =
        'import sys, zipfile; file = zipfile.ZipFile(sys.argv[1], "w"); [file.writestr(name, "") for name in sys.argv[2:]]';
      execFileSync('python3', [
        '-c',
        script,
        `onnxruntime_gpu-${version}-cp312-cp312-manylinux_2_28_x86_64.whl`,
        ...members,
      ]);
      return;
    }
    assert.equal(command, 'install');
    const known = [...text('test/cuda/requirements.txt').matchAll(/^([\w-]+)==/gm)].map(([, one]) => one);
    assert.deepEqual([...words].sort(), known.sort(), 'the packages with which test/cuda finds every library');
    for (const part of ['cu13', 'cudnn'])
      mkdirSync(join(String(values.target), 'nvidia', part, 'lib'), { recursive: true });
  },
};

const [name, ...args] = process.argv.slice(2);
PROGRAMS[name!]!(args);
