import assert from 'node:assert/strict';
import { test } from 'node:test';
import { admit, newToken } from './guard.ts';

const TOKEN = newToken();

const ask = (change: { host?: string | undefined; method?: string; url?: string }, host = '127.0.0.1') => {
  const headers = 'host' in change ? { host: change.host } : { host: '127.0.0.1:7000' };
  return admit({ method: change.method ?? 'GET', url: change.url ?? `/${TOKEN}/`, headers }, TOKEN, host);
};

test('the URL as printed is let in, with its path and query', () => {
  const admission = ask({ url: `/${TOKEN}/api/samples?is.sex=female&page=2` });
  assert.ok('path' in admission);
  assert.equal(admission.path, '/api/samples');
  assert.deepEqual(
    [...admission.query],
    [
      ['is.sex', 'female'],
      ['page', '2'],
    ],
  );
});

test('tokens are long and new each time', () => {
  assert.match(TOKEN, /^[\w-]{32}$/);
  assert.notEqual(TOKEN, newToken());
});

test('without the token nothing is told, whatever the path', () => {
  for (const url of [
    '/',
    '',
    '/api/dataset',
    `/${TOKEN.slice(1)}/`,
    `/${TOKEN}x/`,
    `//${TOKEN}/`,
    `/x/${TOKEN}/`,
    '*',
  ]) {
    assert.deepEqual(ask({ url }), { status: 404, error: 'use the whole URL that was printed at the start' }, url);
  }
  assert.ok('status' in ask({ url: `http://other/${TOKEN}/` }), 'an absolute URL');
});

test('a name of somebody else is refused even with the token: DNS rebinding', () => {
  for (const host of [
    'evil.example',
    'evil.example:7000',
    'localhost.evil.example',
    '127.0.0.1.evil.example:7000',
    '',
    undefined,
    'a b',
    '127.0.0.1:7000:1',
    '[::1',
  ]) {
    assert.deepEqual({ ...ask({ host }), error: '' }, { status: 403, error: '' }, String(host));
  }
});

test('addresses, localhost and the host that was asked for are ours', () => {
  for (const host of [
    '127.0.0.1',
    '127.0.0.1:80',
    'localhost:7000',
    'LOCALHOST:7000',
    '[::1]:7000',
    '192.168.1.7:7000',
  ])
    assert.ok('path' in ask({ host }), host);
  assert.ok('path' in ask({ host: 'lab.example:7000' }, 'lab.example'));
});

test('nothing but reading is allowed', () => {
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS', 'PATCH', 'TRACE'])
    assert.equal('status' in ask({ method }) && (ask({ method }) as { status: number }).status, 405);
  assert.ok('path' in ask({ method: 'HEAD' }));
});
