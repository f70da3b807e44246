import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { EXIT, objects } from '../../contract/names.ts';
import type { Outcome } from '../../contract/schema/outcome.ts';
import { type TrainingStep, trainingSteps } from '../../contract/training/steps.ts';
import { resolveUri } from '../../platform/resource.ts';
import { openStore } from '../../platform/store/store.ts';
import { loadDataset, withOutput } from '../load.ts';
import { addS3Options, type S3Flags } from '../open.ts';
import { checkInputs } from '../train/inputs.ts';
import { runStep } from '../train/run-step.ts';
import { PYTHON_OPTION, trainerPython } from '../train/venv.ts';

/** `cohortfarm train`: the stages of `spec.training` on this machine. */

interface TrainOptions extends S3Flags {
  readonly file: string;
  readonly output?: string;
  readonly python?: string;
  readonly json?: boolean;
}

export function addTrain(program: Command): void {
  addS3Options(
    program
      .command('train')
      .description(
        'Train the stages of spec.training on the published dataset, evaluate and compare them. Run it again to resume.',
      )
      .requiredOption('-f, --file <yaml>', 'the SyntheticDataset')
      .option('-o, --output <uri>', 'where the dataset is; default: spec.output.uri')
      .option(...PYTHON_OPTION)
      .option('--json', 'print one JSON object at the end'),
  ).action(async (options: TrainOptions) => {
    process.exitCode = await train(options);
  });
}

async function train(options: TrainOptions): Promise<number> {
  const loaded = await loadDataset(options.file, options);
  const { spec } = withOutput(loaded.dataset, options.output);
  const { baseDir, s3 } = loaded.resources;
  const output = resolveUri(spec.output.uri, baseDir);
  const resolve = (uri: string): string => resolveUri(uri, baseDir);
  const steps = trainingSteps({ ...loaded.dataset, spec }, { output, resolve });
  if (!spec.training || steps.length === 0)
    throw new UsageError(`${options.file}: spec.training.stages is empty; write the stages to train`);
  if ((await openStore(output, s3).stat(objects.manifest)) === null) {
    throw new UsageError(`${output} holds no complete dataset; grow it first: cohortfarm run -f ${options.file}`);
  }
  await checkInputs(spec.training, { resolve, s3 });
  const python = options.python ?? (await trainerPython());
  const results: Record<string, Outcome['metrics']> = {};
  for (const step of steps) {
    process.stderr.write(`${step.name} (${step.config.type}): ${step.config.output}\n`);
    const { code, outcome } = await runStep(step, python);
    if (code !== EXIT.done) return failed(step, code);
    results[step.name] = outcome?.metrics;
    if (!options.json) process.stdout.write(`${step.name}: ${describe(outcome)}\n`);
  }
  const report = `${steps.at(-1)!.config.output}/${objects.report}`;
  process.stdout.write(options.json ? `${JSON.stringify({ stages: results, report })}\n` : `Report: ${report}\n`);
  return EXIT.done;
}

const describe = (outcome: Outcome | null): string =>
  Object.entries(outcome?.metrics ?? {})
    .map(([name, value]) => `${name} ${Number(value.toPrecision(4))}`)
    .join(', ') || 'done';

function failed(step: TrainingStep, code: number): number {
  const again = code === EXIT.tryAgain || code > 128;
  process.stderr.write(
    again
      ? `${step.name} stopped; run the same command again to resume\n`
      : `${step.name} failed; what depends on it is not run\n`,
  );
  return code > 128 ? EXIT.tryAgain : code;
}
