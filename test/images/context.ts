import { execFile } from 'node:child_process';
import { cp, mkdir, readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { promisify } from 'node:util';
import { REPO } from '../support/cli.ts';

/** The steps of an engine on images/Dockerfile, as far as files go. */

const run = promisify(execFile);

export interface Instruction {
  readonly name: string;
  readonly text: string;
}

/** The stages of a Dockerfile by name, each with its instructions; what stands before the first is under ''. */
export async function stagesOf(dockerfile: string): Promise<ReadonlyMap<string, readonly Instruction[]>> {
  const text = (await readFile(join(REPO, dockerfile), 'utf8')).replace(/^\s*#.*\n/gm, '').replace(/\\\n/g, ' ');
  const stages = new Map<string, Instruction[]>([['', []]]);
  let current = stages.get('')!;
  for (const line of text.split('\n').filter((line) => line.trim() !== '')) {
    const [, name, rest] = /^(\w+)\s+(.*)$/.exec(line)!;
    if (name === 'FROM') {
      current = [];
      stages.set(/ AS (\w+)$/.exec(rest!)![1]!, current);
    }
    current.push({ name: name!, text: rest!.replace(/\s+/g, ' ').trim() });
  }
  return stages;
}

/** Copies what the COPY instructions of a stage take from the build context, into `target` as the stage's work directory. */
export async function copyContext(instructions: readonly Instruction[], target: string): Promise<void> {
  const files = await contextFiles();
  for (const { name, text } of instructions) {
    if (name !== 'COPY' || text.startsWith('--from')) continue;
    const paths = text.split(' ');
    const to = paths.pop()!;
    for (const from of paths) await copyOne(files, from, to, target);
  }
}

/**
 * As an engine does it: of a folder what is in it, and a file into `to/` under its own name, not under its path.
 * @throws Error when the instruction would copy nothing
 */
async function copyOne(files: readonly string[], from: string, to: string, target: string): Promise<void> {
  const taken = files.filter((file) => file === from || file.startsWith(`${from}/`));
  if (taken.length === 0) throw new Error(`COPY ${from}: nothing of that name is in the build context`);
  for (const file of taken) {
    const name = file === from && to.endsWith('/') ? basename(from) : file.slice(from.length);
    const place = join(target, to, name);
    await mkdir(dirname(place), { recursive: true });
    await cp(join(REPO, file), place);
  }
}

/** Installs in an empty folder what the images hold at /app, with the Dockerfile's own command. */
export async function installApp(target: string): Promise<void> {
  const stages = await stagesOf('images/Dockerfile');
  await copyContext(stages.get('dependencies')!, target);
  const [install] = stages.get('dependencies')!.filter(({ name }) => name === 'RUN');
  const command = install!.text.replace(/^--mount=\S+ /, '');
  const env = { ...process.env, TARGETARCH: process.arch === 'arm64' ? 'arm64' : 'amd64' };
  await run('sh', ['-euc', command], { cwd: target, env, maxBuffer: 2 ** 26 });
  await copyContext(stages.get('app')!, target);
}

/** The repository's files that .dockerignore lets through; the last pattern that fits decides. */
async function contextFiles(): Promise<string[]> {
  const { stdout } = await run('git', ['ls-files', '--cached', '--others', '--exclude-standard'], {
    cwd: REPO,
    maxBuffer: 2 ** 26,
  });
  const rules = (await readFile(join(REPO, '.dockerignore'), 'utf8'))
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => ({ takes: line.startsWith('!'), pattern: patternOf(line.replace(/^!/, '')) }));
  return stdout
    .split('\n')
    .filter((file) => file !== '' && (rules.findLast(({ pattern }) => pattern.test(file))?.takes ?? true));
}

/** A pattern fits a path and all that is below it. */
function patternOf(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*\*\/|\*/g, (star) => (star === '*' ? '[^/]*' : '(.*/)?'));
  return new RegExp(`^${source}(/.*)?$`);
}
