import { resolve } from 'node:path';
import type { Command } from 'commander';
import { UsageError } from '../../contract/failure.ts';
import { objects } from '../../contract/names.ts';
import { stageConfigSchema } from '../../contract/schema/stage.ts';
import { AGE_BINS } from '../../contract/training/steps.ts';
import { resolveUri } from '../../platform/resource.ts';
import { runStep } from '../train/run-step.ts';
import { PYTHON_OPTION, trainerPython } from '../train/venv.ts';

/** `cohortfarm audit`: the report of an evaluation from a table of predictions, of any model. */

interface AuditOptions {
  readonly output: string;
  readonly ages: string;
  readonly bootstraps: string;
  readonly python?: string;
  readonly endpoint?: string;
  readonly json?: boolean;
}

export function addAudit(program: Command): void {
  program
    .command('audit')
    .description(
      'Measure predictions of any model by site and subgroup: a table in Parquet or CSV with patient, label:NAME and score:NAME or logit:NAME, and site, split, sex, age, race where known.',
    )
    .argument('<predictions>', 'the table: a path, or s3://bucket/key')
    .option('-o, --output <uri>', 'folder of metrics.json and report.html', 'audit')
    .option('--ages <bins>', 'subgroups of age', AGE_BINS.join(','))
    .option('--bootstraps <n>', 'resamples of the patients, at least 100', '1000')
    .option('--endpoint <url>', 'of an S3 server other than AWS')
    .option(...PYTHON_OPTION)
    .option('--json', 'print one JSON object at the end')
    .action(async (predictions: string, options: AuditOptions) => {
      process.exitCode = await audit(predictions, options);
    });
}

async function audit(predictions: string, options: AuditOptions): Promise<number> {
  const parsed = stageConfigSchema.safeParse({
    apiVersion: 'cohortfarm.dev/stage/v1',
    name: 'audit',
    type: 'Audit',
    output: resolveUri(options.output, resolve('.')),
    ...(options.endpoint && { s3: { endpoint: options.endpoint, forcePathStyle: true } }),
    ageBins: options.ages.split(',').map((bin) => bin.trim()),
    bootstraps: Number(options.bootstraps),
    predictions: resolveUri(predictions, resolve('.')),
  });
  if (!parsed.success) {
    const flags: Readonly<Record<string, string>> = { ageBins: '--ages', bootstraps: '--bootstraps' };
    const lines = parsed.error.issues.map(
      ({ path, message }) => `${flags[String(path[0])] ?? path.join('.')}: ${message}`,
    );
    throw new UsageError(lines.join('\n'));
  }
  const step = { name: 'audit', command: 'audit', needs: [], stage: null, config: parsed.data } as const;
  const { code, outcome } = await runStep(step, options.python ?? (await trainerPython()));
  if (code !== 0) return code;
  const report = `${parsed.data.output}/${objects.report}`;
  process.stdout.write(
    options.json ? `${JSON.stringify({ metrics: outcome?.metrics, report })}\n` : `Report: ${report}\n`,
  );
  return code;
}
