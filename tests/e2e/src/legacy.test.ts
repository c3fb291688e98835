// A client of the original daemon works unchanged: each habit that the protocol document lists.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { Daemon, sharedDaemon } from './daemon.js';
import { LegacyClient, type LegacyOptions } from './legacy-client.js';
import { isAlive } from './processes.js';
import { expectOk } from './rest.js';
import { until, within } from './wait.js';

const daemon = sharedDaemon({ before, after }, { segments: ['Alpha', 'calculator'] });
const alpha = (...parts: string[]): string => daemon().path('Alpha', ...parts);

async function connected(options: Partial<LegacyOptions> = {}): Promise<LegacyClient> {
  const client = new LegacyClient({ url: `ws://localhost:${daemon().port}`, token: await daemon().session(), ...options });
  await within('the legacy client to connect', client.connect());
  return client;
}

describe('the legacy client', () => {
  let client: LegacyClient;
  before(async () => {
    client = await connected({ ancillaryId: 'Alpha-1', segment: 'Alpha' });
    daemon().write('Alpha/notes.txt', 'some notes\n');
  });
  after(() => client.disconnect());

  test('authenticates, and its session id is not its token (flaw 2)', async () => {
    assert.equal(client.workingDir, alpha());
    assert.ok(client.sessionId);
    assert.notEqual(client.sessionId, await daemon().session());
  });

  test('runs commands', async () => {
    assert.deepEqual(await client.executeCommand('echo', ['hello']), { stdout: 'hello\n', stderr: '', exitCode: 0 });
    assert.deepEqual(await client.executeCommand('sh', ['-c', 'echo out; echo err >&2; exit 4'], alpha()), {
      stdout: 'out\n',
      stderr: 'err\n',
      exitCode: 4,
    });
    assert.equal((await client.executeCommand('sh', ['-c', 'kill -9 $$'])).exitCode, -1);
    assert.equal((await client.executeCommand('pwd', [])).stdout, `${alpha()}\n`);
  });

  test('reads a file within its ten seconds', async () => {
    assert.equal(await client.readFile(alpha('notes.txt')), 'some notes\n');
  });

  test('gets an error, not a timeout, for a file that is not there', async () => {
    const before = performance.now();
    await assert.rejects(client.readFile(alpha('missing.txt')), (error: Error) => error.message !== 'Request timeout');
    assert.ok(performance.now() - before < 9000);
  });

  test('gets the status of a repository', async () => {
    const git = (...args: string[]): void => {
      execFileSync('git', ['-c', 'user.name=T', '-c', 'user.email=t@example.org', ...args], { cwd: alpha('repository') });
    };
    daemon().write('Alpha/repository/a.txt', 'one\n');
    git('init', '-q', '-b', 'main');
    git('add', '.');
    git('commit', '-q', '-m', 'first');
    daemon().write('Alpha/repository/a.txt', 'two\n');
    const status = (await client.getVcsStatus(alpha('repository'))) as Record<string, unknown>;
    assert.equal(status['vcs_type'], 'Git');
    assert.equal(status['branch'], 'main');
    assert.deepEqual([status['modified'], status['added'], status['deleted']], [['a.txt'], [], []]);
  });

  test('is not left hanging by a command that is refused or cannot start', async () => {
    await assert.rejects(within('a refusal', client.executeCommand('ls', [], '/etc')));
    await assert.rejects(within('a refusal', client.executeCommand('no-such-program', [])));
    await assert.rejects(within('a refusal', client.executeCommand('ls', [], alpha('missing'))));
    assert.equal((await client.executeCommand('echo', ['next'])).stdout, 'next\n');
  });

  test('writes a file through a shell, as its write_file tool does', async () => {
    const path = alpha('written by tool.txt');
    const content = `line one\n$HOME \`id\` "quoted" 'single' \\ back\nlast`;
    const script = `cat > "${path}" << 'TOREN_EOF'\n${content}\nTOREN_EOF`;
    assert.equal((await client.executeCommand('sh', ['-c', script])).exitCode, 0);
    assert.equal(fs.readFileSync(path, 'utf8'), `${content}\n`);
  });

  test('lists a folder by ls -la, as its list tool does', async () => {
    const { stdout, exitCode } = await client.executeCommand('ls', ['-la', alpha()]);
    assert.equal(exitCode, 0);
    assert.match(stdout, /notes\.txt/);
  });

  test('reads while its command runs', async () => {
    const running = client.executeCommand('sh', ['-c', 'while [ ! -e go ]; do sleep 0.02; done; echo done']);
    assert.equal(await client.readFile(alpha('notes.txt')), 'some notes\n');
    daemon().write('Alpha/go', '');
    assert.equal((await running).stdout, 'done\n');
  });
});

test('toren-cli.ts sends the capitalised folder name as its segment', async () => {
  const client = await connected({ ancillaryId: 'Calculator-1', segment: 'Calculator' });
  assert.equal(client.workingDir, daemon().path('calculator'));
  assert.equal((await client.executeCommand('pwd', [])).stdout, `${daemon().path('calculator')}\n`);
  client.disconnect();
});

test('index.ts sends an ancillary id and no segment: it is connected and not registered', async () => {
  const client = await connected({ ancillaryId: 'index-1' });
  assert.equal((await client.executeCommand('pwd', [], alpha())).stdout, `${alpha()}\n`);
  const ids = (expectOk(await daemon().get('/api/ancillaries/list'))['ancillaries'] as { id: string }[]).map((a) => a.id);
  assert.ok(!ids.includes('index-1'));
  client.disconnect();
});

test('the page pairs, sends Auth with the token only, and reconnects by itself when the daemon hiccups', async (t) => {
  const own = await Daemon.start();
  t.after(() => own.stop());
  const client = new LegacyClient({ url: `ws://127.0.0.1:${own.port}`, token: await own.session() });
  await client.connect();
  const broker = own.broker();
  process.kill(broker.pid, 'SIGKILL');
  await until('the client to notice', () => client.reconnected !== undefined);
  await within('the client to reconnect', client.reconnected ?? Promise.reject(new Error('not reconnecting')));
  assert.ok(!isAlive(broker));
  assert.equal((await client.executeCommand('echo', ['again'], own.path('Alpha'))).stdout, 'again\n');
  client.disconnect();
});

test('the page lists and creates segments without a token where require_auth is off', async (t) => {
  const own = await Daemon.start({ tables: '[security]\nrequire_auth = false' });
  t.after(() => own.stop());
  expectOk(await own.send('GET', '/api/segments/list', undefined, null));
  expectOk(await own.send('POST', '/api/segments/create', { name: 'Fresh', root: own.projects }, null));
  assert.ok(fs.existsSync(own.path('Fresh')));
});

test('a script finds the token in standard output and pairs two clients with one PIN, where it may', async (t) => {
  const own = await Daemon.start({ tables: '[security]\npairing_uses = 2' });
  t.after(() => own.stop());
  const pin = /Pairing token: (\d{6})/.exec(own.stdout)?.[1];
  for (let client = 0; client < 2; ++client) {
    const { session_token: token } = expectOk(await own.send('POST', '/pair', { pairing_token: pin }, null));
    const legacy = new LegacyClient({ url: `ws://127.0.0.1:${own.port}`, token: String(token) });
    await legacy.connect();
    legacy.disconnect();
  }
});
