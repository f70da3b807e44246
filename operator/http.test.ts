import assert from 'node:assert/strict';
import { test } from 'node:test';
import { startHttp } from './http.ts';

test('health and readiness name what is wrong, and only that', async () => {
  let nats: string | null = 'cannot reach nats://nats:4222';
  const server = await startHttp({
    host: '127.0.0.1',
    port: 0,
    metrics: { text: async () => 'up 1\n', contentType: 'text/plain' as never },
    healthy: { loop: () => null },
    ready: { watches: () => null, nats: () => nats, leader: () => (nats ? 'no answer' : null) },
  });
  const get = async (path: string, method = 'GET') => {
    const answer = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    return [answer.status, await answer.text()];
  };
  try {
    assert.deepEqual(await get('/healthz'), [200, 'ok\n']);
    assert.deepEqual(await get('/readyz?verbose'), [503, 'nats: cannot reach nats://nats:4222\nleader: no answer\n']);
    nats = null;
    assert.deepEqual(await get('/readyz'), [200, 'ok\n']);
    assert.deepEqual(await get('/metrics'), [200, 'up 1\n']);
    assert.equal((await get('/'))[0], 404);
    assert.equal((await get('/metrics', 'POST'))[0], 405);
  } finally {
    await server.close();
  }
});
