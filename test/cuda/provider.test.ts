import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { cp, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { promisify } from 'node:util';
import { virtualPython } from '../../cli/train/venv.ts';
import { REPO } from '../support/cli.ts';
import { missingPython } from '../support/venv.ts';

const run = promisify(execFile);
const python = await missingPython();
const skip = process.arch === 'x64' ? python : 'the CUDA provider is made for linux x64';

/** The CUDA image's libraries, put together from PyPI: what the loader finds there, and that the check would notice. */
describe('the CUDA provider of the pinned wheel', { skip }, () => {
  let site: string;
  /** Beside ONNX Runtime's library, as in the image. */
  let folder: string;
  const check = async (libraries: readonly string[]) => {
    const env = { PATH: process.env.PATH, LD_LIBRARY_PATH: libraries.join(':') };
    const ended = run(process.execPath, ['images/check-cuda.ts', folder], { cwd: REPO, env });
    return ended.then(
      ({ stdout }) => ({ code: 0, stdout }),
      ({ code, stdout }: { code: number; stdout: string }) => ({ code, stdout }),
    );
  };
  const librariesOf = (...names: string[]) => names.map((name) => join(site, 'nvidia', name, 'lib'));

  before(async () => {
    const own = await virtualPython({
      name: 'cuda',
      requirements: [join(REPO, 'images/onnxruntime-gpu.txt'), join(REPO, 'test/cuda/requirements.txt')],
      installs: [
        (venv) => [
          ...['--no-deps', '--only-binary=:all:', '--python-version=3.12', '--platform=manylinux_2_28_x86_64'],
          ...['--target', join(venv, 'cuda'), '-r', join(REPO, 'images/onnxruntime-gpu.txt')],
        ],
        (venv) => ['--no-deps', '--target', join(venv, 'cuda'), '-r', join(REPO, 'test/cuda/requirements.txt')],
      ],
    });
    site = join(dirname(dirname(own)), 'cuda');
    folder = await mkdtemp(join(tmpdir(), 'cohortfarm-cuda-'));
    for (const name of ['cuda', 'shared']) {
      const library = `libonnxruntime_providers_${name}.so`;
      await cp(join(site, 'onnxruntime/capi', library), join(folder, library));
    }
  });
  after(async () => {
    if (folder) await rm(folder, { recursive: true, force: true });
  });

  it('finds every library but the driver', async () => {
    const { code, stdout } = await check(librariesOf('cu13', 'cudnn'));
    assert.match(stdout, /^(no NVIDIA driver \(libcuda\.so\.1 not found\)|nothing is missing)\n$/);
    assert.equal(code, 0);
  });

  it('would be told to lack what an image without CUDA or cuDNN lacks', async () => {
    const without = await check([]);
    assert.equal(without.code, 1);
    assert.match(without.stdout, /libcublas\.so\.13.*libcudart\.so\.13.*libcudnn\.so\.9/);
    const half = await check(librariesOf('cu13'));
    assert.equal(half.code, 1);
    assert.match(half.stdout, /^no CUDA libraries \(libcudnn\.so\.9 not found/);
  });
});
