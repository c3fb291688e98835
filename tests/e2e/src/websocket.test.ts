// The WebSocket's own manners: who may speak, what a bad message gets, what is too much.
import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import net from 'node:net';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { isAlive, type Process } from './processes.js';
import { expectOk, expectProblem, parseResponse, raw, wholeResponse } from './rest.js';
import { until, within } from './wait.js';
import type { Wire } from './wire.js';

const daemon = sharedDaemon({ before, after }, { segments: ['Alpha', 'calculator'] }, (started) => {
  started.write('Alpha/file.txt', 'content');
});
const kMaxMessage = 2 * 1024 * 1024;

let broker: Process;
beforeEach(() => {
  broker = daemon().broker();
});
afterEach(async () => {
  expectOk(await daemon().get('/health'));
  assert.ok(isAlive(broker), 'the broker died of this test');
});

async function expectWorking(wire: Wire): Promise<void> {
  const requestId = wire.newId();
  wire.send({ type: 'FileRead', requestId, path: daemon().path('Alpha/file.txt') });
  assert.equal((await wire.takeType('FileContent', requestId)).content, 'content');
}

interface Ancillary {
  id: string;
  segment: string;
  status: string;
  connected_at: string;
  working_dir: string;
}
const ancillaries = async (): Promise<Ancillary[]> =>
  expectOk(await daemon().get('/api/ancillaries/list'))['ancillaries'] as Ancillary[];

describe('before Auth', () => {
  test('every request is answered "Not authenticated", nothing happens, and the socket stays open', async () => {
    const wire = await daemon().wire();
    const requests = [
      { type: 'FileRead', requestId: 'a', path: daemon().path('Alpha/file.txt') },
      { type: 'VcsStatus', requestId: 'b', path: daemon().path('Alpha') },
      { type: 'Command', requestId: 'c', request: { command: 'touch', args: ['unauthenticated'], cwd: daemon().path('Alpha') } },
      { type: 'Cancel', requestId: 'd' },
    ];
    for (const request of requests) {
      wire.send(request);
      const error = await wire.take('an Error', (m) => m.type === 'Error');
      assert.equal(error.type === 'Error' && error.message, 'Not authenticated');
      assert.equal(error.type === 'Error' && error.code, 'unauthorized');
      assert.equal(error.requestId, request.requestId);
    }
    await wire.auth(await daemon().session(), { segment: 'Alpha' });
    await expectWorking(wire);
    assert.equal((await wire.shell('test -e unauthenticated && echo there')).text, '');
    await wire.close();
  });

  test('a wrong token is an AuthFailure, and a right one after it works', async () => {
    const wire = await daemon().wire();
    for (const token of ['', '0'.repeat(64), daemon().pin, `${await daemon().session()}0`]) {
      wire.send({ type: 'Auth', requestId: 'x', token });
      assert.deepEqual(await wire.next(), { type: 'AuthFailure', reason: 'Invalid token', requestId: 'x' });
    }
    wire.send({ type: 'FileRead', path: daemon().path('Alpha/file.txt') });
    assert.equal((await wire.takeType('Error')).message, 'Not authenticated');
    await wire.auth(await daemon().session());
    await expectWorking(wire);
    await wire.close();
  });

  test('the upgrade needs no token, and a path beside /ws is none', async () => {
    await (await daemon().wire()).close();
    const key = randomBytes(16).toString('base64');
    const { text } = await raw(
      daemon().port,
      `GET /other HTTP/1.1\r\nHost: 127.0.0.1:${daemon().port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
        `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${key}\r\n\r\n`,
      { enough: wholeResponse },
    );
    assert.ok(parseResponse(text).status >= 400, text);
  });

  test('GET /ws without an upgrade is an error', async () => {
    const answer = await daemon().send('GET', '/ws', undefined, null);
    assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
  });
});

describe('Auth', () => {
  test('tells the working folder of the segment, whose name matches in any case (legacy client habit)', async () => {
    const wire = await daemon().wire();
    const success = await wire.auth(await daemon().session(), { segment: 'Calculator', ancillary_id: 'calc-1' });
    assert.equal(success.working_dir, daemon().path('calculator'));
    await wire.close();
  });

  test('echoes a requestId', async () => {
    const wire = await daemon().wire();
    wire.send({ type: 'Auth', requestId: 'me', token: await daemon().session() });
    assert.equal((await wire.next()).requestId, 'me');
    await wire.close();
  });

  test('refuses a segment that there is not', async () => {
    const wire = await daemon().wire();
    for (const segment of ['Omega', '../Alpha', '', daemon().path('Alpha')]) {
      wire.send({ type: 'Auth', token: await daemon().session(), ancillary_id: 'x', segment });
      assert.equal((await wire.takeType('AuthFailure')).reason, `Segment not found: ${segment}`);
    }
    await wire.close();
    assert.deepEqual(await ancillaries(), []);
  });

  test('refuses a workspace where none is configured', async () => {
    const wire = await daemon().wire();
    wire.send({ type: 'Auth', token: await daemon().session(), ancillary_id: 'x', segment: 'Alpha', workspace: '../../up' });
    assert.equal((await wire.takeType('AuthFailure')).reason, 'Workspace requested but workspace_root not configured');
    await wire.close();
  });

  test('registers an ancillary when it has an id and a segment, until it leaves', async () => {
    const token = await daemon().session();
    const wire = await daemon().wire();
    await wire.auth(token, { ancillary_id: 'one', segment: 'Alpha' });
    const [entry, ...others] = await ancillaries();
    assert.deepEqual(others, []);
    assert.equal(entry?.id, 'one');
    assert.equal(entry.segment, 'Alpha');
    assert.equal(entry.status, 'connected');
    assert.equal(entry.working_dir, daemon().path('Alpha'));
    assert.ok(!Number.isNaN(Date.parse(entry.connected_at)), entry.connected_at);
    await wire.close();
    await until('the ancillary to leave', async () => (await ancillaries()).length === 0);
  });

  test('shows the ancillary as executing while its command runs', async () => {
    const wire = await daemon().wire();
    await wire.auth(await daemon().session(), { ancillary_id: 'busy', segment: 'Alpha' });
    const id = wire.start({ command: 'sh', args: ['-c', 'echo up; sleep 1000'] });
    await wire.output(id);
    assert.equal((await ancillaries())[0]?.status, 'executing');
    wire.send({ type: 'Cancel', requestId: id });
    await wire.finish(id);
    await until('it to be done', async () => (await ancillaries())[0]?.status !== 'executing');
    await wire.close();
    await until('it to leave', async () => (await ancillaries()).length === 0);
  });

  test('refuses a segment that another ancillary works in, until that one leaves', async () => {
    const token = await daemon().session();
    const first = await daemon().wire();
    await first.auth(token, { ancillary_id: 'first', segment: 'Alpha' });
    const second = await daemon().wire();
    const claim = { type: 'Auth', token, ancillary_id: 'second', segment: 'alpha' };
    second.send(claim);
    assert.match((await second.takeType('AuthFailure')).reason, /^Segment\/Workspace Alpha is already in use by ancillary first$/i);
    assert.deepEqual((await ancillaries()).map((entry) => entry.id), ['first']);
    await first.close();
    await until('the segment to be free', async () => {
      second.send(claim);
      return (await second.take('an answer', () => true)).type === 'AuthSuccess';
    });
    await second.close();
    await until('it to leave', async () => (await ancillaries()).length === 0);
  });

  test('a second Auth on a socket moves its ancillary and leaves none behind (legacy flaw 13)', async () => {
    const token = await daemon().session();
    const wire = await daemon().wire();
    await wire.auth(token, { ancillary_id: 'one', segment: 'Alpha' });
    await wire.auth(token, { ancillary_id: 'two', segment: 'calculator' });
    assert.deepEqual((await ancillaries()).map(({ id, segment }) => [id, segment]), [['two', 'calculator']]);
    await wire.auth(token, { ancillary_id: 'three', segment: 'Alpha' });
    assert.deepEqual((await ancillaries()).map(({ id, segment }) => [id, segment]), [['three', 'Alpha']]);
    await wire.close();
    await until('it to leave', async () => (await ancillaries()).length === 0);
  });

  test('an id without a segment connects and registers nothing (index.ts)', async () => {
    const wire = await daemon().wire();
    await wire.auth(await daemon().session(), { ancillary_id: 'lost' });
    assert.deepEqual(await ancillaries(), []);
    await expectWorking(wire);
    await wire.close();
  });
});

describe('bad messages', () => {
  let wire: Wire;
  before(async () => {
    wire = await daemon().open();
  });

  test('what is not JSON, or no object with a type, is an Invalid request', async () => {
    for (const text of ['', '{', 'hello', '[]', 'null', '1', '"x"', '{}', '{"type":1}', '{"type":null}', '{"type":"FileRead"', '{"a":NaN}']) {
      wire.sendText(text);
      assert.match((await wire.takeType('Error')).message, /^Invalid request: ./, text);
    }
    await expectWorking(wire);
  });

  test('100,000 nested brackets are an Invalid request', async () => {
    const open = '['.repeat(100_000);
    const close = ']'.repeat(100_000);
    for (const text of [open, open + close, '{"type":'.repeat(100_000), `{"type":"FileRead","path":${open}${close}}`]) {
      wire.sendText(text);
      assert.match((await wire.takeType('Error')).message, /^Invalid request: ./);
    }
    await expectWorking(wire);
  });

  test('a missing or mistyped field is an Invalid request that names it', async () => {
    const token = await daemon().session();
    const requests: [object, RegExp][] = [
      [{ type: 'FileRead' }, /path/],
      [{ type: 'FileRead', path: 1 }, /path/],
      [{ type: 'FileRead', path: null }, /path/],
      [{ type: 'VcsStatus' }, /path/],
      [{ type: 'VcsStatus', path: {} }, /path/],
      [{ type: 'Auth' }, /token/],
      [{ type: 'Auth', token: 1 }, /token/],
      [{ type: 'Auth', token, segment: 1 }, /segment/],
      [{ type: 'Auth', token, ancillary_id: [] }, /ancillary_id/],
    ];
    for (const [request, named] of requests) {
      wire.send({ ...request, requestId: 'bad' });
      const answer = await wire.take('an answer', (m) => m.requestId === 'bad');
      // Who sends Auth waits for one of its two answers, and would not see an Error.
      const isAuth = 'type' in request && request.type === 'Auth';
      assert.equal(answer.type, isAuth ? 'AuthFailure' : 'Error');
      const text = answer.type === 'AuthFailure' ? answer.reason : answer.type === 'Error' ? answer.message : '';
      assert.match(text, /^Invalid request: /);
      assert.match(text, named);
      if (answer.type === 'Error') assert.equal(answer.code, 'invalid_field');
    }
    await expectWorking(wire);
  });

  test('an unknown type has a code of its own, with the requestId', async () => {
    for (const type of ['Nonsense', '', 'command', 'COMMAND', 'AuthSuccess', 'x'.repeat(10_000)]) {
      wire.send({ type, requestId: 'unknown' });
      assert.equal((await wire.takeType('Error', 'unknown')).code, 'unknown_message_type');
    }
    await expectWorking(wire);
  });

  test('unknown fields are ignored', async () => {
    wire.send({ type: 'FileRead', requestId: 'f', path: daemon().path('Alpha/file.txt'), future: [1, { a: 2 }] });
    assert.equal((await wire.takeType('FileContent', 'f')).content, 'content');
  });

  test('an answer without a requestId in the request has none', async () => {
    wire.send({ type: 'FileRead', path: daemon().path('Alpha/file.txt') });
    assert.deepEqual(await wire.next(), { type: 'FileContent', content: 'content' });
  });

  test('many requests at once are each answered to their id', async () => {
    const ids = Array.from({ length: 100 }, () => wire.newId());
    for (const [nth, requestId] of ids.entries()) {
      daemon().write(`Alpha/n-${nth}`, `content ${nth}`);
      wire.send({ type: 'FileRead', requestId, path: daemon().path(`Alpha/n-${nth}`) });
    }
    for (const [nth, requestId] of ids.entries())
      assert.deepEqual(await wire.take('an answer', (m) => m.requestId === requestId), {
        type: 'FileContent',
        requestId,
        content: `content ${nth}`,
      });
  });

  test('a message in fragments is one message', async () => {
    const text = JSON.stringify({ type: 'FileRead', requestId: 'frag', path: daemon().path('Alpha/file.txt') });
    wire.socket.send(text.slice(0, 5), { fin: false });
    wire.socket.send(text.slice(5, 20), { fin: false });
    wire.socket.send(text.slice(20), { fin: true });
    assert.equal((await wire.takeType('FileContent', 'frag')).content, 'content');
  });
});

describe('frames', () => {
  test('a message over the limit closes the socket with 1009, and just under it does not', async () => {
    const wire = await daemon().open();
    wire.sendText(' '.repeat(kMaxMessage - 2) + '{}');
    await wire.takeType('Error');
    wire.sendText(' '.repeat(kMaxMessage + 1));
    assert.equal((await within('the close', wire.closed)).code, 1009);
  });

  test('fragments that add up to more than the limit do so too', async () => {
    const wire = await daemon().open();
    for (let sent = 0; sent <= kMaxMessage; sent += 256 * 1024) wire.socket.send(' '.repeat(256 * 1024), { fin: false });
    assert.equal((await within('the close', wire.closed)).code, 1009);
  });

  test('a text frame that is not UTF-8 closes the socket with 1007', async () => {
    const wire = await daemon().open();
    wire.socket.send(Buffer.from([0x22, 0xff, 0xfe, 0x22]), { binary: false });
    assert.equal((await within('the close', wire.closed)).code, 1007);
  });

  test('frames that no client may send close the socket', async () => {
    const frames = {
      'a frame that is not masked': Buffer.from([0x81, 0x02, 0x7b, 0x7d]),
      'a reserved opcode': Buffer.from([0x83, 0x80, 0, 0, 0, 0]),
      'reserved bits': Buffer.from([0xf1, 0x80, 0, 0, 0, 0]),
      'a fragmented ping': Buffer.from([0x09, 0x80, 0, 0, 0, 0]),
      'a ping of 126 bytes': Buffer.concat([Buffer.from([0x89, 0xfe, 0, 126, 0, 0, 0, 0]), Buffer.alloc(126)]),
      'a length of 2^63': Buffer.from([0x81, 0xff, 0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
      'a length of 2 GiB': Buffer.from([0x81, 0xff, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0, 0, 0]),
      'a continuation of nothing': Buffer.from([0x80, 0x80, 0, 0, 0, 0]),
    };
    for (const [what, frame] of Object.entries(frames)) {
      const socket = net.connect({ host: '127.0.0.1', port: daemon().port });
      try {
        const closed = new Promise<void>((resolve) => socket.on('close', () => resolve()));
        let text = '';
        socket.on('error', () => undefined);
        socket.on('data', (part) => (text += part.toString('latin1')));
        socket.write(
          `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${daemon().port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n` +
            `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString('base64')}\r\n\r\n`,
        );
        await until('the upgrade', () => text.startsWith('HTTP/1.1 101'));
        socket.write(frame);
        await within(`${what} to close the socket`, closed);
      } finally {
        socket.destroy();
      }
    }
  });

  test('an upgrade with a wrong version or no key is refused', async () => {
    for (const fields of ['Sec-WebSocket-Version: 8\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n', 'Sec-WebSocket-Version: 13\r\n']) {
      const { text } = await raw(
        daemon().port,
        `GET /ws HTTP/1.1\r\nHost: 127.0.0.1:${daemon().port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n${fields}\r\n`,
        { enough: wholeResponse },
      );
      const { status } = parseResponse(text);
      assert.ok(status >= 400 && status < 500, String(status));
    }
  });

  test('a socket that closes in the middle of requests harms nobody', async () => {
    for (let round = 0; round < 20; ++round) {
      const wire = await daemon().open();
      wire.start({ command: 'sh', args: ['-c', 'seq 1 100000'] });
      wire.send({ type: 'FileRead', requestId: 'x', path: daemon().path('Alpha/file.txt') });
      wire.send({ type: 'VcsStatus', requestId: 'y', path: daemon().path('Alpha') });
      wire.socket.terminate();
    }
    expectProblem(await daemon().post('/api/fs/read', { path: daemon().path('Alpha/none') }), 400, 'file_not_found');
  });
});
