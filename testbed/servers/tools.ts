import { execFile } from 'node:child_process';
import { access, constants, mkdir, readFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);

/** A program that tests start, built from a Go module of its own below tools/. Its version is the one in that go.mod. */
export interface GoTool {
  /** Folder below tools/. */
  module: string;
  /** Module that the version is read from. */
  versionOf: string;
  /** Package to build. */
  package: string;
  name: string;
  /** Flags for the linker, given the version: what a program says about itself. */
  ldflags?: (version: string) => string;
  /** Build tags, with commas. */
  tags?: string;
  /** Whether it needs a C compiler. */
  cgo?: boolean;
}

const REQUIRED: readonly { command: string; install: string }[] = [
  { command: 'go', install: 'Go 1.26 or newer (https://go.dev/dl)' },
  { command: 'flock', install: 'util-linux' },
  { command: 'setpriv', install: 'util-linux' },
];

/**
 * One line that says what to install before servers can be built and run, for `describe(name, {skip})`; false when all is
 * there. With CI set, what is missing is an error instead: nothing skips there.
 */
export async function missingForServers(env: NodeJS.ProcessEnv = process.env): Promise<string | false> {
  for (const { command, install } of REQUIRED) {
    const found = await run('/bin/sh', ['-c', `command -v ${command}`], { env }).catch(() => undefined);
    if (found !== undefined) continue;
    const line = `these tests start real servers and need "${command}" on the PATH: install ${install}`;
    if (env.CI) throw new Error(line);
    return line;
  }
  return false;
}

/**
 * Path of a tool. The environment may give one that is there already: COHORTFARM_TEST_NAME (such as
 * COHORTFARM_TEST_NATS_SERVER) its path, or KUBEBUILDER_ASSETS the folder it is in. Else it is built:
 * `${COHORTFARM_CACHE:-~/.cache/cohortfarm}/bin/NAME-VERSION`. The first call builds it (a minute or two on two cores,
 * more for Kubernetes); others wait for that build. A killed build leaves no half-written program.
 */
export async function goTool(tool: GoTool, env: NodeJS.ProcessEnv = process.env): Promise<string> {
  return (await givenTool(tool.name, env)) ?? (await builtTool(tool, env));
}

/** Path of a tool that the environment gives. @throws Error when it names a program that can't be run */
export async function givenTool(name: string, env: NodeJS.ProcessEnv): Promise<string | undefined> {
  const variable = `COHORTFARM_TEST_${name.toUpperCase().replaceAll('-', '_')}`;
  const path = env[variable];
  if (path) {
    if (await isExecutable(path)) return path;
    throw new Error(`${variable} is "${path}", which can't be run: give the path of ${name}, or unset it to build one`);
  }
  const asset = env.KUBEBUILDER_ASSETS && join(env.KUBEBUILDER_ASSETS, name);
  return asset && (await isExecutable(asset)) ? asset : undefined;
}

const isExecutable = (path: string): Promise<boolean> =>
  access(path, constants.X_OK).then(
    () => true,
    () => false,
  );

/** The folder of what tests build or download. */
export const cacheFolder = (env: NodeJS.ProcessEnv = process.env): string =>
  env.COHORTFARM_CACHE || join(homedir(), '.cache', 'cohortfarm');

async function builtTool(tool: GoTool, env: NodeJS.ProcessEnv): Promise<string> {
  const folder = fileURLToPath(new URL(`tools/${tool.module}/`, import.meta.url));
  const bin = join(cacheFolder(env), 'bin');
  const version = await requiredVersion(join(folder, 'go.mod'), tool.versionOf);
  const path = join(bin, `${tool.name}-${version}`);
  const isBuilt = await access(path).then(
    () => true,
    () => false,
  );
  if (isBuilt) return path;
  await mkdir(bin, { recursive: true });
  process.stderr.write(`building ${tool.name} for the tests (minutes, once)\n`);
  // The lock is released with its holder, however that exits. A process that waited finds the program built.
  const script = `
    test -e "$TARGET" && exit
    go build -trimpath -buildvcs=false -tags "$TAGS" -ldflags "$LDFLAGS" -o "$TARGET.unfinished" "$PACKAGE" && mv "$TARGET.unfinished" "$TARGET"`;
  try {
    await run('flock', [`${path}.lock`, 'sh', '-c', script], {
      cwd: folder,
      env: {
        ...env,
        CGO_ENABLED: tool.cgo ? '1' : '0',
        TARGET: path,
        PACKAGE: tool.package,
        TAGS: tool.tags ?? '',
        LDFLAGS: tool.ldflags?.(version) ?? '-s -w',
      },
    });
  } catch (cause) {
    throw new Error(`cannot build ${tool.name} in ${folder}: ${(cause as { stderr?: string }).stderr}`, { cause });
  }
  return path;
}

async function requiredVersion(goMod: string, module: string): Promise<string> {
  const lines = (await readFile(goMod, 'utf8')).split('\n').map((line) => line.trim().replace(/^require\s+/, ''));
  const version = lines.find((line) => line.startsWith(`${module} v`))?.split(' ')[1];
  if (version === undefined) throw new Error(`${goMod} requires no version of ${module}`);
  return version;
}
