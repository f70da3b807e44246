import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { after, afterEach, before, beforeEach, describe, it } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { jetstream } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { progress } from '../../contract/cluster.ts';
import type { DatasetStatus } from '../../contract/schema/status.ts';
import { createKube } from '../../kube/client.ts';
import { createTransport } from '../../kube/transport.ts';
import type { Kube, KubeObject } from '../../kube/types.ts';
import { encodePayload } from '../../platform/queue/payload.ts';
import { openShardSource } from '../../platform/queue/shard-source.ts';
import { type Replica, startReplica, until } from '../../testbed/replica.ts';
import type { ControlPlane } from '../../testbed/servers/control-plane.ts';
import { type NatsServer, startNats } from '../../testbed/servers/nats.ts';
import { missingForServers } from '../../testbed/servers/tools.ts';
import { startWithDefinition } from '../crd/definition-server.ts';
import { DIGEST, planEvent, shardEvent } from '../queue/support.ts';
import { documentWith } from '../support/spec.ts';
import { configOf } from './access.ts';

const skip = await missingForServers();

interface Lease extends KubeObject {
  readonly spec: { readonly holderIdentity: string; readonly leaseTransitions: number };
}

/** An Event. */
interface Told {
  readonly reason: string;
  readonly note: string;
  readonly regarding: { readonly kind: string };
}

const LEASE_SECONDS = 3;

describe('the operator as processes', { skip }, () => {
  let plane: ControlPlane;
  let nats: NatsServer;
  let kube: Kube;
  let namespace: string;
  let replicas: Replica[];
  let count = 0;

  before(async () => {
    plane = await startWithDefinition();
    nats = await startNats();
    kube = createKube({ transport: createTransport(configOf(plane)) });
  });
  after(async () => {
    await nats.stop();
    await plane.stop();
  });
  beforeEach(async () => {
    // Whatever a test before has left.
    await plane.apiServer.resume();
    await until('the API server is there', () => plane.kubectl('get', 'ns').catch(() => null));
    namespace = `test-${++count}`;
    await plane.kubectl('create', 'namespace', namespace);
    replicas = [];
  });
  afterEach(async () => {
    for (const { end } of replicas) await end('SIGKILL');
  });

  const start = (name: string, env: Record<string, string> = {}): Replica => {
    const base = { COHORTFARM_POD_NAMESPACE: namespace, COHORTFARM_NAMESPACES: namespace };
    const replica = startReplica({
      kubeconfig: plane.kubeconfig,
      natsUrl: nats.url,
      name,
      env: { ...base, COHORTFARM_LEASE_SECONDS: String(LEASE_SECONDS), ...env },
    });
    replicas.push(replica);
    return replica;
  };
  const leads = (replica: Replica) => async () => replica.log().some(({ msg }) => msg === 'leading');
  const apply = (name: string, change: Record<string, unknown> = {}) =>
    kube.apply(
      documentWith({
        ...change,
        metadata: { name, namespace },
        'spec.model.uri': 'embedded:phantom',
        'spec.output.uri': `s3://bucket/${name}`,
      }) as KubeObject,
    );
  const jobs = async () => (await kube.list({ kind: 'Job', namespace })).items;
  const jobOf = (name: string) => async () =>
    (await jobs()).find(({ metadata }) => metadata.name === `${name}-workers-1`);
  const lease = () => kube.get<Lease>({ kind: 'Lease', namespace, name: 'cohortfarm' });

  it('makes a Job of a dataset, says so in status, Events, metrics and a log without secrets', async () => {
    const a = start('a');
    await until('it leads', leads(a));
    await apply('small');
    await until('there is a Job', jobOf('small'));
    await until('the status says so', async () => {
      const dataset = await kube.get({ kind: 'SyntheticDataset', namespace, name: 'small' });
      return (dataset?.status as { conditions?: unknown[] } | undefined)?.conditions?.length;
    });
    const events = await until('there are Events', async () => {
      const { items } = await kube.list<KubeObject & { note: string }>({ kind: 'Event', namespace });
      return items.length >= 2 && items;
    });
    assert.ok(events.some(({ note }) => note === 'Created Job small-workers-1'));
    assert.deepEqual(await a.get('/healthz'), [200, 'ok\n']);
    assert.deepEqual(await a.get('/readyz'), [200, 'ok\n']);
    const [, metrics] = await a.get('/metrics');
    assert.match(metrics, /cohortfarm_leader 1/);
    assert.match(metrics, /cohortfarm_kube_requests_total\{verb="apply",resource="jobs",code="200"\} 1/);
    const line = a.log().find(({ msg }) => msg === 'Created Job small-workers-1')!;
    assert.deepEqual([line.namespace, line.name], [namespace, 'small']);
    assert.match(`${line.uid} ${line.reconcile}`, /^[0-9a-f-]{36} [0-9a-f]{8}$/);
    assert.ok(!JSON.stringify(a.log()).includes(plane.token));
    assert.equal(await a.end('SIGTERM'), 0);
  });

  it('passes to another replica within the lease time when the leader is killed, and does nothing twice', async () => {
    const a = start('a');
    await until('a leads', leads(a));
    const b = start('b');
    await b.port;
    await apply('before');
    const job = await until('there is a Job', jobOf('before'));
    assert.equal(await a.end('SIGKILL'), 'SIGKILL');
    const killed = Date.now();
    await apply('after');
    await until('the other makes a Job', jobOf('after'));
    const seconds = (Date.now() - killed) / 1000;
    assert.ok(seconds > 1 && seconds < LEASE_SECONDS + 3, `${seconds} seconds`);
    await until('b has looked at both', async () => b.log().filter(({ msg }) => msg === 'reconciled').length >= 2);
    const again = await jobOf('before')();
    assert.equal(again?.metadata.resourceVersion, job.metadata.resourceVersion);
    assert.deepEqual((await jobs()).map(({ metadata }) => metadata.name).sort(), [
      'after-workers-1',
      'before-workers-1',
    ]);
    assert.equal((await lease())!.spec.leaseTransitions, 1);
  });

  it('gives the lease back on SIGTERM, so that another leads at once', async () => {
    const env = { COHORTFARM_LEASE_SECONDS: '60' };
    const a = start('a', env);
    await until('a leads', leads(a));
    const b = start('b', env);
    await until('b is ready although it only stands by', async () => (await b.get('/readyz'))[0] === 200);
    assert.equal(
      b.log().some(({ msg }) => msg === 'leading'),
      false,
    );
    assert.equal(await a.end('SIGTERM'), 0);
    assert.equal((await lease())!.spec.holderIdentity, '');
    await until('b leads', leads(b), 15_000);
  });

  it('H4: ignores a plan that contradicts the accepted one, also after a restart, and honest workers go on', async () => {
    const a = start('a');
    await until('a leads', leads(a));
    await apply('told');
    const dataset = async () => (await kube.get({ kind: 'SyntheticDataset', namespace, name: 'told' }))!;
    const messageOf = async () => {
      const { conditions = [] } = ((await dataset()).status ?? {}) as DatasetStatus;
      return conditions.find(({ type }) => type === 'Ready')?.message ?? '';
    };
    const { uid } = (await dataset()).metadata;
    const worker = openShardSource({ url: nats.url, uid: uid!, timeoutMs: 20_000 });
    const connection = await connect({ servers: nats.url });
    try {
      await until('there is a queue', () => worker.announce(planEvent(3)).then(() => true));
      const first = (await worker.next())!;
      const forged = encodePayload({ ...planEvent(1000), planDigest: 'b'.repeat(64) });
      await jetstream(connection).publish(progress.plan(uid!), forged.data, { headers: forged.headers });
      await until('it is reported', async () => /plan bbbbbbbbbbbb, which contradicts/.test(await messageOf()));
      const [, metrics] = await a.get('/metrics');
      assert.match(metrics, /cohortfarm_queue_events_ignored_total\{why="contradictingPlan"\} 1/);
      await a.end('SIGKILL');
      const b = start('b');
      await until('b reports it, too', async () => /Workers plan bbbbbbbbbbbb/.test(await messageOf()));
      await first.complete(shardEvent(first.shard));
      for (let i = 0; i < 2; i++) {
        const lease = (await worker.next())!;
        await lease.complete(shardEvent(lease.shard));
      }
      assert.equal(await worker.next(), null, 'the queue is that of the accepted plan, to its end');
      const { planDigest, shards } = (await dataset()).status as DatasetStatus;
      assert.deepEqual([planDigest, shards?.total], [DIGEST, 3]);
      assert.equal(b.process.exitCode, null);
    } finally {
      await worker.close();
      await connection.close();
    }
  });

  it('F12: reports a run to an OpenLineage server, and after a restart as the same run', async (t) => {
    const events: { eventType: string; eventTime: string; run: { runId: string }; job: { name: string } }[] = [];
    const keys = new Set<string | undefined>();
    let isThere = false;
    const server = createServer(async (request, response) => {
      const body = (await Array.fromAsync(request)).join('');
      keys.add(request.headers.authorization);
      if (isThere) events.push(JSON.parse(body));
      response.writeHead(isThere ? 201 : 503).end();
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    t.after(() => server.close());
    const starts = () => events.filter(({ eventType }) => eventType === 'START');
    const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
    const env = { OPENLINEAGE_URL: url, OPENLINEAGE_API_KEY: 'the-api-key' };
    const a = start('a', env);
    await until('a leads', leads(a));
    await apply('told');
    const dataset = async () => (await kube.get({ kind: 'SyntheticDataset', namespace, name: 'told' }))!;
    const worker = openShardSource({ url: nats.url, uid: (await dataset()).metadata.uid!, timeoutMs: 20_000 });
    t.after(() => worker.close());
    await until('there is a queue', () => worker.announce(planEvent(3)).then(() => true));
    // A server that takes nothing holds nothing up.
    await until(
      'the plan is accepted',
      async () => ((await dataset()).status as DatasetStatus | undefined)?.planDigest,
    );
    await until('it was tried', async () => keys.size > 0);
    isThere = true;
    await until('the start is reported', async () => events.length > 0);
    await a.end('SIGKILL');
    const b = start('b', env);
    await until('it is reported again', async () => starts().length > 1);
    await kube.delete({ kind: 'SyntheticDataset', namespace, name: 'told' });
    const end = await until('the end is reported', async () => events.find(({ eventType }) => eventType === 'ABORT'));
    const [first, again] = starts();
    assert.deepEqual([first!.eventType, again], ['START', first]);
    assert.deepEqual([end.run.runId, end.job.name], [first!.run.runId, `${namespace}/told`]);
    assert.deepEqual([...keys], ['Bearer the-api-key']);
    for (const { log } of [a, b]) assert.doesNotMatch(JSON.stringify(log()), /the-api-key/);
  });

  it('ends a leader that was stopped for longer than its lease, before it writes anything', async () => {
    const a = start('a');
    await until('a leads', leads(a));
    const b = start('b');
    await b.port;
    a.process.kill('SIGSTOP');
    await until('b leads', leads(b));
    await apply('late');
    await until('there is a Job', jobOf('late'));
    a.process.kill('SIGCONT');
    assert.equal(await a.ended, 75);
    assert.equal(a.log().filter(({ msg }) => msg === 'reconciled' || msg === 'decided').length, 0);
    assert.match(a.log().at(-1)!.msg, /lease could not be renewed for 2 seconds|has taken the lease/);
  });

  it('goes on after the API server was killed and is back, and misses nothing', async () => {
    const a = start('a', { COHORTFARM_LEASE_SECONDS: '30' });
    await until('it leads', leads(a));
    await apply('first');
    await until('there is a Job', jobOf('first'));
    await plane.apiServer.kill();
    const restarted = sleep(7000).then(() => plane.apiServer.restart());
    const unready = await until('it is not ready', async () => {
      const [code, text] = await a.get('/readyz');
      return code === 503 && text;
    });
    assert.match(unready, /cannot (watch SyntheticDataset|get Lease)/);
    assert.deepEqual(await a.get('/healthz'), [200, 'ok\n']);
    await restarted;
    await apply('second');
    await until('there is another Job', jobOf('second'));
    await until('it is ready', async () => (await a.get('/readyz'))[0] === 200);
    assert.equal(a.process.exitCode, null);
  });

  it('leads again by a new process when the API server was away for longer than the lease', async () => {
    const a = start('a');
    await until('it leads', leads(a));
    await plane.apiServer.pause();
    assert.equal(await a.ended, 75);
    const b = start('b');
    await b.port;
    await sleep(500);
    await plane.apiServer.resume();
    await apply('afterwards');
    await until('there is a Job', jobOf('afterwards'), 30_000);
  });

  it('A25: shares a namespace with another of another class, and each leaves the datasets of the other alone', async () => {
    const classOf = (operatorClass: string) => ({
      ...{ COHORTFARM_CLASS: operatorClass, COHORTFARM_LEASE: `of-${operatorClass}` },
      COHORTFARM_WORKER_IMAGE: `worker-of:${operatorClass}`,
    });
    const both = [start('a', classOf('a')), start('b', classOf('b'))];
    for (const one of both) await until('both lead', leads(one));
    for (const own of ['a', 'b', 'c']) await apply(`for-${own}`, { 'spec.operatorClass': own });
    await apply('for-none');
    for (const own of ['a', 'b']) {
      const job = await until('it has a Job', jobOf(`for-${own}`));
      assert.match(JSON.stringify(job.spec), new RegExp(`"image":"worker-of:${own}"`));
    }
    // So long do they take to see the others as well, and would they take to replace each other's Jobs.
    await sleep(2000);
    assert.deepEqual((await jobs()).map(({ metadata }) => metadata.name).sort(), [
      'for-a-workers-1',
      'for-b-workers-1',
    ]);
    const none = await kube.get({ kind: 'SyntheticDataset', namespace, name: 'for-none' });
    assert.deepEqual([none?.status, none?.metadata.finalizers], [undefined, undefined]);
  });

  it('A25: waits while another installation of its class looks after the same datasets, and says for whom', async () => {
    const twin = (lease: string) => ({
      ...{ COHORTFARM_CLASS: 'twin', COHORTFARM_LEASE: lease, COHORTFARM_NAMESPACES: '' },
      COHORTFARM_WORKER_IMAGE: `worker-of:${lease}`,
    });
    const imageOf = (job: KubeObject) => /"image":"worker-of:(\w+)"/.exec(JSON.stringify(job.spec))?.[1];
    const works = (replica: Replica) => async () => (await replica.get('/readyz'))[0] === 200;
    const first = start('a', twin('first'));
    await until('the first works', works(first));
    await apply('before', { 'spec.operatorClass': 'twin' });
    const job = await until('it makes a Job', jobOf('before'));
    assert.equal(imageOf(job), 'first');

    const second = start('b', twin('second'));
    const refused = async () => {
      const [code, text] = await second.get('/readyz');
      return code === 503 && text.startsWith('claim: installation') && text;
    };
    const words = `installation ${namespace}/first looks after the datasets of class twin in the cluster, and ${namespace}/second leaves them alone: give one of the two another class`;
    assert.ok((await until('the second is refused', refused)).startsWith(`claim: ${words}`));
    const line = second.log().find(({ level, msg }) => level === 'warn' && msg.startsWith(words))!;
    assert.deepEqual([line.holder, line.lease], [`${namespace}/first`, 'default/twin.cluster-claim.cohortfarm.dev']);
    assert.match((await second.get('/metrics'))[1], /^cohortfarm_claims_refused 1$/m);
    const event = await until('an Event says so', async () => {
      const { items } = await kube.list<KubeObject & Told>({ kind: 'Event', namespace: 'default' });
      return items.find(({ reason }) => reason === 'ClassTaken');
    });
    assert.deepEqual([event.regarding.kind, event.note.startsWith(words)], ['Lease', true]);

    // An upgrade: another process of the same installation.
    assert.equal(await first.end('SIGTERM'), 0);
    const upgraded = start('c', twin('first'));
    await until('it works', works(upgraded));
    assert.ok(await refused());
    assert.equal(
      (await kube.get({ kind: 'Job', namespace, name: 'before-workers-1' }))?.metadata.uid,
      job.metadata.uid,
    );
    await upgraded.end('SIGKILL');
    // So that the test waits for the claim on the cluster to run out, and not for this one as well.
    await plane.kubectl('delete', 'lease', 'twin.claim.cohortfarm.dev', '-n', namespace);
    await apply('after', { 'spec.operatorClass': 'twin' });
    assert.equal(imageOf(await until('the second takes over', jobOf('after'), 30_000)), 'second');
    await until('the second is ready', works(second));
  });

  it('is not ready while NATS is away, and says which server and why', async () => {
    const a = start('a');
    await until('it is ready', async () => (await a.get('/readyz'))[0] === 200);
    await nats.kill();
    const text = await until('it is not ready', async () => {
      const [code, text] = await a.get('/readyz');
      return code === 503 && text;
    });
    assert.ok(text.startsWith('nats: ') && text.includes(nats.url), text);
    await nats.restart();
    await until('it is ready again', async () => (await a.get('/readyz'))[0] === 200);
  });

  it('is not ready without the right to lead, and says which right it lacks', async () => {
    await plane.kubectl('create', 'serviceaccount', 'poor', '-n', namespace);
    const access = await plane.serviceAccount(namespace, 'poor');
    const a = start('a', { KUBECONFIG: await plane.writeKubeconfig('poor', access) });
    const text = await until('it is not ready', async () => {
      const [code, text] = await a.get('/readyz');
      return code === 503 && text.includes('lease') && text;
    });
    assert.match(text, /^lease: cannot get Lease .*User "system:serviceaccount:.*:poor" cannot get resource "leases"/m);
    assert.deepEqual(await a.get('/healthz'), [200, 'ok\n']);
  });

  it('refuses to start with a wrong configuration, and names all of it', async () => {
    const a = start('a', { COHORTFARM_WORKER_IMAGE: '', COHORTFARM_CONCURRENCY: 'many' });
    assert.equal(await a.ended, 2);
    assert.deepEqual(
      a.log().map(({ msg }) => msg.split(':')[0]),
      ['COHORTFARM_WORKER_IMAGE', 'COHORTFARM_CONCURRENCY'],
    );
    const b = start('b', { KUBECONFIG: '/nowhere' });
    assert.equal(await b.ended, 2);
    assert.match(b.log()[0]!.msg, /cannot read the kubeconfig: .*\/nowhere.*check KUBECONFIG/);
  });
});
