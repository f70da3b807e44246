import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { test } from 'node:test';
import { openLineage } from './lineage.ts';

const setting = 'OPENLINEAGE_URL';

test('a key that no header can carry is refused without repeating it', () => {
  for (const apiKey of ['first-line\nsecond-line', 'short\n1', 'two words', 'k\u00e9y'])
    assert.throws(
      () => openLineage({ target: 'http://127.0.0.1:1', setting, apiKey }),
      ({ message }: Error) =>
        /^OPENLINEAGE_API_KEY is not a key/.test(message) &&
        apiKey.split(/\s/).every((part) => !message.includes(part)),
    );
});

test('a key that was read with the line break at its end is sent without it', async (t) => {
  const keys: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    keys.push(request.headers.authorization);
    response.writeHead(201).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.equal(await openLineage({ target, setting, apiKey: 'the-api-key\n' }).emit({}), null);
  assert.deepEqual(keys, ['Bearer the-api-key']);
});

test('an event that a server refuses is told apart from a server that cannot take it now', async (t) => {
  let status = 0;
  const server = createServer((_request, response) => void response.writeHead(status).end());
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const sink = openLineage({ target, setting });
  for (const [answer, isFinal] of [
    [400, true],
    [422, true],
    [401, false],
    [429, false],
    [503, false],
  ] as const) {
    status = answer;
    assert.deepEqual(await sink.emit({}), { message: `${target} answers ${answer}`, isFinal });
  }
});

test('F12: a redirect, which would lose the event, is a fault that names the address to write', async (t) => {
  const methods: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    methods.push(request.method);
    response.writeHead(301, { Location: 'https://marquez.example/api/v1/lineage?token=secret' }).end();
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const target = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  assert.deepEqual(await openLineage({ target, setting }).emit({}), {
    message: `${target} answers 301 and points to https://marquez.example/api/v1/lineage; write that address`,
    isFinal: false,
  });
  assert.deepEqual(methods, ['POST']);
});

test('F12: an address with a query or a port that none has is refused without repeating the query', () => {
  for (const target of [
    'http://m?apiKey=the-key',
    'http://m/#the-key',
    'http://m:99999',
    'http://[bad',
    'http://m:port',
  ])
    assert.throws(
      () => openLineage({ target, setting }),
      ({ name, message }: Error) => name === 'UsageError' && !message.includes('the-key'),
      target,
    );
});

test('a server without http:// is reported under the name of the setting that it came from', () => {
  for (const name of ['OPENLINEAGE_URL', '--lineage'])
    assert.throws(
      () => openLineage({ target: 'localhost:5000', setting: name }),
      ({ message }: Error) => message.startsWith(`${name}: "localhost:5000" is neither a file nor the address`),
    );
});
