import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { metricsSchema } from '../contract/schema/metrics.ts';
import { outcomeSchema } from '../contract/schema/outcome.ts';
import { stageConfigSchema } from '../contract/schema/stage.ts';

/**
 * Writes the JSON Schemas that the trainer reads its config by and checks its results against. With --check it writes
 * nothing and fails when a file is not what it would write:
 *   node trainer/generate.ts [--check]
 */

const FOLDER = new URL('cohortfarm_trainer/schemas/', import.meta.url);
const SCHEMAS = {
  stage: z.toJSONSchema(stageConfigSchema, { io: 'input' }),
  metrics: z.toJSONSchema(metricsSchema),
  outcome: z.toJSONSchema(outcomeSchema),
};

await mkdir(FOLDER, { recursive: true });
for (const [name, schema] of Object.entries(SCHEMAS)) {
  const file = new URL(`${name}.json`, FOLDER);
  const text = `${JSON.stringify(schema, null, 1)}\n`;
  if (!process.argv.includes('--check')) {
    await writeFile(file, text);
  } else if ((await readFile(file, 'utf8').catch(() => '')) !== text) {
    process.stderr.write(`${fileURLToPath(file)} is stale: run "npm run generate" and commit what it writes\n`);
    process.exitCode = 1;
  }
}
