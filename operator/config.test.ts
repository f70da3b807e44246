import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, it } from 'node:test';
import { ConfigError, readConfig, VARIABLES } from './config.ts';

const LEAST = {
  COHORTFARM_NATS_URL: 'nats://nats:4222',
  COHORTFARM_WORKER_IMAGE: 'example.org/cohortfarm:1',
  COHORTFARM_TRAINER_IMAGE: 'example.org/trainer:1',
};

describe('configuration', () => {
  it('has a default for all but NATS and the images', () => {
    const { lease, ...config } = readConfig(LEAST);
    assert.deepEqual(config, {
      namespaces: [],
      nats: { url: 'nats://nats:4222' },
      settings: {
        operatorClass: '',
        pods: {
          workerImage: 'example.org/cohortfarm:1',
          trainerImage: 'example.org/trainer:1',
          natsUrl: 'nats://nats:4222',
          logLevel: 'info',
        },
      },
      instance: 'operator',
      streamLimits: { replicas: 1, ackWaitMs: 30_000, maxDeliver: 20 },
      resyncSeconds: 300,
      concurrency: 16,
      http: { host: '0.0.0.0', port: 8080 },
      logLevel: 'info',
      shutdownSeconds: 20,
    });
    assert.deepEqual(
      { ...lease, identity: '' },
      { namespace: 'default', name: 'cohortfarm', identity: '', durationSeconds: 15 },
    );
  });

  it('gives every process an identity of its own, also in a pod of the same name', () => {
    const env = { ...LEAST, COHORTFARM_POD_NAME: 'farm-7' };
    const [a, b] = [readConfig(env), readConfig(env)];
    assert.match(a.lease.identity, /^farm-7_/);
    assert.notEqual(a.lease.identity, b.lease.identity);
  });

  it('may tell pods another address of NATS, and where their credentials are', () => {
    const { nats, settings, namespaces } = readConfig({
      ...LEAST,
      COHORTFARM_WORKER_NATS_URL: 'tls://nats.example.org:4222',
      COHORTFARM_NATS_CREDENTIALS: '/etc/cohortfarm-nats/nats.creds',
      COHORTFARM_NATS_CREDENTIALS_SECRET: 'nats',
      COHORTFARM_NAMESPACES: 'a, b,',
      COHORTFARM_CLASS: 'research',
    });
    assert.deepEqual(nats, { url: 'nats://nats:4222', credentials: '/etc/cohortfarm-nats/nats.creds' });
    assert.equal(settings.pods.natsUrl, 'tls://nats.example.org:4222');
    assert.equal(settings.pods.natsCredentialsSecret, 'nats');
    assert.deepEqual(namespaces, ['a', 'b']);
    assert.equal(settings.operatorClass, 'research');
  });

  it('takes a variable that is set to nothing for one that is not set', () => {
    const { namespaces, http } = readConfig({ ...LEAST, COHORTFARM_NAMESPACES: '', COHORTFARM_HTTP_PORT: ' ' });
    assert.deepEqual([namespaces, http.port], [[], 8080]);
  });

  it('F12: takes the variables of OpenLineage, and never repeats a key', () => {
    const env = { ...LEAST, OPENLINEAGE_URL: 'http://marquez:5000', OPENLINEAGE_API_KEY: 'the-api-key\n' };
    const lineage = { url: 'http://marquez:5000', apiKey: 'the-api-key', namespace: 'cohortfarm' };
    assert.deepEqual(readConfig(env).lineage, lineage);
    assert.equal(readConfig({ ...env, OPENLINEAGE_NAMESPACE: 'lab' }).lineage?.namespace, 'lab');
    assert.throws(
      () => readConfig({ ...env, OPENLINEAGE_URL: 'http://user:pass-word@marquez', OPENLINEAGE_API_KEY: 'two words' }),
      ({ message }: Error) =>
        /OPENLINEAGE_URL: must be like http:.*\nOPENLINEAGE_API_KEY: must be one word/.test(message) &&
        !/pass-word|two words/.test(message),
    );
  });

  it('F12: refuses the address of a lineage server that none can have, or that carries a secret', () => {
    for (const url of [
      'http://marquez:port',
      'http://[bad',
      'http://m:99999',
      'http://m?apiKey=the-key',
      'ftp://m',
      'm:1',
    ])
      assert.throws(
        () => readConfig({ ...LEAST, OPENLINEAGE_URL: url }),
        ({ name, message }: Error) =>
          name === 'ConfigError' && /^OPENLINEAGE_URL: must be like http/.test(message) && !message.includes('the-key'),
        url,
      );
  });

  it('names all that is missing or wrong at once', () => {
    const env = {
      COHORTFARM_NATS_URL: 'http://nats',
      COHORTFARM_CONCURRENCY: '0',
      COHORTFARM_HTTP_PORT: 'http',
      COHORTFARM_LOG_LEVEL: 'loud',
      COHORTFARM_NAMESPACES: 'good,Bad',
    };
    assert.throws(
      () => readConfig(env),
      (error) => {
        assert.ok(error instanceof ConfigError);
        const named = error.message.split('\n').map((line) => line.split(':')[0]);
        assert.deepEqual(named.sort(), [
          'COHORTFARM_CONCURRENCY',
          'COHORTFARM_HTTP_PORT',
          'COHORTFARM_LOG_LEVEL',
          'COHORTFARM_NAMESPACES',
          'COHORTFARM_NATS_URL',
          'COHORTFARM_TRAINER_IMAGE',
          'COHORTFARM_WORKER_IMAGE',
        ]);
        assert.match(error.message, /COHORTFARM_WORKER_IMAGE: is required/);
        return true;
      },
    );
  });

  it('is documented, each variable of it and no other', () => {
    const page = readFileSync(join(import.meta.dirname, '../docs/farm.md'), 'utf8');
    const rows = page.split('\n').filter((line) => /^\| `(COHORTFARM|OPENLINEAGE)_/.test(line));
    const named = rows.flatMap((row) => row.split('|')[1]!.match(/(COHORTFARM|OPENLINEAGE)_[A-Z_]+/g));
    assert.deepEqual(named.sort(), [...VARIABLES].sort());
  });
});
