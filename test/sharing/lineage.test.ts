import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Manifest } from '../../contract/schema/manifest.ts';
import { systemClock } from '../../kube/clock.ts';
import { createLineageReporter } from '../../operator/lineage/reporter.ts';
import { openLineage } from '../../platform/lineage.ts';
import { createLogger } from '../../platform/log.ts';
import { childrenOf, runCli, startCli } from '../support/cli.ts';
import { smallDataset } from '../support/dataset.ts';
import { writeSmallDemo } from '../support/demo.ts';
import { sampleStatus } from '../support/status.ts';
import { missingPython } from '../support/venv.ts';
import { runPython } from './python.ts';

/** OpenLineage events of `cohortfarm run` and of the operator, read by OpenLineage's own library. */

describe('F12: lineage', { skip: await missingPython() }, () => {
  let dir: string;
  let file: string;
  const at = (name: string): string => join(dir, name);
  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-lineage-'));
    file = await writeSmallDemo(dir, (spec) => {
      spec.quota.samples = 32;
      spec.model.sampling.steps = 4;
    });
  });
  after(() => rm(dir, { recursive: true, force: true }));
  const events = async (path: string) =>
    (await readFile(path, 'utf8'))
      .trim()
      .split('\n')
      .map((line) => JSON.parse(line));

  it('a run reports what went in and what came out, in the words of the specification', async () => {
    const { code, stderr } = await runCli(['run', '-f', file, '-o', at('cohort'), '--lineage', at('events.jsonl')]);
    assert.equal(code, 0, stderr);
    assert.deepEqual(JSON.parse(await runPython('check_lineage.py', [at('events.jsonl')])), ['START', 'COMPLETE']);
    const [start, complete] = await events(at('events.jsonl'));
    const manifest: Manifest = JSON.parse(await readFile(at('cohort/dataset.json'), 'utf8'));
    assert.equal(start.run.runId, complete.run.runId);
    const [model] = complete.inputs;
    assert.deepEqual([model.namespace, model.facets.version.datasetVersion], ['file', manifest.model.digest]);
    const [output] = complete.outputs;
    assert.deepEqual([output.name, output.facets.version.datasetVersion], [at('cohort'), manifest.planDigest]);
    const { rowCount, size, fileCount } = output.outputFacets.outputStatistics;
    const bytes = manifest.shards.reduce((sum, shard) => sum + shard.bytes, 0);
    assert.deepEqual([rowCount, size, fileCount], [manifest.samples.accepted, bytes, manifest.shards.length]);
  });

  it('the events of an operator are in the words of the specification, too', async () => {
    const report = createLineageReporter({
      sink: openLineage({ target: at('operator.jsonl'), setting: 'OPENLINEAGE_URL' }),
      namespace: 'lab',
      clock: systemClock,
      wallClock: () => 0,
      log: createLogger({ name: 'test', level: 'silent' }),
    });
    const { conditions = [], manifest, ...running } = sampleStatus();
    const later = (type: string, status: 'True' | 'False', minute: number) =>
      conditions.map((one) =>
        one.type === type ? { ...one, status, lastTransitionTime: `2026-01-02T03:${minute}:00Z` } : one,
      );
    const dataset = smallDataset();
    for (const [owner, status] of [
      [{}, { ...running, conditions }],
      [{}, { ...running, conditions: later('Stalled', 'True', 10) }],
      [{}, { ...running, conditions: later('Stalled', 'False', 20) }],
      [{}, { ...running, conditions: later('Published', 'True', 30), manifest: manifest! }],
      [
        { uid: 'other', deletedAt: '2026-01-02T03:40:00Z' },
        { ...running, conditions },
      ],
    ] as const)
      report.report({
        owner: { namespace: 'research', name: 'small', uid: 'one', ...owner },
        status,
        dataset: () => dataset,
      });
    await report.flush();
    const types = JSON.parse(await runPython('check_lineage.py', [at('operator.jsonl')]));
    assert.deepEqual(types, ['START', 'RUNNING', 'FAIL', 'RUNNING', 'COMPLETE', 'START', 'RUNNING', 'ABORT']);
  });

  it('a failure and a stop are reported, too', async () => {
    const other = await writeSmallDemo(dir, (spec) => {
      spec.seed = 5;
    });
    const failed = await runCli(['run', '-f', other, '-o', at('cohort'), '--lineage', at('failed.jsonl')]);
    assert.equal(failed.code, 78);
    const stopped = startCli(['run', '-f', other, '-o', at('stopped'), '--lineage', at('failed.jsonl')]);
    // Its engine is started when it listens to signals.
    while ((await childrenOf(stopped.process.pid!)).length === 0) await sleep(50);
    stopped.process.kill('SIGINT');
    assert.equal((await stopped.outcome).code, 75);
    const types = JSON.parse(await runPython('check_lineage.py', [at('failed.jsonl')]));
    assert.deepEqual(types, ['START', 'FAIL', 'START', 'ABORT']);
    const [, fail] = await events(at('failed.jsonl'));
    assert.match(fail.run.facets.errorMessage.message, /belongs to plan/);
  });

  it('a server gets them with its key; one that fails changes nothing but a remark', async (t) => {
    const got: { url: string; key: string | undefined; event: { eventType: string } }[] = [];
    let answer = 201;
    const server = createServer(async (request: IncomingMessage, response) => {
      const body = (await Array.fromAsync(request)).join('');
      got.push({ url: request.url!, key: request.headers.authorization, event: JSON.parse(body) });
      response.writeHead(answer).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.closeAllConnections());
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { OPENLINEAGE_URL: url, OPENLINEAGE_API_KEY: 'the-api-key', OPENLINEAGE_NAMESPACE: 'lab' };
    // The dataset is complete: nothing is grown again.
    const again = await runCli(['run', '-f', file, '-o', at('cohort')], env);
    assert.equal(again.code, 0, again.stderr);
    const seen = got.map(({ url, key, event }) => [url, key, event.eventType]);
    const common = ['/api/v1/lineage', 'Bearer the-api-key'];
    assert.deepEqual(seen, [
      [...common, 'START'],
      [...common, 'COMPLETE'],
    ]);
    answer = 500;
    const failing = await runCli(['run', '-f', file, '-o', at('cohort')], env);
    assert.equal(failing.code, 0);
    assert.equal(
      failing.stderr.match(/OpenLineage events are lost \(http:\/\/127\.0\.0\.1:\d+ answers 500\)/g)?.length,
      1,
    );
    server.closeAllConnections();
    server.close();
    const dead = await runCli(['run', '-f', file, '-o', at('cohort'), '--lineage', url]);
    assert.match(dead.stderr, /OpenLineage events are lost \(fetch failed: .*ECONNREFUSED/);
    assert.equal(dead.code, 0);
    const wrong = await runCli(['run', '-f', file, '-o', at('cohort'), '--lineage', 'ftp://user:password@host']);
    assert.equal(wrong.code, 2);
    assert.match(wrong.stderr, /--lineage: "ftp:\/\/.*" is neither a file nor the address of an OpenLineage server/);
    assert.doesNotMatch(wrong.stderr, /password@/);
    const run = ['run', '-f', file, '-o', at('cohort')];
    const variable = await runCli(run, { OPENLINEAGE_URL: 'localhost:5000' });
    assert.equal(variable.code, 2);
    assert.match(variable.stderr, /OPENLINEAGE_URL: "localhost:5000" is neither a file nor the address/);
    const broken = await runCli(run, { ...env, OPENLINEAGE_API_KEY: 'first-line\nsecond-line' });
    assert.equal(broken.code, 2);
    assert.match(broken.stderr, /OPENLINEAGE_API_KEY is not a key/);
    assert.doesNotMatch(broken.stderr, /first-line|second-line/);
  });
});
