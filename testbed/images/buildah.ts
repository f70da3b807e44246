import { execFile } from 'node:child_process';
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { REPO } from '../../test/support/cli.ts';
import { unpackedPackages } from '../real/packages.ts';
import { cacheFolder } from '../servers/tools.ts';
import { baseFileSystem } from './base.ts';
import { type Architecture, emulateArm64, OWN_ARCHITECTURE } from './emulation.ts';

const run = promisify(execFile);

/** Builds images/Dockerfile with a real engine, which needs root and neither a daemon nor an image registry. */

const PACKAGES = ['buildah', 'libgpgme11', 'libassuan0'];
const LIBRARIES = `/usr/lib/${OWN_ARCHITECTURE === 'arm64' ? 'aarch64' : 'x86_64'}-linux-gnu`;
const CERTIFICATES = '/etc/ssl/certs/ca-certificates.crt';
const BASE = 'localhost/base/node';

export interface Build {
  /** The image, as an OCI archive. */
  readonly archive: string;
  readonly name: string;
  /** Another than this machine's is emulated. */
  readonly architecture?: Architecture;
  /** Runs in a container of the image when it is built, if given; the promise is what it prints. */
  readonly command?: readonly string[];
}

/** Builds the target cpu of the unchanged Dockerfile. @returns what the command prints */
export async function buildCpuImage({
  archive,
  name,
  architecture = OWN_ARCHITECTURE,
  command,
}: Build): Promise<string> {
  const stopEmulation = architecture === OWN_ARCHITECTURE ? async () => {} : await emulateArm64();
  const folder = await mkdtemp(join(cacheFolder(), 'buildah-'));
  const policy = ['--signature-policy', join(folder, 'policy.json')];
  try {
    const base = await baseFileSystem(architecture);
    const buildah = await engine(await unpackedPackages('buildah', PACKAGES), folder);
    const container = await buildah('from', 'scratch');
    await buildah('add', '--quiet', container, base, '/');
    await buildah(
      'config',
      '--arch',
      architecture,
      '--env',
      'PATH=/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin',
      container,
    );
    await buildah('commit', ...policy, '--rm', container, `${BASE}:24`);
    const digest = await buildah('inspect', '--type', 'image', '--format', '{{.FromImageDigest}}', `${BASE}:24`);
    const { stdout: registry } = await run('npm', ['config', 'get', 'registry']);
    await writeFile(join(folder, 'npmrc'), `registry=${registry.trim()}\ncafile=${CERTIFICATES}\n`);
    const args = { NODE_IMAGE: BASE, NODE_DIGEST: digest, TARGETARCH: architecture };
    await buildah(
      'bud',
      ...policy,
      // Without namespaces and a runtime of its own; the network is the machine's.
      ...['--isolation', 'chroot', '--network', 'host', '--pull-never', '--arch', architecture],
      ...['--volume', `${join(folder, 'npmrc')}:/root/.npmrc:ro`, '--volume', `${CERTIFICATES}:${CERTIFICATES}:ro`],
      ...Object.entries(args).flatMap(([key, value]) => ['--build-arg', `${key}=${value}`]),
      ...['--file', 'images/Dockerfile', '--target', 'cpu', '--tag', 'built', '.'],
    );
    await buildah('push', ...policy, 'localhost/built', `oci-archive:${archive}:${name}`);
    if (!command) return '';
    const built = await buildah('from', ...policy, '--pull-never', '--arch', architecture, 'localhost/built');
    return await buildah('run', '--isolation', 'chroot', built, '--', ...command);
  } finally {
    // Layers are mounted in a namespace that is gone by now.
    await rm(folder, { recursive: true, force: true });
    await stopEmulation();
  }
}

/** Buildah with its storage in a folder. Its libraries are laid over the machine's, in a mount namespace. */
async function engine(root: string, folder: string): Promise<(...args: string[]) => Promise<string>> {
  const [storage, registries] = [join(folder, 'storage.conf'), join(folder, 'registries.conf')];
  await mkdir(join(folder, 'storage'));
  await writeFile(
    storage,
    `[storage]\ndriver = "overlay"\nrunroot = "${folder}/run"\ngraphroot = "${folder}/storage"\n`,
  );
  await writeFile(registries, 'unqualified-search-registries = []\n');
  await writeFile(join(folder, 'policy.json'), '{"default": [{"type": "insecureAcceptAnything"}]}\n');
  const script = `mount -t overlay overlay -o "lowerdir=$1${LIBRARIES}:${LIBRARIES}" ${LIBRARIES}; shift; exec "$@"`;
  const env = { ...process.env, CONTAINERS_STORAGE_CONF: storage, CONTAINERS_REGISTRIES_CONF: registries };
  return async (...args) => {
    const command = [join(root, 'usr/bin/buildah'), ...args];
    const unshare = ['--mount', '--propagation', 'private', 'sh', '-ec', script, 'sh', root, ...command];
    const { stdout } = await run('unshare', unshare, { cwd: REPO, env, maxBuffer: 2 ** 28 });
    return stdout.trim();
  };
}
