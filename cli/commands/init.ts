import { writeFile } from 'node:fs/promises';
import { createInterface } from 'node:readline/promises';
import { type Command, Option } from 'commander';
import { parse } from 'yaml';
import { UsageError } from '../../contract/failure.ts';
import { parseDataset } from '../../contract/validate/parse.ts';
import { type Answers, renderTemplate, TEMPLATES, type TemplateName } from '../template.ts';

/** `cohortfarm init`: writes a first resource to edit. */

interface InitOptions {
  readonly file: string;
  readonly from?: TemplateName;
  readonly name?: string;
  readonly samples?: string;
  readonly output?: string;
}

const NAMES = Object.keys(TEMPLATES) as TemplateName[];

export function addInit(program: Command): void {
  program
    .command('init')
    .description('Write a first SyntheticDataset to edit. Asks on a terminal for what no option says.')
    .option('-f, --file <yaml>', 'the file to write; one that is there stays as it is', 'dataset.yaml')
    .addOption(new Option('--from <template>', 'what to begin with; default: phantom').choices(NAMES))
    .option('--name <name>', 'name of the dataset; default: that of the template')
    .option('--samples <n>', 'wanted images; default: those of the template')
    .option('-o, --output <uri>', 'directory or s3://bucket/prefix of the dataset; default: that of the template')
    .action(async (options: InitOptions) => {
      const answers = process.stdin.isTTY && process.stdout.isTTY ? await ask(options) : options;
      await write(options.file, complete(answers));
      process.stdout.write(`Wrote ${options.file}. Next:\n${nextSteps(options.file, answers.from)}`);
    });
}

type Asked = Pick<InitOptions, 'from' | 'name' | 'samples' | 'output'>;

/** Empty answers mean the default. */
async function ask(given: InitOptions): Promise<Asked> {
  const lines = createInterface({ input: process.stdin, output: process.stdout });
  const answer = async (question: string, given: string | undefined) =>
    given ?? ((await lines.question(question)).trim() || undefined);
  try {
    if (!given.from) for (const name of NAMES) process.stdout.write(`  ${name.padEnd(12)} ${TEMPLATES[name].about}\n`);
    return {
      from: (await answer(`What to begin with (${NAMES.join(', ')}) [phantom]: `, given.from)) as TemplateName,
      name: await answer("Name of the dataset [the template's]: ", given.name),
      samples: await answer("Wanted images [the template's]: ", given.samples),
      output: await answer("Output, a folder or s3://bucket/prefix [the template's]: ", given.output),
    } as Asked;
  } finally {
    lines.close();
  }
}

function complete({ from = 'phantom', name = from, samples, output }: Asked): Answers {
  if (!NAMES.includes(from))
    throw new UsageError(`${JSON.stringify(from)} is not a template; choose ${NAMES.join(', ')}`);
  if (samples !== undefined && !/^[1-9]\d{0,9}$/.test(samples)) {
    throw new UsageError(
      `--samples: ${JSON.stringify(samples)} is not a number of images; write a whole number from 1`,
    );
  }
  return { from, name, ...(samples && { samples: Number(samples) }), ...(output !== undefined && { output }) };
}

/** @throws SpecError for what makes no valid resource, UsageError when the file cannot be created */
async function write(file: string, answers: Answers): Promise<void> {
  const text = await renderTemplate(answers);
  parseDataset(parse(text));
  await writeFile(file, text, { flag: 'wx' }).catch((cause: NodeJS.ErrnoException) => {
    const fix =
      cause.code === 'EEXIST' ? 'is there already; choose another with --file' : `cannot be written (${cause.code})`;
    throw new UsageError(`--file: ${file} ${fix}`, { cause });
  });
}

function nextSteps(file: string, from: TemplateName = 'phantom'): string {
  const steps = [
    [`cohortfarm plan -f ${file}`, 'the quota grid, in whole images'],
    from === 'phantom'
      ? [`cohortfarm run -f ${file} --verify`, 'grow it on this machine']
      : [`kubectl apply -f ${file}`, 'grow it on a cluster (docs/install.md)'],
  ] as const;
  const width = Math.max(...steps.map(([command]) => command.length));
  return steps.map(([command, about]) => `  ${command.padEnd(width)}   # ${about}\n`).join('');
}
