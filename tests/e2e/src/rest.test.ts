// Every REST route, and everything that a request can get wrong.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';

import { Daemon, sharedDaemon } from './daemon.js';
import { isAlive, type Process } from './processes.js';
import { expectOk, expectProblem, json, parseResponse, problem, raw, wholeResponse, type Answer } from './rest.js';
import { until } from './wait.js';

interface Route {
  method: 'GET' | 'POST';
  path: string;
  open?: boolean; // needs no token
  fields?: Record<string, unknown>; // a good body
}

const routes: Route[] = [
  { method: 'GET', path: '/health', open: true },
  { method: 'POST', path: '/pair', open: true, fields: { pairing_token: 'x' } },
  { method: 'POST', path: '/api/fs/read', fields: { path: 'hello.txt' } },
  { method: 'POST', path: '/api/fs/write', fields: { path: 'written.txt', content: 'text' } },
  { method: 'POST', path: '/api/fs/list', fields: { path: '.' } },
  { method: 'POST', path: '/api/vcs/status', fields: { path: '.' } },
  { method: 'POST', path: '/api/vcs/diff', fields: { path: '.' } },
  { method: 'GET', path: '/api/segments/list' },
  { method: 'POST', path: '/api/segments/create', fields: { name: 'x', root: '/x' } },
  { method: 'GET', path: '/api/ancillaries/list' },
];
const posts = routes.filter((route) => route.method === 'POST');
const closed = routes.filter((route) => route.open !== true);

const kMaxBody = 2 * 1024 * 1024;

const daemon = sharedDaemon({ before, after }, {}, async (started) => {
  started.write('Alpha/hello.txt', 'hello');
  await started.session();
});

// Bad input must not cost the broker its life: the supervisor would start another, and a test would not notice.
let broker: Process;
beforeEach(() => {
  broker = daemon().broker();
});
afterEach(async () => {
  expectOk(await daemon().send('GET', '/health', undefined, null));
  assert.ok(isAlive(broker), 'the broker died of this test');
});

describe('routes', () => {
  test('GET /health needs no token and tells the version', async () => {
    const body = expectOk(await daemon().send('GET', '/health', undefined, null));
    assert.equal(body['status'], 'ok');
    assert.match(String(body['version']), /^\d+\.\d+/);
  });

  test('GET /api/segments/list', async () => {
    const body = expectOk(await daemon().get('/api/segments/list'));
    assert.equal(body['count'], (body['segments'] as unknown[]).length);
    assert.deepEqual(body['roots'], [daemon().projects]);
    assert.deepEqual((body['segments'] as unknown[])[0], {
      name: 'Alpha',
      path: daemon().path('Alpha'),
      source: 'path',
    });
  });

  test('GET /api/ancillaries/list has nobody when nobody is connected', async () => {
    assert.deepEqual(expectOk(await daemon().get('/api/ancillaries/list')), { ancillaries: [], count: 0 });
  });

  test('unknown fields are ignored', async () => {
    const body = expectOk(await daemon().post('/api/fs/read', { path: 'hello.txt', future: { deep: [1] } }));
    assert.equal(body['content'], 'hello');
  });

  test('a content type with a charset is JSON, and one in another case', async () => {
    for (const type of ['application/json; charset=utf-8', 'application/json;charset="utf-8"', 'Application/JSON']) {
      const answer = await daemon().send('POST', '/api/fs/read', { path: 'hello.txt' }, undefined, { 'Content-Type': type });
      assert.equal(answer.status, 200, `${type}: ${answer.text}`);
    }
  });

  test('an unknown route is 404 not_found', async () => {
    for (const path of ['/api', '/api/fs', '/api/fs/read/', '/api/fs/delete', '/API/FS/READ', '/api/../health'])
      expectProblem(await daemon().get(path), 404, 'not_found');
    expectProblem(await daemon().post('/api/fs/delete', {}), 404, 'not_found');
  });

  for (const { method, path, fields } of routes)
    test(`${path} refuses every method but ${method}, and says so in Allow`, async () => {
      for (const other of ['GET', 'POST', 'PUT', 'DELETE', 'PATCH'].filter((name) => name !== method)) {
        const answer = await daemon().send(other, path, other === 'GET' ? undefined : (fields ?? {}));
        expectProblem(answer, 405, 'method_not_allowed');
        assert.match(answer.headers.allow ?? '', new RegExp(`\\b${method}\\b`));
      }
    });
});

describe('authentication (invariant 5)', () => {
  for (const { method, path, fields } of closed) {
    test(`${method} ${path} without a token is refused (legacy flaw 1)`, async () => {
      const answer = await daemon().send(method, path, fields, null);
      expectProblem(answer, 401, 'unauthorized');
      assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer\b/);
    });

    test(`${method} ${path} with anything but a token is refused`, async () => {
      const token = await daemon().session();
      const flipped = (token.startsWith('0') ? '1' : '0') + token.slice(1);
      for (const value of [
        `Bearer ${flipped}`,
        `Bearer ${token}0`,
        `Bearer ${token.slice(0, 63)}`,
        'Bearer ',
        'Bearer',
        `Basic ${token}`,
        token,
        `Bearer ${'0'.repeat(64)}`,
        `Bearer ${daemon().pin}`,
      ])
        expectProblem(await daemon().send(method, path, fields, null, { Authorization: value }), 401, 'unauthorized');
    });
  }

  test('comes before anything else is looked at', async () => {
    for (const body of ['{', '[]', '{}', '['.repeat(100_000)])
      expectProblem(await daemon().send('POST', '/api/fs/read', body, null), 401, 'unauthorized');
    expectProblem(
      await daemon().send('POST', '/api/fs/read', 'x', null, { 'Content-Type': 'text/plain' }),
      401,
      'unauthorized',
    );
  });

  test('the session id is no token', async () => {
    const wire = await daemon().wire();
    const { session_id } = await wire.auth(await daemon().session());
    await wire.close();
    expectProblem(await daemon().send('GET', '/api/segments/list', undefined, session_id), 401, 'unauthorized');
  });

  test('the scheme is matched in any case', async () => {
    const token = await daemon().session();
    for (const scheme of ['bearer', 'BEARER'])
      expectOk(await daemon().send('GET', '/api/segments/list', undefined, null, { Authorization: `${scheme} ${token}` }));
  });

  test('a token in the query is not looked at', async () => {
    const token = await daemon().session();
    for (const name of ['token', 'access_token'])
      expectProblem(
        await daemon().send('GET', `/api/segments/list?${name}=${token}`, undefined, null),
        401,
        'unauthorized',
      );
  });
});

describe('bodies', () => {
  for (const { path, fields = {}, open } of posts) {
    const token = open === true ? null : undefined;
    const send = (body: unknown, headers: Record<string, string> = {}): Promise<Answer> =>
      daemon().send('POST', path, body, token, headers);

    test(`${path}: another content type, or none, is 415`, async () => {
      const text = JSON.stringify(fields);
      for (const type of ['text/plain', 'application/x-www-form-urlencoded', 'multipart/form-data; boundary=x', 'application/jsonx', ''])
        expectProblem(await send(text, { 'Content-Type': type }), 415, 'unsupported_media_type');
      const bare = await raw(
        daemon().port,
        `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${daemon().port}\r\nAuthorization: Bearer ${await daemon().session()}\r\n` +
          `Content-Length: ${Buffer.byteLength(text)}\r\nConnection: close\r\n\r\n${text}`,
        { enough: wholeResponse },
      );
      expectProblem(parseResponse(bare.text), 415, 'unsupported_media_type');
    });

    test(`${path}: what is not JSON is 400`, async () => {
      const good = JSON.stringify(fields);
      for (const text of ['', '{', good.slice(0, -1), `${good}x`, `${good}${good}`, "{'a':1}", 'nul', '{"a":NaN}', '\u0000', '{"a":1,}', '{"a":"\n"}'])
        expectProblem(await send(text), 400, 'malformed_json');
      const bytes = Buffer.concat([Buffer.from('{"path":"'), Buffer.from([0xff, 0xfe]), Buffer.from('"}')]);
      expectProblem(await sendBytes(path, bytes), 400, 'malformed_json');
    });

    test(`${path}: 100,000 nested brackets are refused, closed or not, at the top or in a field`, async () => {
      const open = '['.repeat(100_000);
      const close = ']'.repeat(100_000);
      const name = Object.keys(fields)[0] ?? 'path';
      for (const text of [open, open + close, '{"a":'.repeat(100_000), `{"${name}":${open}${close}}`]) {
        const answer = await send(text);
        assert.ok([400, 422].includes(answer.status), `status ${answer.status}`);
        problem(answer, 'malformed_json', 'invalid_field');
      }
    });

    test(`${path}: what is JSON and no object is refused`, async () => {
      for (const text of ['[]', '"text"', '1', 'true', 'null']) {
        const answer = await send(text);
        assert.ok([400, 422].includes(answer.status), `status ${answer.status}`);
        problem(answer, 'malformed_json', 'invalid_field');
      }
    });

    for (const name of Object.keys(fields))
      test(`${path}: a missing or mistyped ${name} is named`, async () => {
        const others = Object.fromEntries(Object.entries(fields).filter(([key]) => key !== name));
        const bodies = [others, ...[1, true, null, [], {}, ['x'], 1.5].map((value) => ({ ...others, [name]: value }))];
        for (const body of bodies) {
          const detail = expectProblem(await send(body), 422, 'invalid_field');
          assert.match(detail, new RegExp(name));
        }
      });

    test(`${path}: a body over the limit is 413`, async () => {
      const name = Object.keys(fields)[0] ?? 'path';
      const empty = JSON.stringify({ ...fields, [name]: '' }).length;
      const answer = await send(JSON.stringify({ ...fields, [name]: 'x'.repeat(kMaxBody - empty + 1) })).catch(
        (error: NodeJS.ErrnoException) => {
          // The daemon may answer and close before everything was sent; some clients then see only the reset.
          assert.ok(['EPIPE', 'ECONNRESET'].includes(error.code ?? ''), String(error));
          return undefined;
        },
      );
      if (answer) expectProblem(answer, 413, 'body_too_large');
    });
  }

  async function sendBytes(path: string, body: Buffer): Promise<Answer> {
    const head =
      `POST ${path} HTTP/1.1\r\nHost: 127.0.0.1:${daemon().port}\r\nAuthorization: Bearer ${await daemon().session()}\r\n` +
      `Content-Type: application/json\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n`;
    const { text } = await raw(daemon().port, Buffer.concat([Buffer.from(head), body]), { enough: wholeResponse });
    return parseResponse(text);
  }

  test('a body just under the limit is taken', async () => {
    const content = 'x'.repeat(kMaxBody - 64);
    expectOk(await daemon().post('/api/fs/write', { path: 'large.txt', content }));
    assert.equal(daemon().read('Alpha/large.txt'), content);
  });

  test('the segment field must be a name', async () => {
    for (const segment of [1, [], {}, true]) {
      const detail = expectProblem(await daemon().post('/api/fs/read', { path: 'hello.txt', segment }), 422, 'invalid_field');
      assert.match(detail, /segment/);
    }
    expectProblem(await daemon().post('/api/fs/read', { path: 'hello.txt', segment: 'Omega' }), 400, 'unknown_segment');
    expectProblem(await daemon().post('/api/fs/read', { path: 'hello.txt', segment: '' }), 400, 'unknown_segment');
    expectProblem(await daemon().post('/api/fs/read', { path: 'hello.txt', segment: '../Alpha' }), 400, 'unknown_segment');
  });
});

describe('HTTP as no client should speak it', () => {
  const host = (): string => `Host: 127.0.0.1:${daemon().port}`;
  const head = async (length: string | number, more = ''): Promise<string> =>
    `POST /api/fs/write HTTP/1.1\r\n${host()}\r\nAuthorization: Bearer ${await daemon().session()}\r\n` +
    `Content-Type: application/json\r\nContent-Length: ${length}\r\n${more}\r\n`;

  test('a Content-Length of 2 GiB is 413 before any of it has come', async () => {
    for (const length of ['2147483648', '4294967296', '9223372036854775807', '18446744073709551615']) {
      const { text } = await raw(daemon().port, (await head(length)) + '{"path":', { enough: wholeResponse });
      expectProblem(parseResponse(text), 413, 'body_too_large');
    }
  });

  test('a client that asks first (Expect: 100-continue) is told 413 and not to go on', async () => {
    const { text } = await raw(daemon().port, await head('2147483648', 'Expect: 100-continue\r\n'), { enough: wholeResponse });
    expectProblem(parseResponse(text), 413, 'body_too_large');
  });

  test('a chunked body over the limit is 413', async () => {
    const chunk = `10000\r\n${'x'.repeat(0x10000)}\r\n`;
    const start = (await head(0)).replace('Content-Length: 0', 'Transfer-Encoding: chunked');
    const { text } = await raw(daemon().port, start + chunk.repeat(40), { enough: wholeResponse });
    expectProblem(parseResponse(text), 413, 'body_too_large');
  });

  test('a chunked body within the limit is taken', async () => {
    const body = JSON.stringify({ path: 'chunked.txt', content: 'in chunks' });
    const cut = 10;
    const chunks = [body.slice(0, cut), body.slice(cut)].map((part) => `${part.length.toString(16)}\r\n${part}\r\n`);
    const start = (await head(0, 'Connection: close\r\n')).replace('Content-Length: 0', 'Transfer-Encoding: chunked');
    const { text } = await raw(daemon().port, `${start}${chunks.join('')}0\r\n\r\n`, { enough: wholeResponse });
    assert.equal(parseResponse(text).status, 200, text);
    assert.equal(daemon().read('Alpha/chunked.txt'), 'in chunks');
  });

  test('what is not HTTP, or could be read in two ways, is refused and the connection closed', async () => {
    const body = '{"path":"smuggled.txt","content":"x"}';
    const requests = [
      'GARBAGE\r\n\r\n',
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', // the start of a TLS greeting
      `GET /health HTTP/9.9\r\n${host()}\r\n\r\n`,
      `GET  /health HTTP/1.1\r\n${host()}\r\n\r\n`,
      `GET /health HTTP/1.1\r\nHost : 127.0.0.1\r\n\r\n`,
      `GET /health HTTP/1.1\r\n${host()}\r\nA\0B: x\r\n\r\n`,
      (await head('-1')) + body,
      (await head('1e9')) + body,
      (await head('99999999999999999999999')) + body,
      (await head(body.length, `Content-Length: ${body.length + 1}\r\n`)) + body,
      (await head(body.length, 'Transfer-Encoding: chunked\r\n')) + `${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`,
      (await head(0, '')).replace('Content-Length: 0', 'Transfer-Encoding: chunked') + 'zz\r\n{}\r\n0\r\n\r\n',
    ];
    for (const bytes of requests) {
      const { text, closed } = await raw(daemon().port, bytes + '\r\n\r\n');
      assert.ok(closed, `${JSON.stringify(bytes.slice(0, 60))} left the connection open`);
      if (text !== '') {
        const { status } = parseResponse(text);
        assert.ok(status >= 400 && status < 500, `${JSON.stringify(bytes.slice(0, 60))} was answered ${status}`);
        assert.equal(text.match(/HTTP\/1\.1 /g)?.length, 1, 'answered more than once');
      }
    }
    expectProblem(await daemon().post('/api/fs/read', { path: 'smuggled.txt' }), 400, 'file_not_found');
  });

  test('a header field that is too large is 431', async () => {
    for (const fields of [`X-Large: ${'x'.repeat(200_000)}\r\n`, 'X-Many: x\r\n'.repeat(20_000)]) {
      const { text } = await raw(daemon().port, `GET /health HTTP/1.1\r\n${host()}\r\n${fields}\r\n`, {
        enough: wholeResponse,
      });
      expectProblem(parseResponse(text), 431, 'header_too_large');
    }
  });

  test('a request without a Host, or with two, is refused', async () => {
    for (const fields of ['', `${host()}\r\nHost: evil.example\r\n`, `Host: evil.example\r\n${host()}\r\n`]) {
      const { text } = await raw(daemon().port, `GET /health HTTP/1.1\r\n${fields}\r\n`, { enough: wholeResponse });
      const answer = parseResponse(text);
      assert.ok([400, 403].includes(answer.status), `${JSON.stringify(fields)}: ${text}`);
    }
  });

  test('requests sent at once on one connection are answered in their order', async () => {
    const ask = (path: string, last: boolean): string =>
      `GET ${path} HTTP/1.1\r\n${host()}\r\nAuthorization: Bearer ${token}\r\n${last ? 'Connection: close\r\n' : ''}\r\n`;
    const token = await daemon().session();
    const { text } = await raw(daemon().port, ask('/health', false) + ask('/api/segments/list', false) + ask('/nowhere', true));
    assert.deepEqual([...text.matchAll(/HTTP\/1\.1 (\d{3})/g)].map((match) => match[1]), ['200', '200', '404']);
  });

  test('a request that comes byte by byte is served', async () => {
    const socket = net.connect({ host: '127.0.0.1', port: daemon().port, noDelay: true });
    let text = '';
    socket.on('data', (part) => (text += part.toString('latin1')));
    await once(socket, 'connect');
    for (const byte of `GET /health HTTP/1.1\r\n${host()}\r\nConnection: close\r\n\r\n`)
      await new Promise<void>((resolve) => socket.write(byte, () => resolve()));
    await once(socket, 'close');
    assert.equal(json(parseResponse(text))['status'], 'ok');
  });

  test('connections that stay silent or end in the middle do not stop others', async () => {
    const sockets = Array.from({ length: 40 }, () => net.connect({ host: '127.0.0.1', port: daemon().port }));
    await Promise.all(sockets.map((socket) => once(socket, 'connect')));
    const half = await head(1000);
    sockets.forEach((socket, nth) => nth % 2 === 0 || socket.write(nth % 4 === 1 ? half : half.slice(0, 30)));
    expectOk(await daemon().send('GET', '/health', undefined, null));
    sockets.forEach((socket) => socket.destroy());
  });
});

describe('limits.connections', () => {
  test('what comes above it is answered 503 and harms nobody', async () => {
    const few = await Daemon.start({ tables: '[limits]\nconnections = 32' });
    try {
      const broker = few.broker();
      for (let round = 0; round < 5; round++) {
        const answers = await Promise.all(Array.from({ length: 150 }, () => few.send('GET', '/health', undefined, null)));
        const refused = answers.filter((answer) => answer.status !== 200);
        refused.forEach((answer) => expectProblem(answer, 503, 'too_many_connections'));
        // Silent ones fill it for certain.
        const silent = Array.from({ length: 32 }, () => net.connect({ host: '127.0.0.1', port: few.port }));
        await Promise.all(silent.map((socket) => once(socket, 'connect')));
        expectProblem(await few.send('GET', '/health', undefined, null), 503, 'too_many_connections');
        silent.forEach((socket) => socket.destroy());
        await until('room', () => few.send('GET', '/health', undefined, null).then((answer) => answer.status === 200), 5000);
      }
      assert.equal(few.broker().pid, broker.pid, 'the broker was started again');
    } finally {
      await few.stop();
    }
  });
});

describe('segments', () => {
  const create = (name: unknown, root: unknown = daemon().projects): Promise<Answer> =>
    daemon().post('/api/segments/create', { name, root });

  test('a created one can be used at once', async () => {
    const body = expectOk(await create('Created'));
    assert.equal(body['success'], true);
    const segment = body['segment'] as Record<string, unknown>;
    assert.equal(segment['name'], 'Created');
    assert.equal(segment['path'], daemon().path('Created'));
    const listed = expectOk(await daemon().get('/api/segments/list'))['segments'] as Record<string, unknown>[];
    assert.ok(listed.some((entry) => entry['name'] === 'Created' && entry['source'] === 'root'));
    expectOk(await daemon().post('/api/fs/write', { path: daemon().path('Created/a.txt'), content: 'here' }));
    assert.equal(daemon().read('Created/a.txt'), 'here');
    const wire = await daemon().open('Created');
    assert.equal((await wire.shell('cat a.txt')).text, 'here');
    await wire.close();
  });

  test('a name that is there already is refused, also in another case', async () => {
    expectProblem(await create('Alpha'), 400, 'exists');
    expectProblem(await create('ALPHA'), 400, 'exists');
  });

  test('a name that is no plain name creates nothing anywhere (legacy flaw 4)', async () => {
    const outside = `${daemon().folder}/outside`;
    const before = fs.readdirSync(daemon().folder).sort();
    const within = fs.readdirSync(daemon().projects).sort();
    for (const name of ['', '.', '..', '../outside', outside, 'a/b', 'Alpha/sub', '.hidden', '-rf', 'a\0b', 'a\nb', ' a', 'a ', 'x'.repeat(101)])
      expectProblem(await create(name), 400, 'invalid_name');
    assert.deepEqual(fs.readdirSync(daemon().folder).sort(), before);
    assert.deepEqual(fs.readdirSync(daemon().projects).sort(), within);
  });

  test('a root that is not configured is refused', async () => {
    for (const root of ['/tmp', daemon().folder, daemon().path('Alpha'), `${daemon().projects}/../projects/../`, '', 'projects']) {
      const answer = await create('Elsewhere', root);
      assert.equal(answer.status, 400, answer.text);
      assert.match(answer.headers['content-type'] ?? '', /problem\+json/);
    }
    assert.ok(!fs.existsSync(`${daemon().folder}/Elsewhere`) && !fs.existsSync('/tmp/Elsewhere'));
  });
});
