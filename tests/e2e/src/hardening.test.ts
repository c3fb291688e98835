// Against other websites, against who reads answers over a shoulder: the original's flaws 1 and 2, held closed.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import { Daemon, sharedDaemon } from './daemon.js';
import { expectOk, expectProblem, parseResponse, raw, wholeResponse, type Answer } from './rest.js';
import { Wire } from './wire.js';

const daemon = sharedDaemon({ before, after }, {}, (started) => {
  started.write('Alpha/file.txt', 'content');
});

const own = (): string => `http://127.0.0.1:${daemon().port}`;
const get = (headers: Record<string, string>, path = '/api/segments/list'): Promise<Answer> =>
  daemon().send('GET', path, undefined, undefined, headers);

function expectNoCors(answer: Answer): void {
  for (const name of Object.keys(answer.headers)) assert.doesNotMatch(name, /^access-control-/);
}

const foreign = [
  'http://evil.example',
  'https://127.0.0.1.evil.example',
  'null',
  'http://127.0.0.1:1',
  'http://localhost',
  'file://',
  'x',
];

describe('another website', () => {
  test('gets nothing from REST, even with a token', async () => {
    for (const origin of foreign) {
      const answer = await get({ Origin: origin });
      expectProblem(answer, 403, 'origin_not_allowed');
      expectNoCors(answer);
    }
    expectOk(await get({ Origin: own() }));
  });

  test('cannot pair', async () => {
    const fresh = await Daemon.start();
    try {
      const answer = await fresh.send('POST', '/pair', { pairing_token: fresh.pin }, null, { Origin: 'http://evil.example' });
      expectProblem(answer, 403, 'origin_not_allowed');
      expectOk(await fresh.send('POST', '/pair', { pairing_token: fresh.pin }, null));
    } finally {
      await fresh.stop();
    }
  });

  test('cannot open the WebSocket', async () => {
    for (const origin of foreign)
      await assert.rejects(Wire.open(daemon().webSocketUrl, { Origin: origin }), /403/, origin);
    await (await Wire.open(daemon().webSocketUrl, { Origin: own() })).close();
  });

  test('gets no answer to a preflight', async () => {
    const answer = await daemon().send('OPTIONS', '/api/fs/read', undefined, null, {
      Origin: 'http://evil.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    });
    assert.ok(answer.status >= 400, String(answer.status));
    expectNoCors(answer);
  });

  test('sees no CORS header on any answer', async () => {
    for (const path of ['/health', '/api/segments/list', '/nowhere']) {
      expectNoCors(await get({}, path));
      expectNoCors(await daemon().send('GET', path, undefined, null));
      expectNoCors(await get({ Origin: own() }, path));
    }
  });

  test('is let in by server.allowed_origins, itself and no other', async (t) => {
    const other = await Daemon.start({ tables: '[server]\nallowed_origins = ["https://page.example"]' });
    t.after(() => other.stop());
    const from = (origin: string): Promise<Answer> =>
      other.send('GET', '/api/segments/list', undefined, undefined, { Origin: origin });
    const allowed = await from('https://page.example');
    expectOk(allowed);
    assert.equal(allowed.headers['access-control-allow-origin'], 'https://page.example');
    for (const origin of ['https://page.example.evil.example', 'http://page.example', 'https://page.example:8443'])
      expectProblem(await from(origin), 403, 'origin_not_allowed');
    const preflight = await other.send('OPTIONS', '/api/fs/read', undefined, null, {
      Origin: 'https://page.example',
      'Access-Control-Request-Method': 'POST',
      'Access-Control-Request-Headers': 'authorization,content-type',
    });
    assert.ok(preflight.status >= 200 && preflight.status < 300, `preflight ${preflight.status}`);
    assert.equal(preflight.headers['access-control-allow-origin'], 'https://page.example');
    assert.match(preflight.headers['access-control-allow-headers'] ?? '', /authorization/i);
    await (await Wire.open(other.webSocketUrl, { Origin: 'https://page.example' })).close();
  });
});

describe('the Host header', () => {
  test('must be a name of this daemon (DNS rebinding)', async () => {
    const { port } = daemon();
    for (const host of ['evil.example', `evil.example:${port}`, `127.0.0.1.evil.example:${port}`, `localhost.evil.example`, `127.0.0.1@evil.example`, '']) {
      const { text } = await raw(port, `GET /health HTTP/1.1\r\nHost: ${host}\r\nConnection: close\r\n\r\n`, { enough: wholeResponse });
      expectProblem(parseResponse(text), 403, 'host_not_allowed');
    }
    for (const host of [`127.0.0.1:${port}`, `localhost:${port}`, `LOCALHOST:${port}`])
      expectOk(await daemon().send('GET', '/health', undefined, null, { Host: host }));
  });

  test('is looked at for the WebSocket too', async () => {
    await assert.rejects(Wire.open(daemon().webSocketUrl, { Host: `evil.example:${daemon().port}` }), /403/);
    await (await Wire.open(daemon().webSocketUrl, { Host: `localhost:${daemon().port}` })).close();
  });

  test('may carry the names of server.allowed_hosts', async (t) => {
    const other = await Daemon.start({ tables: '[server]\nallowed_hosts = ["toren.example"]' });
    t.after(() => other.stop());
    const by = (host: string): Promise<Answer> => other.send('GET', '/health', undefined, null, { Host: host });
    expectOk(await by('toren.example'));
    expectProblem(await by('www.toren.example'), 403, 'host_not_allowed');
  });
});

describe('secrets', () => {
  test('are in no list and in no message', async () => {
    const token = await daemon().session();
    const wire = await daemon().wire();
    const success = await wire.auth(token, { ancillary_id: 'one', segment: 'Alpha' });
    assert.notEqual(success.session_id, token);
    for (const path of ['/api/ancillaries/list', '/api/segments/list', '/health']) {
      const { text } = await daemon().get(path);
      assert.ok(!text.includes(token) && !text.includes(daemon().pin), path);
    }
    const { ancillaries } = expectOk(await daemon().get('/api/ancillaries/list'));
    const known = ['id', 'segment', 'status', 'connected_at', 'last_activity', 'workspace', 'working_dir'];
    for (const name of Object.keys((ancillaries as object[])[0] ?? {})) assert.ok(known.includes(name), name);
    assert.ok(!JSON.stringify(success).includes(token));
    await wire.close();
  });

  test('are not in the log, whatever was tried', async () => {
    const token = await daemon().session();
    await daemon().send('GET', `/api/fs/read?token=${token}`, undefined, null);
    await daemon().send('POST', '/pair', { pairing_token: daemon().pin }, null);
    await daemon().post('/api/fs/read', { path: `/${token}` });
    assert.ok(!daemon().log.includes(token));
    assert.ok(!daemon().log.includes(daemon().pin));
  });

  test('an error does not repeat control characters into the log', async () => {
    await daemon().post('/api/fs/read', { path: daemon().path('Alpha/\x1b]0;title\x07\n[31mforged') });
    assert.doesNotMatch(daemon().log, /[\x00-\x08\x0b-\x1f\x7f]/);
  });
});

describe('answers', () => {
  test('are not guessed at, framed or kept by a browser', async () => {
    const answer = await daemon().post('/api/fs/read', { path: daemon().path('Alpha/file.txt') });
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
    assert.match(String(answer.headers['cache-control']), /no-store/);
  });
});
