import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { dataCheckSchema } from '../../contract/schema/data-check.ts';
import { dataCheck } from '../../contract/training/steps.ts';
import { resolveUri } from '../../platform/resource.ts';
import { loadDataset } from '../load.ts';
import { addS3Options, type S3Flags } from '../open.ts';
import { describeData } from '../train/data-report.ts';
import { checkInputs } from '../train/inputs.ts';
import { runStep } from '../train/run-step.ts';
import { PYTHON_OPTION, trainerPython } from '../train/venv.ts';

/** `cohortfarm check-data`: what the stages and sites of a dataset read of real data, before anything is trained. */

interface CheckDataOptions extends S3Flags {
  readonly file: string;
  readonly python?: string;
  readonly json?: boolean;
}

export function addCheckData(program: Command): void {
  addS3Options(
    program
      .command('check-data')
      .description(
        'Read the real data of spec.training as its stages and sites will: counts by label, group, view, split and site, and all that is not understood.',
      )
      .requiredOption('-f, --file <yaml>', 'the SyntheticDataset')
      .option(...PYTHON_OPTION)
      .option('--json', 'print one JSON object'),
  ).action(async (options: CheckDataOptions) => {
    process.exitCode = await checkData(options);
  });
}

async function checkData(options: CheckDataOptions): Promise<number> {
  const { dataset, resources } = await loadDataset(options.file, options);
  const resolve = (uri: string): string => resolveUri(uri, resources.baseDir);
  const output = await mkdtemp(join(tmpdir(), 'cohortfarm-data-'));
  try {
    const config = dataCheck(dataset, { output, resolve });
    if (!config) {
      throw new UsageError(
        `${options.file}: spec.training names no real data; add data to a stage, or evaluation.sites`,
      );
    }
    await checkInputs(dataset.spec.training!, { resolve, s3: resources.s3 });
    const step = { name: 'check-data', command: 'check', needs: [], stage: null, config } as const;
    const { code } = await runStep(step, options.python ?? (await trainerPython()));
    const report = await readFile(join(output, 'data.json'), 'utf8').catch(() => null);
    if (report) {
      const found = dataCheckSchema.parse(JSON.parse(report));
      process.stdout.write(options.json ? `${JSON.stringify(found)}\n` : describeData(found));
    }
    return code;
  } finally {
    await rm(output, { recursive: true, force: true });
  }
}
