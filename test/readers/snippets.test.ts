import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { describe, it, type TestContext } from 'node:test';
import { promisify } from 'node:util';
import { TRAINER_ENVIRONMENT, virtualPython } from '../../cli/train/venv.ts';
import { openStore } from '../../platform/store/store.ts';
import { startS3Server } from '../../testbed/servers/s3.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { missingPython } from '../support/venv.ts';
import { growDataset, readersDataset } from './fixture.ts';

/** The snippets of the dataset card that readers.test.ts does not run: training with workers, a private bucket, DuckDB. */

const run = promisify(execFile);

const skip = (await missingPython()) || (await missingForServers());

interface Snippet {
  readonly rounds: number;
  readonly shape: number[] | null;
  readonly labels: Record<string, string>[];
  readonly workers: number;
  readonly size: number[];
  readonly values: number | null;
}

describe('B15: the snippets of the card run as they stand', { skip }, () => {
  const runSnippets = async (t: TestContext, bitDepth: 8 | 16) => {
    const s3 = await startS3Server();
    const folder = await mkdtemp(join(tmpdir(), 'cohortfarm-snippets-'));
    t.after(async () => {
      await s3.stop();
      await rm(folder, { recursive: true, force: true });
    });
    await s3.createBucket('cohorts');
    const dataset = readersDataset('png', 90, bitDepth);
    dataset.spec.output.uri = 's3://cohorts/small';
    const { manifest } = await growDataset(openStore('s3://cohorts/small', s3.options), dataset);
    const local = openStore(folder);
    const remote = openStore('s3://cohorts/small', s3.options);
    for await (const { key } of remote.list(''))
      await local.create(key, (await remote.get(key))!, { contentType: 'application/octet-stream' });
    const python = await virtualPython({
      name: 'card',
      requirements: [join(import.meta.dirname, 'requirements-card.txt')],
      base: TRAINER_ENVIRONMENT,
    });
    const script = join(import.meta.dirname, 'run_snippets.py');
    const PATH = `${dirname(python)}:${process.env.PATH}`;
    const env = { ...process.env, ...s3.env, AWS_ENDPOINT_URL: s3.endpoint, PATH };
    const { stdout } = await run(python, [script, folder], { env });
    const found: Record<'streaming' | 'torch' | 'aws' | 'duckdb', Snippet> = JSON.parse(
      stdout.slice(stdout.lastIndexOf('\n{') + 1),
    );
    return { ...found, manifest, stdout };
  };

  it('a DataLoader with several workers, a private bucket, DuckDB', async (t) => {
    const { torch, aws, duckdb, manifest, stdout } = await runSnippets(t, 8);
    assert.equal(torch.workers, 3);
    assert.deepEqual(torch.shape!.slice(1), [3, 64, 64]);
    assert.equal(torch.labels.length, torch.shape![0]);
    assert.deepEqual(Object.keys(torch.labels[0]!).sort(), ['age', 'finding', 'race', 'sex']);
    // Each worker makes batches of the samples of its own shard.
    assert.equal(
      torch.rounds,
      manifest.shards.reduce((sum, { accepted }) => sum + Math.ceil(accepted / 16), 0),
    );
    assert.deepEqual([aws.rounds, aws.size], [manifest.samples.accepted, [64, 64]]);
    assert.ok(duckdb);
    assert.match(stdout, /images/);
  });

  it('F9: values of 16 bits arrive as such', async (t) => {
    const { streaming, torch, aws, manifest } = await runSnippets(t, 16);
    assert.deepEqual([streaming.rounds, aws.rounds], [manifest.samples.accepted, manifest.samples.accepted]);
    for (const { values } of [streaming, aws]) assert.ok(values! > 256, `${values} values`);
    assert.deepEqual(torch.shape!.slice(1), [1, 64, 64]);
    assert.ok(torch.values! > 256, `${torch.values} values`);
  });
});
