// Parts die; what they were doing gets an answer, and the rest goes on.
import assert from 'node:assert/strict';
import net from 'node:net';
import fs from 'node:fs';
import { describe, test, type TestContext } from 'node:test';

import { Daemon, type DaemonOptions } from './daemon.js';
import { isAlive, withArgument, type Process } from './processes.js';
import { expectOk, expectProblem, problem, type Answer } from './rest.js';
import { until, within } from './wait.js';
import { Wire } from './wire.js';

async function started(t: TestContext, options: DaemonOptions = {}): Promise<Daemon> {
  const daemon = await Daemon.start(options);
  t.after(() => daemon.stop());
  daemon.write('Alpha/file.txt', 'content');
  return daemon;
}

async function kill(process_: Process): Promise<void> {
  process.kill(process_.pid, 'SIGKILL');
  await until('it to die', () => !isAlive(process_));
}

let marks = 0;
const mark = (): string => `${200_000_000 + process.pid * 100 + ++marks}`;

const read = (daemon: Daemon): Promise<Answer> => daemon.post('/api/fs/read', { path: daemon.path('Alpha/file.txt') });

describe('a worker that dies (invariant 8)', () => {
  test('while it reads: that request says so, the next one works', async (t) => {
    const daemon = await started(t);
    expectOk(await read(daemon)); // so that there is a worker
    const worker = daemon.service('toren-files-worker');
    const wire = await daemon.open();
    process.kill(worker.pid, 'SIGSTOP');
    wire.send({ type: 'FileRead', requestId: 'doomed', path: daemon.path('Alpha/file.txt') });
    await wire.roundTrip(); // the request is on its way to a worker that does not answer
    await kill(worker);
    const error = await wire.takeType('Error', 'doomed');
    assert.equal(error.code, 'worker_died');
    assert.match(error.message, /worker/);
    wire.send({ type: 'FileRead', requestId: 'next', path: daemon.path('Alpha/file.txt') });
    assert.equal((await wire.takeType('FileContent', 'next')).content, 'content');
    assert.notEqual(daemon.service('toren-files-worker').pid, worker.pid);
    await wire.close();
  });

  test('over REST it is a 5xx with the code worker_died', async (t) => {
    const daemon = await started(t);
    expectOk(await read(daemon));
    const worker = daemon.service('toren-files-worker');
    const wire = await daemon.open();
    process.kill(worker.pid, 'SIGSTOP');
    const doomed = read(daemon);
    // Requests of one worker are served in turn: once the socket's own request waits too, both have been read.
    for (let trip = 0; trip < 5; ++trip) {
      await wire.roundTrip();
      expectOk(await daemon.get('/health'));
    }
    await kill(worker);
    const answer = await doomed;
    assert.ok(answer.status >= 500, answer.text);
    problem(answer, 'worker_died');
    expectOk(await read(daemon));
    await wire.close();
  });

  test('while it writes: the file is what it was before', async (t) => {
    const daemon = await started(t);
    const file = daemon.path('Alpha/file.txt');
    let died = 0;
    for (let round = 0; round < 20 && died < 3; ++round) {
      daemon.write('Alpha/file.txt', 'content');
      expectOk(await read(daemon));
      const worker = daemon.service('toren-files-worker');
      process.kill(worker.pid, 'SIGSTOP');
      const content = `new ${round}`.repeat(10_000);
      const doomed = daemon.post('/api/fs/write', { path: file, content });
      for (let trip = 0; trip < 5; ++trip) expectOk(await daemon.get('/health'));
      await kill(worker);
      const answer = await doomed;
      // A request that had not reached the worker when it died is done by the next one.
      if (answer.status !== 200) {
        problem(answer, 'worker_died');
        ++died;
      }
      assert.equal(daemon.read('Alpha/file.txt'), answer.status === 200 ? content : 'content');
    }
    assert.equal(died, 3);
    expectOk(await daemon.post('/api/fs/write', { path: file, content: 'at last' }));
    assert.equal(daemon.read('Alpha/file.txt'), 'at last');
  });

  test('of version control: the same, and files do not notice', async (t) => {
    const daemon = await started(t);
    const ask = (): Promise<Answer> => daemon.post('/api/vcs/status', { path: daemon.path('Alpha') });
    expectOk(await ask());
    expectOk(await read(daemon));
    const worker = daemon.service('toren-vcs-worker');
    const files = daemon.service('toren-files-worker');
    const wire = await daemon.open();
    process.kill(worker.pid, 'SIGSTOP');
    wire.send({ type: 'VcsStatus', requestId: 'doomed', path: daemon.path('Alpha') });
    await wire.roundTrip();
    await kill(worker);
    assert.equal((await wire.takeType('Error', 'doomed')).code, 'worker_died');
    expectOk(await ask());
    expectOk(await read(daemon));
    assert.ok(isAlive(files));
    await wire.close();
  });

  test('idle: the one request that may have met it already says so, none after it', async (t) => {
    const daemon = await started(t);
    for (let round = 0; round < 5; ++round) {
      expectOk(await read(daemon));
      await kill(daemon.service('toren-files-worker'));
      const answer = await read(daemon);
      if (answer.status !== 200) expectProblem(answer, 502, 'worker_died');
    }
    expectOk(await read(daemon));
  });

  test('one that hangs ends with limits.service_seconds, and the next request gets another', async (t) => {
    const daemon = await started(t, { tables: '[limits]\nservice_seconds = 1' });
    expectOk(await read(daemon));
    const worker = daemon.service('toren-files-worker');
    process.kill(worker.pid, 'SIGSTOP');
    expectProblem(await read(daemon), 504, 'timeout');
    expectOk(await read(daemon));
    assert.ok(!isAlive(worker), 'the hanging worker is still there');
  });

  test('one that hangs holds up its own segment alone, and no command', async (t) => {
    const daemon = await started(t, { segments: ['Alpha', 'Beta'] });
    daemon.write('Beta/file.txt', 'content');
    expectOk(await read(daemon));
    process.kill(daemon.service('toren-files-worker').pid, 'SIGSTOP');
    const doomed = read(daemon).catch(() => undefined);
    expectOk(await within('another segment', daemon.post('/api/fs/read', { path: daemon.path('Beta/file.txt') }), 5000));
    const wire = await daemon.open();
    assert.equal((await within('a command', wire.shell('cat file.txt'), 5000)).text, 'content');
    await wire.close();
    for (const process_ of daemon.processes().filter((p) => p.state === 'T')) process.kill(process_.pid, 'SIGCONT');
    await doomed;
  });
});

describe('a spawner that dies', () => {
  test('ends what runs in its cell with a clear message, and the next request gets a new cell', async (t) => {
    const daemon = await started(t, { segments: ['Alpha', 'Beta'] });
    const wire = await daemon.open();
    const beta = await daemon.open('Beta');
    const argument = mark();
    const id = wire.start({ command: 'sh', args: ['-c', `echo up; sleep ${argument}`] });
    await wire.output(id);
    const spawner = daemon.spawner();
    const other = beta.start({ command: 'sh', args: ['-c', 'echo up; while [ ! -e go ]; do sleep 0.02; done'] });
    await beta.output(other);
    await kill(spawner);
    const { exit, error } = await wire.finish(id);
    assert.ok(error !== undefined || exit?.code === -1, 'the client waits for ever');
    assert.notEqual(exit?.code, 0);
    await until('its command to end', () => withArgument(argument).length === 0);
    assert.equal((await wire.shell('cat file.txt')).text, 'content');
    expectOk(await read(daemon));
    daemon.write('Beta/go', '');
    assert.equal((await beta.finish(other)).exit?.code, 0, 'another segment felt it');
    await wire.close();
    await beta.close();
  });

  test('a file request in it says so', async (t) => {
    const daemon = await started(t);
    expectOk(await read(daemon));
    const wire = await daemon.open();
    process.kill(daemon.service('toren-files-worker').pid, 'SIGSTOP');
    wire.send({ type: 'FileRead', requestId: 'doomed', path: daemon.path('Alpha/file.txt') });
    await wire.roundTrip();
    await kill(daemon.spawner());
    assert.equal((await wire.takeType('Error', 'doomed')).code, 'worker_died');
    expectOk(await read(daemon));
    await wire.close();
  });
});

describe('a broker that dies (invariant 8)', () => {
  // Connects all the time until told to stop; a refused connection is what must never happen.
  function hammer(port: number): { stop: () => Promise<{ made: number; refused: number }> } {
    let going = true;
    let made = 0;
    let refused = 0;
    const once = (): Promise<void> =>
      new Promise((resolve) => {
        const socket = net.connect({ host: '127.0.0.1', port });
        socket.once('connect', () => {
          ++made;
          socket.destroy();
          resolve();
        });
        socket.once('error', (error: NodeJS.ErrnoException) => {
          if (error.code === 'ECONNREFUSED') ++refused;
          resolve();
        });
      });
    const done = (async () => {
      while (going) await once();
    })();
    return {
      stop: async () => {
        going = false;
        await done;
        return { made, refused };
      },
    };
  }

  test('is back within a second on the same port; no connection is refused, tokens and cells live on', async (t) => {
    const daemon = await started(t);
    const token = await daemon.session();
    const wire = await daemon.open();
    assert.equal((await wire.shell('true')).exit?.code, 0);
    const spawner = daemon.spawner();
    const broker = daemon.broker();
    const connections = hammer(daemon.port);
    const before = performance.now();
    process.kill(broker.pid, 'SIGKILL');
    // A request may reach the old broker's last moment: it is made again, as a client does.
    await until('an answer', () => daemon.send('GET', '/health', undefined, null).then((answer) => answer.status === 200 && !isAlive(broker), () => false), 5000);
    const took = performance.now() - before;
    const { made, refused } = await connections.stop();
    assert.ok(took < 1000, `it took ${took.toFixed(0)} ms`);
    assert.ok(made > 0);
    assert.equal(refused, 0);
    assert.notEqual(daemon.broker().pid, broker.pid);
    await within('the old socket to close', wire.closed);

    expectOk(await daemon.send('GET', '/api/segments/list', undefined, token));
    const again = await daemon.open();
    assert.equal((await again.shell('cat file.txt')).text, 'content');
    expectOk(await read(daemon));
    const still = daemon.spawner();
    assert.deepEqual(still, { ...spawner, state: still.state }, 'the cell did not live on');
    await again.close();
  });

  test('a request that waits in the backlog meanwhile is answered by the next one', async (t) => {
    const daemon = await started(t);
    const broker = daemon.broker();
    process.kill(broker.pid, 'SIGSTOP');
    const waiting = daemon.send('GET', '/health', undefined, null);
    const socket = net.connect({ host: '127.0.0.1', port: daemon.port });
    await until('a connection in the backlog', () => !socket.connecting);
    socket.destroy();
    process.kill(broker.pid, 'SIGKILL');
    expectOk(await waiting);
  });

  test('ends the commands of its clients, in files and folders nothing half-made', async (t) => {
    const daemon = await started(t);
    const wire = await daemon.open();
    const [own, child] = [mark(), mark()];
    const id = wire.start({ command: 'sh', args: ['-c', `setsid sleep ${child} & echo up; exec sleep ${own}`] });
    await wire.output(id);
    const running = await until('both to run', () => {
      const found = [...withArgument(own), ...withArgument(child)];
      return found.length === 2 && found;
    });
    await kill(daemon.broker());
    await until('the commands to end', () => !running.some(isAlive), 5000);
    // Beside it stand the empty folders that hold protected names (docs/design.md, Guards) while the cell lives.
    const left = fs.readdirSync(daemon.path('Alpha'), { withFileTypes: true });
    assert.deepEqual(left.filter((entry) => !entry.isDirectory() || fs.readdirSync(daemon.path('Alpha', entry.name)).length > 0).map((entry) => entry.name), ['file.txt']);
  });

  test('again and again comes back each time', async (t) => {
    const daemon = await started(t);
    await daemon.session();
    for (let round = 0; round < 8; ++round) {
      const broker = await until('a broker', () => {
        try {
          return daemon.broker();
        } catch {
          return undefined;
        }
      });
      await kill(broker);
      await until('an answer', () => daemon.get('/api/segments/list').then((answer) => answer.status === 200, () => false), 3000);
    }
    const wire = await daemon.open();
    assert.equal((await wire.shell('echo still here')).text, 'still here');
    await wire.close();
  });

  test('leaves a line in the audit log', async (t) => {
    const daemon = await started(t);
    await kill(daemon.broker());
    expectOk(await daemon.send('GET', '/health', undefined, null).catch(() => daemon.send('GET', '/health', undefined, null)));
    const files = (fs.readdirSync(daemon.state, { recursive: true }) as string[]).filter((name) => name.includes('audit'));
    assert.equal(files.length, 1, files.join());
    assert.match(fs.readFileSync(`${daemon.state}/${files[0]}`, 'utf8'), /broker-ended/);
  });
});

describe('a supervisor that dies', () => {
  test('takes everything with it', async (t) => {
    const daemon = await started(t, { segments: ['Alpha', 'Beta'] });
    daemon.write('Beta/file.txt', 'content');
    const argument = mark();
    for (const segment of ['Alpha', 'Beta']) {
      const wire = await Wire.open(daemon.webSocketUrl);
      await wire.auth(await daemon.session(), { segment });
      const id = wire.start({ command: 'sh', args: ['-c', `setsid sleep ${argument} & echo up; sleep ${argument}`] });
      await wire.output(id);
      expectOk(await daemon.post('/api/fs/read', { path: daemon.path(`${segment}/file.txt`) }));
      expectOk(await daemon.post('/api/vcs/status', { path: daemon.path(segment) }));
    }
    await until('four sleeps', () => withArgument(argument).length >= 4);
    const all = daemon.processes();
    assert.ok(all.length >= 1 + 2 + 4 + 4, `${all.length} processes`);
    process.kill(daemon.pid, 'SIGKILL');
    await daemon.exited();
    await until('every process of the daemon to end', () => !all.some(isAlive), 3000);
    assert.deepEqual(withArgument(argument), []);
  });

  test('and can be started again with the same state', async (t) => {
    const daemon = await started(t);
    const token = await daemon.session();
    const all = daemon.processes();
    process.kill(daemon.pid, 'SIGKILL');
    await daemon.exited();
    await until('its processes to end', () => !all.some(isAlive), 3000);
    await daemon.launch();
    expectOk(await daemon.send('GET', '/api/segments/list', undefined, token));
  });
});
