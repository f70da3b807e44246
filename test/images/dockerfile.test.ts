import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it } from 'node:test';
import { promisify } from 'node:util';
import { virtualPython } from '../../cli/train/venv.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';
import { type Instruction, stagesOf } from './context.ts';

const run = promisify(execFile);
const skip = await missingPython();

const IMAGES = [
  ['images/Dockerfile', 'cpu'],
  ['images/Dockerfile', 'cuda'],
  ['images/trainer.Dockerfile', 'trainer'],
] as const;
const texts = (stage: readonly Instruction[], name: string): string[] =>
  stage.filter((one) => one.name === name).map(({ text }) => text);

describe('the Dockerfiles', () => {
  it('satisfy hadolint', { skip }, async () => {
    const python = await virtualPython({
      name: 'hadolint',
      requirements: [join(REPO, 'test/images/requirements.txt')],
    });
    const files = [...new Set(IMAGES.map(([file]) => file))];
    await run(join(dirname(python), 'hadolint'), ['--failure-threshold', 'info', ...files], { cwd: REPO });
  });

  for (const file of ['images/Dockerfile', 'images/trainer.Dockerfile']) {
    it(`${file} begins with images by digest alone, and the digests come from outside`, async () => {
      const stages = await stagesOf(file);
      for (const [from] of [...stages.values()].map((stage) => texts(stage, 'FROM'))) {
        const image = from?.split(' ')[0];
        if (image === undefined || image === 'scratch' || stages.has(image)) continue;
        assert.match(image, /^\$\{(\w+)_IMAGE\}@\$\{\1_DIGEST\}$/);
      }
      const digests = texts(stages.get('')!, 'ARG').filter((text) => text.includes('DIGEST'));
      assert.ok(digests.length > 0 && digests.every((text) => !text.includes('=')));
    });
  }

  for (const [file, target] of IMAGES) {
    it(`${target} runs as nobody, stops on SIGTERM, and says what it is`, async () => {
      const stage = (await stagesOf(file)).get(target)!;
      assert.deepEqual(texts(stage, 'USER'), ['65532:65532']);
      assert.deepEqual(texts(stage, 'STOPSIGNAL'), ['SIGTERM']);
      const labels = texts(stage, 'LABEL').join(' ');
      for (const label of ['title', 'description', 'licenses', 'version', 'revision']) {
        assert.match(labels, new RegExp(`org\\.opencontainers\\.image\\.${label}="[^"]+"`));
      }
      assert.equal(stage.at(-2)!.name, 'ENTRYPOINT');
    });
  }

  it('install from the lock file and let no package run a script', async () => {
    const [install] = texts((await stagesOf('images/Dockerfile')).get('dependencies')!, 'RUN');
    assert.match(install!, /npm ci --omit=dev --ignore-scripts/);
  });

  it('take the CUDA provider of the very version that the npm package has', async () => {
    const lock = JSON.parse(await readFile(join(REPO, 'package-lock.json'), 'utf8'));
    const { version } = lock.packages['node_modules/onnxruntime-node'];
    const wheel = await readFile(join(REPO, 'images/onnxruntime-gpu.txt'), 'utf8');
    assert.match(wheel, new RegExp(`^onnxruntime-gpu==${version} --hash=sha256:[0-9a-f]{64}\n$`));
  });

  it('B6: leave the architecture to the engine, whose value a default in a stage would beat', async () => {
    for (const file of ['images/Dockerfile', 'images/trainer.Dockerfile']) {
      const args = [...(await stagesOf(file)).values()].flatMap((stage) => texts(stage, 'ARG'));
      assert.deepEqual(
        args.filter((text) => /^(TARGET|BUILD)(PLATFORM|OS|ARCH|VARIANT)=/.test(text)),
        [],
      );
    }
  });

  it('B1: are built from a clean clone, which pins the base images first', async () => {
    const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-build-'));
    try {
      await run('git', ['clone', '--quiet', '--depth', '1', `file://${REPO}`, join(folder, 'clone')]);
      // Looks at what an engine is asked; there is none here that would build.
      const docker = `#!/bin/sh\necho "$@" >> ${folder}/calls\n[ "$2" = build ] || echo sha256:${'a'.repeat(64)}\n`;
      await writeFile(join(folder, 'docker'), docker, { mode: 0o755 });
      const env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
      const build = () => run('images/build.sh', ['cpu'], { cwd: join(folder, 'clone'), env });
      assert.match((await build()).stderr, /pins the base images of today in images\/digests\.env/);
      assert.equal((await build()).stderr, '');
      const calls = (await readFile(join(folder, 'calls'), 'utf8')).trim().split('\n');
      assert.deepEqual(
        calls.map((call) => call.split(' ')[1]),
        ['imagetools', 'imagetools', 'imagetools', 'build', 'build'],
      );
      assert.match(calls[3]!, /--build-arg NODE_DIGEST=sha256:a{64} .*--tag cohortfarm:\S+ --load \.$/);
    } finally {
      await rm(folder, { recursive: true, force: true });
    }
  });

  it('are built only from pinned digests', async () => {
    const script = run(join(REPO, 'images/build.sh'), ['everything'], { cwd: REPO });
    await assert.rejects(script, /"everything" is none of cpu, cuda, trainer/);
  });
});
