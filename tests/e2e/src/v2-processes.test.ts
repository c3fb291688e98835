// Processes over v2: what docs/protocol-v2.md promises of them, and that nothing of them is lost.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { isAlive, withArgument } from './processes.js';
import { expectOk as expect200, expectProblem, type Answer } from './rest.js';
import { V2Socket, type ProcessInfo } from './v2-socket.js';
import { until, within } from './wait.js';

const daemon = sharedDaemon({ before, after }, { segments: ['Alpha', 'Beta'] }, async (started) => {
  await started.session();
});

const open = async (segment = 'Alpha') => V2Socket.open(daemon().port, await daemon().session(), segment);
const at = (process = '', what = '') => `/v2/segments/Alpha/processes${process && '/'}${process}${what && '/'}${what}`;

function expectOk<T>(answer: Answer, status = 200): T {
  if (status === 200) return expect200(answer) as T;
  assert.equal(answer.status, status, answer.text);
  return JSON.parse(answer.text) as T;
}

interface Page {
  chunks: { position: number; stream: string; content: string; encoding: string }[];
  next: number;
  gap?: { from: number; to: number };
  ended: boolean;
}

describe('a process', () => {
  test('runs, and its streams come apart with the order between them', async () => {
    const client = await open();
    const { stream, result } = client.start('processes.run', { argv: ['sh', '-c', 'printf one; sleep 0.05; printf two >&2; sleep 0.05; printf three; exit 3'] });
    const ended = (await result) as ProcessInfo;
    assert.equal(ended.exit?.code, 3);
    assert.equal(stream.text, 'onethree');
    assert.equal(Buffer.concat(stream.errors).toString(), 'two');
    assert.deepEqual(ended.output, { from: 0, to: 11, retained: 'memory' });
    assert.ok(ended.exit?.wall_us !== undefined && ended.exit.wall_us > 50_000 && ended.exit.cpu_us > 0 && ended.exit.peak_memory > 100_000);
    assert.equal((await client.refused('processes.get', { process: ended.process })).code, 'unknown_process');
    await client.close();
  });

  test('gets its input, and the end of it; without one it has none', async () => {
    const client = await open();
    const { stream, result } = client.start('processes.run', { argv: ['sha256sum'], input: true });
    const block = Buffer.alloc(300_000, 'abc');
    for (let i = 0; i < 20; ++i) client.input(stream.id, block);
    client.input(stream.id, '');
    await result;
    const { createHash } = await import('node:crypto');
    const expected = createHash('sha256');
    for (let i = 0; i < 20; ++i) expected.update(block);
    assert.equal(stream.text, `${expected.digest('hex')}  -\n`);

    const without = client.start('processes.run', { argv: ['cat'] });
    assert.equal(((await without.result) as ProcessInfo).exit?.code, 0);
    const closed = await client.call('processes.start', { argv: ['sh', '-c', 'exec <&-; sleep 100'], input: true });
    await until('its end of the pipe to close', async () => {
      const refused = await client.call('processes.input', { process: closed.process, content: 'x' }).then(() => undefined, (e: { code?: string }) => e.code);
      return refused === 'input_closed';
    });
    await client.call('processes.kill', { process: closed.process });
    await client.close();
  });

  test('has a terminal of the size that is asked for, and hears of another one', async () => {
    const client = await open();
    const started = await client.call('processes.start', { argv: ['sh', '-c', 'trap "stty size; exit 5" WINCH; stty size; tty; while :; do sleep 0.05; done'], terminal: { rows: 33, columns: 111 } });
    assert.equal(started.terminal, true);
    await until('its first words', async () => (await client.call('processes.get', { process: started.process })).output.to > 18);
    await client.call('processes.resize', { process: started.process, rows: 40, columns: 120 });
    const ended = await client.call('processes.wait', { process: started.process });
    assert.equal(ended.exit?.code, 5);
    const page = await client.call<Page>('processes.output', { process: started.process });
    assert.equal(page.chunks.map((c) => c.content).join(''), '33 111\r\n/dev/pts/0\r\n40 120\r\n');
    const keys = client.start('processes.run', { argv: ['sleep', '100'], terminal: { rows: 24, columns: 80 } });
    await until('it to run', () => withArgument('100').length > 0);
    client.input(keys.stream.id, '\x03');
    assert.equal(((await keys.result) as ProcessInfo).exit?.signal, 2, 'Ctrl-C reaches whom a key would reach');
    await client.close();
  });

  test('hears signals, and dies with its whole tree', async () => {
    const client = await open();
    const started = await client.call('processes.start', { argv: ['sh', '-c', 'trap "echo caught" USR1; echo ready; while :; do sleep 0.02; done'] });
    const { stream } = client.start('processes.follow', { process: started.process });
    await until('it to be ready', () => stream.text.includes('ready'));
    await client.call('processes.signal', { process: started.process, signal: 'USR1' });
    await until('it to have caught the signal', () => stream.text.includes('caught'));
    assert.equal((await client.refused('processes.signal', { process: started.process, signal: 'NONE' })).code, 'invalid_field');
    assert.equal((await client.refused('processes.remove', { process: started.process })).code, 'running');

    const tree = await client.call('processes.start', { argv: ['sh', '-c', 'setsid sleep 4711 & setsid sleep 4711 & wait'] });
    await until('its children', () => withArgument('4711').length === 2);
    const children = withArgument('4711');
    const killed = await client.call('processes.kill', { process: tree.process });
    assert.deepEqual([killed.state, killed.exit?.signal, killed.exit?.limit], ['ended', 9, 'killed']);
    assert.ok(!children.some(isAlive), 'the answer comes when nothing is left');
    await client.call('processes.remove', { process: tree.process });
    await client.close();
  });

  test('that cannot start says at which step and why', async () => {
    const client = await open();
    const refused = await client.refused('processes.start', { argv: ['/no/such/program'] });
    assert.deepEqual([refused.code, refused.problem['step'], refused.problem['errno']], ['cannot_start', 'execute', 2]);
    const folder = await client.refused('processes.start', { argv: ['true'], cwd: 'missing' });
    assert.deepEqual([folder.code, folder.problem['step']], ['cannot_start', 'directory']);
    assert.equal((await client.refused('processes.start', { argv: ['true'], cwd: '../Beta' })).code, 'cannot_start');
    for (const wrong of [{}, { argv: [] }, { argv: ['a'], shell: 'b' }, { argv: ['a\0b'] }, { argv: ['a'], limits: { seconds: 0 } }, { argv: ['a'], terminal: { rows: 1 } }])
      assert.equal((await client.refused('processes.start', wrong)).code, 'invalid_field', JSON.stringify(wrong));
    for (const wrong of [{ argv: ['a'], timeout: 3 }, { argv: ['a'], limits: { second: 1 } }])
      assert.equal((await client.refused('processes.start', wrong)).code, 'unknown_field', JSON.stringify(wrong));
    await client.close();
  });

  test('ends by limits of its own, which only narrow', async () => {
    const client = await open();
    const time = (await client.start('processes.run', { argv: ['sleep', '60'], limits: { seconds: 1 } }).result) as ProcessInfo;
    assert.deepEqual([time.exit?.signal, time.exit?.limit], [9, 'time']);
    const output = (await client.start('processes.run', { argv: ['yes'], limits: { output_bytes: 100_000 } }).result) as ProcessInfo;
    assert.equal(output.exit?.limit, 'output');
    const files = client.start('processes.run', { argv: ['sh', '-c', 'ulimit -n'], limits: { open_files: 100_000_000 } });
    await files.result;
    assert.ok(Number(files.stream.text) <= 65536, 'the profile allows no more');
    await client.close();
  });

  test('started twice with the same request is started once', async () => {
    const [one, two] = [await open(), await open()];
    const fields = { argv: ['sh', '-c', 'echo x >> started; sleep 5'], request: 'deploy-1' };
    const [first, second] = await Promise.all([one.call('processes.start', fields), two.call('processes.start', fields)]);
    assert.equal(first.process, second.process);
    await until('it to have begun', () => fs.existsSync(daemon().path('Alpha/started')) && daemon().read('Alpha/started') !== '');
    await one.call('processes.kill', { process: first.process });
    assert.equal(daemon().read('Alpha/started'), 'x\n');
    await Promise.all([one.close(), two.close()]);
  });

  test('over REST: start, list, output by position, wait, input, signal, remove', async () => {
    const started = expectOk<ProcessInfo>(await daemon().send('POST', at(), { shell: 'echo hello; read line; echo "got $line"', input: true }), 201);
    const id = started.process;
    const listed = expectOk<{ processes: ProcessInfo[] }>(await daemon().send('GET', `${at()}?state=running`));
    assert.ok(listed.processes.some((one) => one.process === id));
    let page = expectOk<Page>(await daemon().send('GET', `${at(id, 'output')}?wait_seconds=10`));
    assert.deepEqual(page.chunks, [{ position: 0, stream: 'stdout', content: 'hello\n', encoding: 'utf-8' }]);
    expectOk<unknown>(await daemon().send('POST', at(id, 'input'), { content: 'you\n' }));
    const ended = expectOk<ProcessInfo>(await daemon().send('GET', `${at(id, 'wait')}?wait_seconds=10`));
    assert.equal(ended.state, 'ended');
    page = expectOk<Page>(await daemon().send('GET', `${at(id, 'output')}?from=${page.next}`));
    assert.equal(page.chunks[0]?.content, 'got you\n');
    assert.equal(page.ended, true);
    page = expectOk<Page>(await daemon().send('GET', `${at(id, 'output')}?from=-4&encoding=base64`));
    assert.equal(Buffer.from(page.chunks[0]?.content ?? '', 'base64').toString(), 'you\n');
    expectProblem(await daemon().send('POST', at(id, 'signal'), { signal: 'TERM' }), 409, 'ended');
    expectProblem(await daemon().send('POST', at(id, 'input'), { content: 'x' }), 409, 'input_closed');
    expectOk<unknown>(await daemon().send('DELETE', at(id)));
    expectProblem(await daemon().send('GET', at(id)), 404, 'unknown_process');
    expectProblem(await daemon().send('GET', at(id), undefined, null), 401, 'unauthorized');
    expectProblem(await daemon().send('GET', '/v2/segments/None/processes'), 404, 'unknown_segment');
  });

  test('is of its segment alone', async () => {
    const [alpha, beta] = [await open(), await open('Beta')];
    const started = await alpha.call('processes.start', { argv: ['sleep', '30'] });
    for (const op of ['processes.get', 'processes.kill', 'processes.follow', 'processes.output'])
      assert.equal((await beta.refused(op, { process: started.process })).code, 'unknown_process', op);
    await alpha.call('processes.kill', { process: started.process });
    await Promise.all([alpha.close(), beta.close()]);
  });
});

describe('output', () => {
  test('that nobody follows goes, the oldest first, and a gap says so', async () => {
    const client = await open();
    const started = await client.call('processes.start', { argv: ['seq', '500000'], retain: { bytes: 65536 } });
    const ended = await client.call('processes.wait', { process: started.process });
    assert.equal(ended.exit?.code, 0, 'it did not wait for anybody');
    const { stream, result } = client.start('processes.follow', { process: started.process });
    await result;
    assert.deepEqual(stream.gaps, [{ from: 0, to: ended.output.from }]);
    assert.ok(ended.output.to - ended.output.from <= 65536);
    assert.ok(stream.text.endsWith('\n499999\n500000\n'));
    assert.equal(stream.text.length, ended.output.to - ended.output.from);
    const page = await client.call<Page>('processes.output', { process: started.process, from: 10 });
    assert.deepEqual(page.gap, { from: 10, to: ended.output.from });
    await client.close();
  });

  test('of a process that is followed waits for the fastest; a slower one gets all that is kept and named gaps', async () => {
    const [fast, slow] = [await open(), await open()];
    const started = await fast.call('processes.start', { argv: ['sh', '-c', 'read go; seq 300000'], input: true });
    const follow = fast.start('processes.follow', { process: started.process });
    slow.acks = false;
    const behind = slow.start('processes.follow', { process: started.process, window: 65536 });
    await fast.call('processes.input', { process: started.process, content: 'go\n' });
    await follow.result;
    assert.deepEqual(follow.stream.gaps, []);
    assert.equal(follow.stream.text, Array.from({ length: 300_000 }, (_, i) => `${i + 1}\n`).join(''));
    assert.ok(behind.stream.position <= 65536 + 65536, 'its window held it back');
    slow.acks = true;
    slow.ack(behind.stream.id, behind.stream.position);
    await behind.result;
    const lost = behind.stream.gaps.reduce((sum, gap) => sum + gap.to - gap.from, 0);
    assert.ok(lost > 0, 'the process did not wait for it');
    assert.equal(behind.stream.text.length + lost, follow.stream.text.length);
    await Promise.all([fast.close(), slow.close()]);
  });

  test('does not run ahead of a client that does not take it, and goes on when it does', async () => {
    const client = await open();
    client.acks = false;
    const { stream, result } = client.start('processes.run', { argv: ['sh', '-c', 'seq 400000; echo done > finished'] });
    await until('what is kept to be full', () => stream.position > 900_000);
    assert.ok(!fs.existsSync(daemon().path('Alpha/finished')));
    client.acks = true;
    client.ack(stream.id, stream.position);
    await result;
    assert.equal(stream.text.length, 2_688_895);
    assert.deepEqual(stream.gaps, []);
    await client.close();
  });

  test('what a slow follower gets is what was printed, however far a fast one has let the process go on', async () => {
    const client = await open();
    const slow = await open();
    const started = await client.call('processes.start', { argv: ['sh', '-c', 'read go; seq -w 3000000'], input: true, retain: { bytes: 65536 } });
    const fast = client.start('processes.follow', { process: started.process });
    slow.acks = false;
    const behind = slow.start('processes.follow', { process: started.process, window: 524288 });
    behind.stream.received = () => {
      slow.socket.pause(); // what is on its way to it waits in the daemon
      setImmediate(() => slow.socket.resume());
      slow.ack(behind.stream.id, behind.stream.position);
    };
    await client.call('processes.input', { process: started.process, content: 'go\n' });
    await Promise.all([fast.result, behind.result]);
    // Each byte is where its line's number says: eight of them a line.
    let at = 0;
    const gaps = [...behind.stream.gaps];
    const text = Buffer.from(behind.stream.text, 'latin1');
    for (let read = 0; read < text.length; ) {
      const gap = gaps[0];
      const until = gap ? Math.min(text.length, read + gap.from - at) : text.length;
      for (; read < until; ++read, ++at) {
        const expected = at % 8 === 7 ? 10 : 48 + (Math.floor((Math.floor(at / 8) + 1) / 10 ** (6 - (at % 8))) % 10);
        if (text[read] !== expected) assert.fail(`byte ${at} is ${text[read]}, not ${expected}`);
      }
      if (gap && at === gap.from) at = gaps.shift()?.to ?? at;
    }
    await client.close();
    await slow.close();
  });

  test('of one stream alone, however much the other one says', async () => {
    const client = await open();
    const started = await client.call('processes.start', { argv: ['sh', '-c', 'read go; seq 400000 >&2; echo out'], input: true });
    const { stream, result } = client.start('processes.follow', { process: started.process, stream: 'stdout' });
    await client.call('processes.input', { process: started.process, content: 'go\n' });
    await result;
    assert.equal(stream.text, 'out\n');
    assert.equal(stream.errors.length, 0);
    await client.close();
  });
});

describe('output on disk', () => {
  const spools = () => fs.readdirSync(daemon().state, { recursive: true }).filter((name) => String(name).endsWith('.output'));
  const numbers = (count: number) => Array.from({ length: count }, (_, i) => `${i + 1}\n`).join('');

  test('is all of it, for pages and for followers, whatever the memory kept', async () => {
    const client = await open();
    const script = 'seq 300000; seq 5 >&2; seq 300001 600000';
    const started = await client.call('processes.start', { argv: ['sh', '-c', script], retain: { disk: true, bytes: 65536 } });
    const ended = await client.call('processes.wait', { process: started.process });
    const whole = numbers(600_000);
    assert.deepEqual(ended.output, { from: 0, to: whole.length + 10, retained: 'disk' });
    const { stream, result } = client.start('processes.follow', { process: started.process });
    await result;
    assert.deepEqual(stream.gaps, []);
    assert.ok(stream.text === whole, 'not what was printed');
    assert.equal(Buffer.concat(stream.errors).toString(), '1\n2\n3\n4\n5\n');
    const errors = client.start('processes.follow', { process: started.process, stream: 'stderr' });
    await errors.result;
    assert.equal(Buffer.concat(errors.stream.errors).toString(), '1\n2\n3\n4\n5\n');
    let next = 1000;
    let text = '';
    for (let ends = false; !ends; ) {
      const page: Page = await client.call('processes.output', { process: started.process, from: next, max_bytes: 200_000 });
      assert.equal(page.gap, undefined);
      for (const chunk of page.chunks) if (chunk.stream === 'stdout') text += chunk.content;
      next = page.next;
      ends = page.ended;
    }
    assert.ok(text === whole.slice(1000), 'not what was printed, in pages');
    assert.equal(spools().length, 1);
    await client.call('processes.remove', { process: started.process });
    assert.equal(spools().length, 0);
    await client.close();
  });

  test('goes on where the next broker finds it', async () => {
    let client = await open();
    const script = 'i=0; while [ $i -lt 60 ]; do seq $((i * 5000 + 1)) $((i * 5000 + 5000)); i=$((i + 1)); sleep 0.02; done';
    const { process: id } = await client.call('processes.start', { argv: ['sh', '-c', script], retain: { disk: true, bytes: 65536 } });
    for (let kill = 0; kill < 3; ++kill) {
      const at = (await client.call('processes.get', { process: id })).output.to;
      await until('more output', async () => (await client.call('processes.get', { process: id })).output.to > at + 50_000);
      const broker = daemon().broker();
      process.kill(broker.pid, 'SIGKILL');
      await until('the broker to be gone', () => !isAlive(broker));
      client = await until('the next broker', () => open().catch(() => undefined));
    }
    await client.call('processes.wait', { process: id });
    const { stream, result } = client.start('processes.follow', { process: id });
    await result;
    assert.deepEqual(stream.gaps, []);
    assert.ok(stream.text === numbers(300_000), 'not what was printed');
    await client.call('processes.remove', { process: id });
    assert.equal(spools().length, 0);
    await client.close();
  });
});

describe('nothing is lost', () => {
  test('when the broker is killed ten times: the client that comes back has every line exactly once', async () => {
    // A twelfth of it is more than the window: what is on its way when the broker dies does not pass the next kill's place.
    const lines = 3_000_000, bytes = 22_888_896;
    let client = await open();
    const started = await client.call('processes.start', { argv: ['sh', '-c', `read go; seq ${lines}`], input: true });
    let position = 0, kills = 0;
    const parts: Buffer[] = [];
    let ended: ProcessInfo | undefined;
    while (!ended) {
      const { stream, result } = client.start('processes.follow', { process: started.process, from: position });
      stream.received = () => {
        if (kills < 10 && stream.position > ((kills + 1) * bytes) / 12) {
          ++kills;
          stream.received = undefined;
          process.kill(daemon().broker().pid, 'SIGKILL');
        }
      };
      if (position === 0) await client.call('processes.input', { process: started.process, content: 'go\n' });
      ended = (await within('the stream to end or break', result, 60_000).catch((error: Error) => {
        if (error.message !== 'the connection broke') throw error;
        return undefined;
      })) as ProcessInfo | undefined;
      assert.deepEqual(stream.gaps, []);
      parts.push(...stream.parts);
      position = stream.position;
      if (!ended) client = await until('the broker to be back', () => open().catch(() => undefined), 10_000);
    }
    assert.equal(kills, 10);
    assert.equal(ended.exit?.code, 0);
    const text = Buffer.concat(parts).toString();
    assert.equal(text.length, bytes);
    let number = 0;
    for (const line of text.trimEnd().split('\n')) if (Number(line) !== ++number) assert.fail(`line ${number} is ${line}`);
    assert.equal(number, lines);
    await client.close();
  });

  test('a process that ended while no broker was there tells its exit and its output', async () => {
    let client = await open();
    const started = await client.call('processes.start', { argv: ['sh', '-c', 'echo before; read line; echo after; exit 6'], input: true });
    await client.call('processes.input', { process: started.process, content: 'x\n' });
    process.kill(daemon().broker().pid, 'SIGKILL');
    client = await until('the broker to be back', () => open().catch(() => undefined), 10_000);
    const ended = await client.call('processes.wait', { process: started.process, wait_seconds: 20 });
    assert.equal(ended.exit?.code, 6);
    assert.equal(ended.argv[2], 'echo before; read line; echo after; exit 6');
    const page = await client.call<Page>('processes.output', { process: started.process });
    assert.equal(page.chunks.map((c) => c.content).join(''), 'before\nafter\n');
    await client.close();
  });

  test('a process that runs without keep ends with its connection, one with keep does not', async () => {
    const client = await open();
    client.start('processes.run', { argv: ['sleep', '4712'] });
    const kept = client.start('processes.run', { argv: ['sleep', '4713'], keep: true });
    await until('both to run', () => withArgument('4712').length === 1 && withArgument('4713').length === 1);
    await until('its event', () => kept.stream.events.length > 0);
    const id = (kept.stream.events[0]?.['process'] as ProcessInfo).process;
    const gone = withArgument('4712');
    client.socket.terminate();
    await until('the one to end', () => !gone.some(isAlive));
    const again = await open();
    assert.equal((await again.call('processes.get', { process: id })).state, 'running');
    await again.call('processes.kill', { process: id });
    await again.close();
  });
});

describe('the socket', () => {
  test('knows nobody before auth, and a wrong token is nobody', async () => {
    const client = await V2Socket.open(daemon().port, undefined);
    for (const op of ['processes.list', 'files.stat', 'cancel']) assert.equal((await client.refused(op)).code, 'unauthorized', op);
    assert.equal((await client.refused('auth', { token: 'x'.repeat(64) })).code, 'unauthorized');
    await client.call('auth', { token: await daemon().session() });
    assert.ok(Array.isArray((await client.call<{ processes: unknown[] }>('processes.list')).processes));
    await client.close();
  });

  test('serves the operations of REST with the same checks', async () => {
    const client = await open();
    await client.call('files.write', { path: 'over-ws.txt', content: 'text' });
    assert.equal((await client.call<{ content: string }>('files.read', { path: 'over-ws.txt' })).content, 'text');
    assert.equal((await client.refused('files.read', { path: '../Beta/x' })).code, 'path_outside_segment');
    assert.equal((await client.refused('files.read', { path: 'a', if_version: 'x' })).code, 'unknown_field');
    assert.equal((await client.refused('files.download', { path: 'a' })).code, 'not_found');
    assert.equal((await client.refused('no.such')).code, 'not_found');
    await client.close();
  });

  test('cancels a request: a stream stops, what it runs ends, others go on', async () => {
    const client = await open();
    const run = client.start('processes.run', { argv: ['sleep', '4714'] });
    await until('it to run', () => withArgument('4714').length === 1);
    const running = withArgument('4714');
    await client.call('cancel', { request: run.stream.id });
    await assert.rejects(run.result, /cancelled/);
    assert.ok(!running.some(isAlive));
    await client.call('ping');
    await client.close();
  });

  test('says what is wrong with a message and stays open; one that no client sends ends it', async () => {
    const client = await open();
    const heard: string[] = [];
    client.socket.on('message', (data: Buffer) => heard.push(data.toString()));
    for (const message of ['{', '[]', '{"id":1}', '{"op":"ping"}', '{"id":-1,"op":"ping"}', '{"id":4294967296,"op":"ping"}']) client.socket.send(message);
    await until('six answers', () => heard.length >= 6);
    for (const one of heard) assert.ok((JSON.parse(one) as { error?: unknown }).error, one);
    await client.call('ping');
    client.socket.send(Buffer.alloc(3));
    await until('the connection to end', () => client.socket.readyState === client.socket.CLOSED);
  });
});
