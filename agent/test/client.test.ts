// The client over HTTP, against a daemon whose connections break.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { Client, TorenError } from '../src/index.js';
import { facts, Fake, problem } from './fake.js';

let fake: Fake;
let client: Client;

beforeEach(async () => {
  fake = await Fake.start();
  client = new Client({ url: fake.url, token: Fake.token, retryMilliseconds: 2 });
});

afterEach(() => fake.stop());

const code = (expected: string) => (error: unknown) => error instanceof TorenError && error.code === expected;

describe('calls', () => {
  test('a GET has its fields in path and query', async () => {
    fake.http = (request, response) => {
      assert.equal(request.method, 'GET');
      assert.equal(request.url, '/v2/segments/my%20site/files/search?pattern=a%26b&word=true&glob=*.c&glob=*.h');
      assert.equal(request.headers.authorization, `Bearer ${Fake.token}`);
      response.end(JSON.stringify({ matches: [], truncated: false, files_searched: 0 }));
    };
    await client.call('files.search', { segment: 'my site', pattern: 'a&b', word: true, glob: ['*.c', '*.h'] });
  });

  test('bytes of a path that are no UTF-8 go into the query as they are', async () => {
    fake.http = (request, response) => {
      assert.equal(request.url, '/v2/segments/site/files/stat?path=%63%61%66%e9');
      response.end(JSON.stringify({ ...facts, path: 'caf\ufffd', path_bytes: 'Y2Fm6Q==' }));
    };
    const entry = await client.call('files.stat', { segment: 'site', path_bytes: 'Y2Fm6Q==' });
    assert.equal(entry.path_bytes, 'Y2Fm6Q==');
  });

  test('a POST has them in the body, but for those of the path', async () => {
    fake.http = (request, response, body) => {
      assert.equal(request.url, '/v2/segments/site/processes/p1/signal');
      assert.deepEqual(JSON.parse(body.toString()), { signal: 'TERM' });
      problem(response, 404, 'unknown_process');
    };
    await assert.rejects(
      client.call('processes.signal', { segment: 'site', process: 'p1', signal: 'TERM' }),
      code('unknown_process'),
    );
  });

  test('a field that a query cannot have is not left out in silence', async () => {
    const fields = { segment: 'site', path: 'a', folow: false };
    await assert.rejects(client.call('files.stat', fields), code('unknown_field'));
  });

  test('what is no problem and no JSON is malformed', async () => {
    fake.http = (_, response) => response.writeHead(502).end('<html>');
    await assert.rejects(client.call('segments.list', {}), code('malformed_answer'));
    fake.http = (_, response) => response.end('<html>');
    await assert.rejects(client.call('segments.list', {}), code('malformed_answer'));
    fake.http = (_, response) => response.end('{"segments": 1, "roots": []}');
    await assert.rejects(client.call('segments.list', {}), code('malformed_answer'));
  });

  test('a connection without an answer is lost', async () => {
    fake.http = (request) => request.socket.destroy();
    await assert.rejects(client.call('segments.list', {}), code('connection_lost'));
  });

  test('an aborted call is cancelled', async () => {
    const abort = new AbortController();
    fake.http = () => abort.abort();
    await assert.rejects(client.call('segments.list', {}, { signal: abort.signal }), code('cancelled'));
  });

  test('pairing gives a client with the token', async () => {
    fake.http = (_, response, body) => {
      assert.deepEqual(JSON.parse(body.toString()), { pairing_token: '123456', name: 'laptop' });
      response.end(JSON.stringify({ session_token: 'abc', session_id: 's' }));
    };
    assert.equal((await Client.pair({ url: fake.url }, '123456', 'laptop')).token, 'abc');
  });
});

describe('downloads', () => {
  const content = Buffer.from(Array.from({ length: 100_000 }, (_, i) => i % 251));
  const bytesOf = async (parts: AsyncIterable<Uint8Array>): Promise<Buffer> => {
    const found: Uint8Array[] = [];
    for await (const part of parts) found.push(part);
    return Buffer.concat(found);
  };

  // Sends `most` bytes of each answer and breaks off.
  const serve = (most: number, asked: string[], version = (): string => 'v1'): void => {
    fake.http = (request, response) => {
      asked.push(String(request.headers.range));
      const wanted = request.headers['if-match'];
      if (wanted !== undefined && wanted !== `"${version()}"`) return problem(response, 412, 'changed', { version: version() });
      const from = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
      response.writeHead(from > 0 ? 206 : 200, {
        ETag: `"${version()}"`,
        'Content-Length': content.length - from,
        ...(from > 0 ? { 'Content-Range': `bytes ${from}-${content.length - 1}/${content.length}` } : {}),
      });
      const part = content.subarray(from, from + most);
      if (from + part.length === content.length) return response.end(part);
      response.write(part, () => request.socket.end());
    };
  };

  test('are taken up where they broke', async () => {
    const asked: string[] = [];
    serve(30_000, asked);
    const download = await client.download({ segment: 'site', path: 'a' });
    assert.deepEqual([download.version, download.size], ['v1', content.length]);
    assert.ok((await bytesOf(download)).equals(content));
    assert.deepEqual(asked, ['undefined', 'bytes=30000-', 'bytes=60000-', 'bytes=90000-']);
  });

  test('begin at an offset', async () => {
    serve(1_000_000, []);
    const download = await client.download({ segment: 'site', path: 'a' }, { offset: 99_000 });
    assert.ok((await bytesOf(download)).equals(content.subarray(99_000)));
  });

  test('never mix two versions of a file', async () => {
    let version = 'v1';
    serve(30_000, [], () => version);
    const download = await client.download({ segment: 'site', path: 'a' });
    version = 'v2';
    await assert.rejects(bytesOf(download), code('changed'));
  });

  test('end when nothing comes any more', async () => {
    const asked: string[] = [];
    serve(0, asked);
    const patient = new Client({ url: fake.url, token: Fake.token, retryMilliseconds: 1, retries: 3 });
    await assert.rejects(bytesOf(await patient.download({ segment: 'site', path: 'a' })), code('connection_lost'));
    assert.equal(asked.length, 4);
  });
});

describe('uploads', () => {
  test('of what is small are one request', async () => {
    fake.http = (request, response, body) => {
      assert.deepEqual([request.method, request.url], ['PUT', '/v2/segments/site/files/content?path=a&if_version=']);
      assert.equal(body.toString(), 'hello');
      response.end(JSON.stringify(facts));
    };
    assert.equal((await client.upload({ segment: 'site', path: 'a', if_version: '' }, Buffer.from('hello'))).size, 5);
  });

  test('of what is large go in pieces, and on where they broke', async () => {
    let there = '';
    const seen: string[] = [];
    fake.http = (request, response, body) => {
      const { pathname, searchParams } = new URL(request.url ?? '', 'http://x');
      const step = `${request.method} ${pathname.split('/uploads')[1]}`;
      seen.push(`${step} ${searchParams.get('offset') ?? ''}`.trim());
      const say = (value: object): void => void response.end(JSON.stringify(value));
      if (step === 'POST ') return say({ upload: 'u1', offset: 0 });
      if (step === 'GET /u1') return say({ upload: 'u1', offset: there.length });
      if (step === 'PATCH /u1') {
        // Of the second piece half arrives, and nobody hears of it.
        const lost = there === 'abcd';
        there += body.toString().slice(0, lost ? 2 : undefined);
        return lost ? void request.socket.destroy() : say({ upload: 'u1', offset: there.length });
      }
      assert.deepEqual(JSON.parse(body.toString()), { path: 'a', size: 10, if_version: 'v0' });
      say(facts);
    };
    await client.upload({ segment: 'site', path: 'a', if_version: 'v0' }, new Blob(['abcdefghij']), { piece: 4 });
    assert.equal(there, 'abcdefghij');
    assert.deepEqual(seen, ['POST', 'PATCH /u1 0', 'PATCH /u1 4', 'GET /u1', 'PATCH /u1 6', 'POST /u1/finish']);
  });

  test('that are refused are aborted', async () => {
    const seen: string[] = [];
    fake.http = (request, response) => {
      seen.push(String(request.method));
      if (request.method === 'PATCH') return problem(response, 507, 'no_space');
      response.end(JSON.stringify(request.method === 'DELETE' ? {} : { upload: 'u1', offset: 0 }));
    };
    await assert.rejects(client.upload({ segment: 'site', path: 'a' }, Buffer.from('hello'), { piece: 2 }), code('no_space'));
    assert.deepEqual(seen, ['POST', 'PATCH', 'DELETE']);
  });
});
