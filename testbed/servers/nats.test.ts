import assert from 'node:assert/strict';
import { after, describe, it } from 'node:test';
import { jetstreamManager, RetentionPolicy } from '@nats-io/jetstream';
import { connect } from '@nats-io/transport-node';
import { startNats } from './nats.ts';
import { missingForServers } from './tools.ts';

const skip = await missingForServers();

describe('a NATS server started for tests', { skip }, async () => {
  const server = await startNats();
  after(() => server.stop());
  const STREAM = 'work';

  /** Messages in the stream; null where the server knows no such stream. */
  async function stored(): Promise<number | null> {
    const connection = await connect({ servers: server.url });
    try {
      const manager = await jetstreamManager(connection);
      return await manager.streams.info(STREAM).then(
        ({ state }) => state.messages,
        () => null,
      );
    } finally {
      await connection.close();
    }
  }

  it('keeps what it has acknowledged over a kill, on the same address', async () => {
    const connection = await connect({ servers: server.url });
    const manager = await jetstreamManager(connection);
    await manager.streams.add({ name: STREAM, subjects: ['work'], retention: RetentionPolicy.Workqueue });
    for (let i = 0; i < 3; i++) await manager.jetstream().publish('work', `${i}`);
    await connection.close();
    await server.kill();
    await assert.rejects(connect({ servers: server.url, reconnect: false }), /refused/i);
    await server.restart();
    assert.equal(await stored(), 3);
  });

  it('stands still and goes on', async () => {
    await server.pause();
    await assert.rejects(connect({ servers: server.url, timeout: 300, reconnect: false }), /timeout/i);
    await server.resume();
    assert.equal(await stored(), 3);
  });

  it('can lose its disk', async () => {
    await server.loseDisk();
    assert.equal(await stored(), null);
  });
});
