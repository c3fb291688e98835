// The socket against a daemon that loses connections, leaves gaps and breaks the protocol.
import assert from 'node:assert/strict';
import { afterEach, beforeEach, describe, test } from 'node:test';

import { Socket, TorenError, type Item } from '../src/index.js';
import { ended, facts, Fake, running, until } from './fake.js';

let fake: Fake;
let socket: Socket;

beforeEach(async () => {
  fake = await Fake.start();
  socket = new Socket({ url: fake.url, token: Fake.token, retryMilliseconds: 5, patienceMilliseconds: 2000 });
});

afterEach(async () => {
  socket.close();
  await fake.stop();
});

const code = (expected: string) => (error: unknown) => error instanceof TorenError && error.code === expected;

async function all(items: AsyncIterable<Item>): Promise<Item[]> {
  const found: Item[] = [];
  for await (const item of items) found.push(item);
  return found;
}

const textOf = (items: Item[]): string =>
  items.map((item) => (item.type === 'gap' ? `[${item.from}-${item.to}]` : Buffer.from(item.bytes).toString())).join('');

describe('calls', () => {
  test('an answer is given to its own request', async () => {
    let late = (): void => undefined; // the first one's, which comes after the second one's
    fake.on('files.stat', (message, reply) => {
      const answer = (): void => reply.result({ ...facts, path: message['path'] });
      if (message['path'] === 'a') return void (late = answer);
      answer();
      late();
    });
    const [a, b] = await Promise.all([
      socket.call('files.stat', { segment: 'site', path: 'a' }),
      socket.call('files.stat', { segment: 'site', path: 'b' }),
    ]);
    assert.deepEqual([a.path, b.path], ['a', 'b']);
    assert.equal(fake.connections, 1);
  });

  test('a problem is an error with its code and its fields', async () => {
    fake.on('files.write', (_, reply) => reply.refuse(412, 'changed', { version: 'v2' }));
    await assert.rejects(
      socket.call('files.write', { segment: 'site', path: 'a', content: '', if_version: 'v1' }),
      (error) => code('changed')(error) && (error as TorenError).problem.version === 'v2',
    );
  });

  test('an answer that lacks a field is malformed', async () => {
    fake.on('files.stat', (_, reply) => reply.result({ ...facts, path: 'a', size: '5' }));
    await assert.rejects(socket.call('files.stat', { segment: 'site', path: 'a' }), (error) =>
      code('malformed_answer')(error) && (error as Error).message.includes('Entry.size'));
  });

  test('a call whose connection breaks is lost, not repeated', async () => {
    fake.on('files.append', (_, reply) => reply.drop());
    await assert.rejects(socket.call('files.append', { segment: 'site', path: 'a', content: 'x' }), code('connection_lost'));
    assert.equal(fake.of('files.append').length, 1);
  });

  test('an aborted call is cancelled at the daemon', async () => {
    fake.on('processes.wait', () => undefined);
    const abort = new AbortController();
    const call = socket.call('processes.wait', { segment: 'site', process: 'p1' }, { signal: abort.signal });
    await until('the call', () => fake.of('processes.wait').length === 1);
    abort.abort();
    await assert.rejects(call, code('cancelled'));
    assert.equal(fake.of('cancel')[0]?.['request'], fake.of('processes.wait')[0]?.id);
  });

  test('a token that is refused is told at once, and not tried again', async () => {
    const stranger = new Socket({ url: fake.url, token: 'another', retryMilliseconds: 5 });
    await assert.rejects(stranger.call('segments.list', {}), code('unauthorized'));
    assert.equal(fake.connections, 1);
    stranger.close();
  });

  test('a daemon that does not come back is given up on', async () => {
    const url = fake.url;
    await fake.stop();
    const patient = new Socket({ url, token: Fake.token, retryMilliseconds: 5, patienceMilliseconds: 50 });
    await assert.rejects(patient.call('segments.list', {}), code('connection_lost'));
    patient.close();
  });

  test('a socket that was closed says so', async () => {
    fake.on('processes.wait', () => undefined);
    const call = socket.call('processes.wait', { segment: 'site', process: 'p1' });
    await until('the call', () => fake.of('processes.wait').length === 1);
    socket.close();
    await assert.rejects(call, code('closed'));
    await assert.rejects(socket.call('segments.list', {}), code('closed'));
  });

  test('a daemon that is silent is taken for lost', async () => {
    fake.on('processes.wait', () => undefined).on('ping', () => undefined);
    const quick = new Socket({ url: fake.url, token: Fake.token, heartbeatMilliseconds: 20 });
    await assert.rejects(quick.call('processes.wait', { segment: 'site', process: 'p1' }), code('connection_lost'));
    quick.close();
  });
});

describe('messages that the protocol does not have', () => {
  const frame = (id: number, stream = 1, spare = 0, position = 0n): Buffer => {
    const header = Buffer.alloc(17);
    header.writeUInt32LE(id, 0);
    header.writeUInt8(stream, 4);
    header.writeUInt8(spare, 6);
    header.writeBigUInt64LE(position, 8);
    return header;
  };
  const bad: Record<string, (id: number) => string | Buffer> = {
    'no JSON': () => '{',
    'no object': () => '[]',
    'no id': () => '{"result": {}}',
    'an id that is too large': () => '{"id": 4294967296, "result": {}}',
    'neither result nor error': (id) => JSON.stringify({ id }),
    'an error that is no problem': (id) => JSON.stringify({ id, error: 'no' }),
    'an event that fits none': (id) => JSON.stringify({ id, event: { what: 1 } }),
    'a gap that goes back': (id) => JSON.stringify({ id, event: { gap: { from: 5, to: 1 } } }),
    'an answer to nobody': (id) => JSON.stringify({ id: id + 7, result: {} }),
    'a short frame': () => Buffer.alloc(15),
    'a frame for nobody': (id) => frame(id + 7),
    'a frame with id 0': () => frame(0),
    'a frame of another stream': (id) => frame(id, 3),
    'a frame with spare bits': (id) => frame(id, 1, 1),
    'a frame beyond all positions': (id) => frame(id, 1, 0, 1n << 60n),
  };
  for (const [name, message] of Object.entries(bad))
    test(`${name}: ends the stream with malformed_answer, and is not asked for again`, async () => {
      fake.on('processes.follow', (request, reply) => reply.say(message(request.id)));
      await assert.rejects(all(socket.follow({ segment: 'site', process: 'p1' })), code('malformed_answer'));
      assert.equal(fake.of('processes.follow').length, 1);
    });

  test('an error with id 0 is what the daemon could not read', async () => {
    fake.on('files.stat', (_, reply) => reply.say({ id: 0, error: { status: 400, code: 'malformed_json', detail: 'x' } }));
    await assert.rejects(socket.call('files.stat', { segment: 'site', path: 'a' }), code('malformed_json'));
  });
});

describe('follow', () => {
  test('goes on where the connection broke, and each byte arrives once', async () => {
    const content = 'abcdefghijklmnopqrstuvwxyz';
    const asked: number[] = [];
    fake.on('processes.follow', (message, reply) => {
      const from = Number(message['from']);
      asked.push(from);
      if (from >= content.length) return reply.result(ended);
      reply.output(from, content.slice(from, from + 4));
      if (from + 4 < content.length) reply.output(from + 4, content.slice(from + 4, from + 5), 2);
      reply.drop();
    });
    const items = await all(socket.follow({ segment: 'site', process: 'p1' }));
    assert.equal(textOf(items), content);
    assert.deepEqual(asked, [0, 5, 10, 15, 20, 25, 26]);
  });

  test('bytes that come twice are told once', async () => {
    fake.on('processes.follow', (_, reply) => {
      reply.output(0, 'abc');
      reply.output(1, 'bcd');
      reply.output(0, 'ab');
      reply.output(4, 'e');
      reply.result(ended);
    });
    const items = await all(socket.follow({ segment: 'site', process: 'p1' }));
    assert.equal(textOf(items), 'abcde');
  });

  test('gaps are told, with what arrived twice left out', async () => {
    let times = 0;
    fake.on('processes.follow', (message, reply) => {
      if (times++ === 0) {
        reply.output(0, 'abc');
        return reply.drop();
      }
      assert.equal(message['from'], 3);
      reply.event({ gap: { from: 3, to: 10 } });
      reply.output(10, 'k');
      reply.output(15, 'p'); // a hole of which nobody told
      reply.result(ended);
    });
    const output = socket.follow({ segment: 'site', process: 'p1' });
    assert.equal(textOf(await all(output)), 'abc[3-10]k[11-15]p');
    assert.equal((await output.result).exit?.code, 0);
  });

  test('of one stream the holes are the other one', async () => {
    fake.on('processes.follow', (message, reply) => {
      assert.equal(message['stream'], 'stderr');
      reply.output(3, 'x', 2);
      reply.output(9, 'y', 2);
      reply.result(ended);
    });
    assert.equal(textOf(await all(socket.follow({ segment: 'site', process: 'p1', stream: 'stderr' }))), 'xy');
  });

  test('"before the end" is one place, also when the process goes on meanwhile', async () => {
    fake.on('processes.get', (_, reply) => reply.result({ ...running, output: { from: 90, to: 100, retained: 'memory' } }));
    const asked: unknown[] = [];
    fake.on('processes.follow', (message, reply) => {
      asked.push(message['from']);
      if (asked.length === 1) return reply.drop();
      reply.output(95, 'hello');
      reply.result(ended);
    });
    assert.equal(textOf(await all(socket.follow({ segment: 'site', process: 'p1', from: -5 }))), 'hello');
    assert.deepEqual(asked, [95, 95]);
  });

  test('acknowledges what was taken, once for each half window, and nothing for what was not', async () => {
    const window = 65536;
    const part = new Uint8Array(16384);
    fake.on('processes.follow', (message, reply) => {
      assert.equal(message['window'], window);
      for (let i = 0; i < 4; i++) reply.output(i * part.length, part);
    });
    fake.on('ack', (message, reply) => {
      const follow = fake.of('processes.follow')[0]?.id ?? 0;
      assert.equal(message['request'], follow);
      assert.equal(message['id'], undefined);
      if (message['position'] === window) {
        reply.say({ id: follow, result: ended });
      }
    });
    const output = socket.follow({ segment: 'site', process: 'p1', window });
    const items = output[Symbol.asyncIterator]();
    await items.next();
    await items.next();
    fake.on('segments.list', (_, reply) => reply.result({ segments: [], roots: [] }));
    await socket.call('segments.list', {}); // an ack would have gone before it
    assert.equal(fake.of('ack').length, 0);
    await items.next();
    await until('the first ack', () => fake.of('ack').length === 1);
    while (!(await items.next()).done);
    assert.deepEqual(fake.of('ack').map((ack) => ack['position']), [32768, 65536]);
  });

  test('after a reconnection acknowledges in the new request', async () => {
    const window = 65536;
    const half = new Uint8Array(window / 2);
    fake.on('processes.follow', (message, reply) => {
      const from = Number(message['from']);
      reply.output(from, half);
      if (from === 0) reply.drop();
      else reply.output(from + half.length, half);
    });
    fake.on('ack', (message, reply) => {
      if (Number(message['position']) >= 3 * half.length) reply.say({ id: message['request'] as number, result: ended });
    });
    const { stdout } = await socket.follow({ segment: 'site', process: 'p1', window }).collect();
    assert.equal(stdout.length, 3 * half.length);
    const [, second] = fake.of('processes.follow');
    assert.equal(fake.of('ack').at(-1)?.['request'], second?.id);
  });

  test('a reader that leaves cancels, and the connection stays', async () => {
    fake.on('processes.follow', (_, reply) => reply.output(0, 'a'));
    fake.on('segments.list', (_, reply) => reply.result({ segments: [], roots: [] }));
    const output = socket.follow({ segment: 'site', process: 'p1' });
    for await (const item of output) if (item.type === 'output') break;
    await assert.rejects(output.result, code('cancelled'));
    assert.equal(fake.of('cancel').length, 1);
    await socket.call('segments.list', {});
    assert.equal(fake.connections, 1);
  });

  test('a signal cancels, also while the daemon is away', async () => {
    const abort = new AbortController();
    fake.on('processes.follow', (_, reply) => {
      reply.drop();
      void fake.stop().then(() => abort.abort());
    });
    await assert.rejects(
      all(socket.follow({ segment: 'site', process: 'p1' }, { signal: abort.signal })),
      code('cancelled'),
    );
    fake = await Fake.start();
  });

  test('an unknown process is no reason to ask again', async () => {
    fake.on('processes.follow', (_, reply) => reply.refuse(404, 'unknown_process'));
    await assert.rejects(all(socket.follow({ segment: 'site', process: 'p1' })), code('unknown_process'));
    assert.equal(fake.of('processes.follow').length, 1);
  });
});

describe('run', () => {
  test('gives output by stream, the process and its exit', async () => {
    fake.on('processes.run', (_, reply) => {
      reply.event({ process: running });
      reply.output(0, 'out');
      reply.output(3, 'err', 2);
      reply.result(ended);
    });
    const run = socket.run({ segment: 'site', shell: 'make' });
    assert.equal(await run.started, 'p1');
    const { process, stdout, stderr, gaps } = await run.collect();
    assert.deepEqual(
      [process.exit?.code, Buffer.from(stdout).toString(), Buffer.from(stderr).toString(), gaps],
      [0, 'out', 'err', []],
    );
  });

  test('ends with its connection', async () => {
    fake.on('processes.run', (_, reply) => {
      reply.event({ process: running });
      reply.drop();
    });
    await assert.rejects(socket.run({ segment: 'site', shell: 'make' }).collect(), code('connection_lost'));
    assert.equal(fake.connections, 1);
  });

  test('with keep is followed on over a connection that breaks', async () => {
    fake.on('processes.run', (_, reply) => {
      reply.event({ process: running });
      reply.output(0, 'abc');
      reply.drop();
    });
    fake.on('processes.follow', (message, reply) => {
      assert.deepEqual([message['process'], message['from']], ['p1', 3]);
      reply.output(3, 'def');
      reply.result(ended);
    });
    const { stdout } = await socket.run({ segment: 'site', shell: 'make', keep: true }).collect();
    assert.equal(Buffer.from(stdout).toString(), 'abcdef');
  });

  test('with keep, and lost before it was told which process, asks with the same text', async () => {
    const texts: unknown[] = [];
    fake.on('processes.run', (message, reply) => {
      texts.push(message['request']);
      if (texts.length === 1) return reply.drop();
      reply.event({ process: running });
      reply.result(ended);
    });
    await socket.run({ segment: 'site', shell: 'make', keep: true }).collect();
    assert.equal(texts.length, 2);
    assert.ok(typeof texts[0] === 'string' && texts[0] === texts[1]);
  });

  test('takes input, and its end', async () => {
    fake.on('processes.run', (_, reply) => reply.event({ process: running }));
    fake.on('input', (message, reply) => {
      const bytes = message['bytes'] as Buffer;
      if (bytes.length === 0) reply.result(ended);
      else reply.output(0, bytes);
    });
    const run = socket.run({ segment: 'site', argv: ['cat'], input: true });
    await run.write('hello');
    await run.closeInput();
    assert.equal(Buffer.from((await run.collect()).stdout).toString(), 'hello');
    assert.equal(fake.inputs[0]?.id, fake.of('processes.run')[0]?.id);
    await assert.rejects(run.write('more'), TorenError);
  });
});

describe('watch', () => {
  test('says after a reconnection that events were lost', async () => {
    const change = { event: 'created', path: 'a', kind: 'file' };
    fake.on('files.watch', (_, reply) => {
      reply.event({ events: [change] });
      if (fake.of('files.watch').length === 1) reply.drop();
    });
    const seen: unknown[] = [];
    for await (const batch of socket.watch({ segment: 'site' })) {
      seen.push(batch);
      if (seen.length === 3) break;
    }
    assert.deepEqual(seen, [{ events: [change] }, { overflow: true }, { events: [change] }]);
    await until('the cancel', () => fake.of('cancel').length === 1);
  });
});
