import type { Command } from 'commander';
import { makePlan, type Plan, samplesBetween } from '../../contract/plan/plan.ts';
import { StoreError } from '../../platform/store/store.ts';
import { UsageError } from '../../worker/errors.ts';
import { prepare, readTables } from '../../worker/prepare.ts';
import { describeCohort, describePlan, gridTable } from '../describe-plan.ts';
import { type Loaded, loadDataset } from '../load.ts';

/** `cohortfarm plan`: prints the quota grid; nothing is written. */

interface PlanOptions {
  readonly file: string;
  readonly json?: boolean;
  readonly prompts?: string;
}

export function addPlan(program: Command): void {
  program
    .command('plan')
    .description('Print the quota grid in whole images, and the digest of all that decides the bytes. Writes nothing.')
    .requiredOption('-f, --file <yaml>', 'the SyntheticDataset')
    .option('--prompts <n>', 'also print the prompts of the first n samples')
    .option('--json', 'print JSON')
    .action(async (options: PlanOptions) => {
      const loaded = await loadDataset(options.file);
      const { plan, unreachable } = await planWithOrWithoutModel(loaded);
      const prompts = samplesBetween(plan, 0, Math.min(plan.samples, parseCount(options.prompts)));
      if (options.json) process.stdout.write(`${JSON.stringify({ ...planJson(plan, unreachable), prompts })}\n`);
      else {
        process.stdout.write(planText(plan, unreachable));
        for (const { key, prompt } of prompts) process.stdout.write(`${key}  ${prompt}\n`);
      }
    });
}

function parseCount(text = '0'): number {
  if (/^\d{1,6}$/.test(text)) return Number(text);
  throw new UsageError(`--prompts: ${JSON.stringify(text)} is no number of samples; write a whole number up to 999999`);
}

/** The grid needs no model; only the digest does. So a model that is not reachable from here is a remark, not an error. */
async function planWithOrWithoutModel({
  dataset,
  resources,
}: Loaded): Promise<{ plan: Plan; unreachable: string | null }> {
  try {
    return { plan: (await prepare(dataset, resources)).plan, unreachable: null };
  } catch (error) {
    if (!(error instanceof StoreError)) throw error;
    const tables = await readTables(dataset, resources);
    const model = { digest: '', defaults: { scheduler: '', height: 0, width: 0 } };
    const gateDigests = dataset.spec.quality.gates.map(() => '');
    return { plan: makePlan(dataset, { ...tables, model, gateDigests }), unreachable: error.message };
  }
}

function planText(plan: Plan, unreachable: string | null): string {
  const head =
    unreachable === null
      ? describePlan(plan)
      : `${plan.name}: ${plan.samples} images; no digest, since the model cannot be read from here: ${unreachable}`;
  return `${[gridTable(plan), '', ...describeCohort(plan), head].join('\n')}\n`;
}

function planJson(plan: Plan, unreachable: string | null) {
  const { grid, shares, quotas, cohort } = plan.allocation;
  return {
    name: plan.name,
    planDigest: unreachable === null ? plan.digest : null,
    modelDigest: unreachable === null ? plan.model.digest : null,
    ...(unreachable !== null && { unreachable }),
    samples: plan.samples,
    shards: plan.shards,
    cells: grid.cells.map((cell, i) => ({
      cell: cell.id,
      axes: Object.fromEntries(grid.axes.map((axis, k) => [axis.name, cell.values[k]])),
      share: shares[i],
      samples: quotas[i],
    })),
    ...(cohort && {
      cohort: {
        rows: cohort.rows,
        outside: cohort.outside,
        multiple: cohort.multiple,
        unknownAxes: cohort.unknownAxes,
      },
    }),
  };
}
