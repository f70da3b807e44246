import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtemp, rm } from 'node:fs/promises';
import { type AddressInfo, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { ENV } from '../../contract/cluster.ts';
import type { SyntheticDataset } from '../../contract/schema/spec.ts';
import { freePort } from '../../testbed/servers/process.ts';
import { eventually } from '../queue/support.ts';
import { type Role, startPod, writeResource } from './support.ts';

/** Pods that are asked to stop while they wait for a server that accepts connections and never answers, or for none at all. */

describe('SIGTERM ends at once, to be resumed,', { timeout: 120_000 }, () => {
  let dir: string;
  let asked = 0;
  const silent = createServer(() => asked++);

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'cohortfarm-stop-'));
    silent.listen(0, '127.0.0.1');
    await once(silent, 'listening');
  });

  after(async () => {
    silent.close();
    await rm(dir, { recursive: true, force: true });
  });

  async function stopped(
    role: Role,
    change: (spec: SyntheticDataset['spec']) => void,
    waits: (lines: readonly { msg: string }[]) => boolean,
  ) {
    const file = await writeResource(dir, role, (spec) => {
      spec.output.uri = join(dir, 'out');
      spec.output.s3 = { endpoint: `http://127.0.0.1:${(silent.address() as AddressInfo).port}`, region: 'us-east-1' };
      change(spec);
    });
    const pod = startPod(role, dir, {
      [ENV.natsUrl]: `nats://127.0.0.1:${await freePort()}`,
      [ENV.datasetFile]: file,
      [ENV.datasetUid]: randomUUID(),
      [ENV.planDigest]: 'a'.repeat(64),
      [ENV.cache]: join(dir, 'cache'),
      AWS_ACCESS_KEY_ID: 'unused',
      AWS_SECRET_ACCESS_KEY: 'unused',
    });
    await eventually('the pod waits', () => waits(pod.lines()));
    const begin = performance.now();
    pod.process.kill('SIGTERM');
    const { code, outcome, log } = await pod.end;
    assert.deepEqual([code, outcome?.reason], [75, 'Retrying'], log);
    assert.equal(outcome!.message, 'stopped by SIGTERM; the next pod resumes from what is stored');
    const seconds = (performance.now() - begin) / 1000;
    assert.ok(seconds < 5, `it took ${seconds} s`);
  }

  const isAsked = (): (() => boolean) => {
    const before = asked;
    return () => asked > before;
  };
  const onS3 = (spec: SyntheticDataset['spec']): void => {
    spec.output.uri = 's3://cohorts/stopped';
  };

  test('a worker that fetches its model', async () => {
    const modelOnS3 = (spec: SyntheticDataset['spec']): void => {
      spec.model.uri = 's3://models/large';
    };
    await stopped('work', modelOnS3, isAsked());
  });

  test('a worker that announces its plan', async () => {
    const isReady = (lines: readonly { msg: string }[]) =>
      lines.some(({ msg }) => msg === 'model and gates are loaded');
    await stopped('work', () => {}, isReady);
  });

  test('a publish pod', () => stopped('publish', onS3, isAsked()));

  test('a cleanup pod', () => stopped('cleanup', onS3, isAsked()));
});
