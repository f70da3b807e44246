import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { PALETTE_CSS } from '../browse/look.ts';
import { metricsSchema } from '../contract/schema/metrics.ts';
import { outcomeSchema } from '../contract/schema/outcome.ts';
import { stageConfigSchema } from '../contract/schema/stage.ts';

/**
 * Writes the JSON Schemas by which the trainer reads its config and checks its results, and the palette of its report. With
 * --check it writes nothing and fails when a file is not what it would write:
 *   node trainer/generate.ts [--check]
 */

const PACKAGE = new URL('cohortfarm_trainer/', import.meta.url);
const SCHEMAS = {
  stage: z.toJSONSchema(stageConfigSchema, { io: 'input' }),
  metrics: z.toJSONSchema(metricsSchema),
  outcome: z.toJSONSchema(outcomeSchema),
};

const PALETTE = `"""The palette that all reports share. Generated from browse/look.ts by \`npm run generate\`; do not edit."""

PALETTE = """
${PALETTE_CSS}"""
`;

const files = new Map(
  Object.entries(SCHEMAS).map(([name, schema]) => [`schemas/${name}.json`, `${JSON.stringify(schema, null, 1)}\n`]),
);
files.set('report/palette.py', PALETTE);

await mkdir(new URL('schemas/', PACKAGE), { recursive: true });
for (const [name, text] of files) {
  const file = new URL(name, PACKAGE);
  if (!process.argv.includes('--check')) {
    await writeFile(file, text);
  } else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    process.stderr.write(`${fileURLToPath(file)} is stale: run "npm run generate" and commit what it writes\n`);
    process.exitCode = 1;
  }
}
