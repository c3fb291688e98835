// What a script sees that starts the daemon.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import { test } from 'node:test';

import { Daemon } from './daemon.js';
import { isAlive } from './processes.js';
import { expectOk, expectProblem } from './rest.js';
import { until } from './wait.js';

test('standard output is the address and the pairing token, each on a line of its own, and nothing else', async (t) => {
  const daemon = await Daemon.start();
  t.after(() => daemon.stop());
  assert.match(daemon.stdout, /^Listening on http:\/\/127\.0\.0\.1:[1-9]\d*\nPairing token: \d{6}\n$/);
  assert.doesNotMatch(daemon.log, new RegExp(daemon.pin), 'the log shows the pairing token');
});

test('SIGTERM ends the daemon and everything it runs, with status 0', async (t) => {
  const daemon = await Daemon.start();
  t.after(() => daemon.stop());
  const wire = await daemon.open();
  assert.equal((await wire.shell('true')).exit?.code, 0); // so that there is a cell to end
  const all = daemon.processes();
  assert.ok(all.length >= 2);
  process.kill(daemon.pid, 'SIGTERM');
  assert.deepEqual(await daemon.exited(), { code: 0, signal: null });
  await until('every process of the daemon to end', () => !all.some(isAlive), 3000);
});

test('nothing of what guards held in a segment is left when the daemon has ended', async (t) => {
  const daemon = await Daemon.start();
  t.after(() => daemon.stop());
  const wire = await daemon.open();
  const seen = await wire.shell('ls -A; sleep 1000 >/dev/null 2>&1 & echo done');
  assert.ok(seen.stdout.includes('.vscode'), 'the control: names are held');
  wire.start({ command: 'sleep', args: ['1000'] });
  await wire.roundTrip();
  const process_ = daemon.processes();
  process.kill(daemon.pid, 'SIGTERM');
  await until('the daemon and all that it runs to end', () => !process_.some(isAlive));
  assert.deepEqual(fs.readdirSync(daemon.path('Alpha')), []);
});

test('a mistyped value is refused with file, line and key, and nothing starts', async (t) => {
  const daemon = Daemon.prepare();
  t.after(() => daemon.stop());
  fs.writeFileSync(daemon.config, '[server]\nhost = "127.0.0.1"\nport = "eighty"\n');
  daemon.spawn();
  const { code } = await daemon.exited();
  assert.notEqual(code, 0);
  assert.ok(daemon.log.includes(`${daemon.config}:3`), daemon.log);
  assert.match(daemon.log, /server\.port/);
  assert.equal(daemon.stdout, '');
});

test('an unknown key is a warning that names the nearest known key', async (t) => {
  const daemon = await Daemon.start({ tables: '[security]\nsession_timeuot = 5' });
  t.after(() => daemon.stop());
  assert.match(daemon.log, /session_timeuot.*session_timeout/);
});

test('a missing configuration file is an error that names it', async (t) => {
  const daemon = Daemon.prepare();
  t.after(() => daemon.stop());
  fs.rmSync(daemon.config);
  daemon.spawn();
  assert.notEqual((await daemon.exited()).code, 0);
  assert.ok(daemon.log.includes(daemon.config), daemon.log);
});

test('two daemons cannot share a state folder', async (t) => {
  const daemon = await Daemon.start();
  t.after(() => daemon.stop());
  const second = Daemon.prepare();
  t.after(() => second.stop());
  const child = second.spawn(['--listen', '127.0.0.1:0', '--state', daemon.state]);
  if (child.exitCode === null) await once(child, 'exit');
  assert.notEqual(child.exitCode, 0);
  expectOk(await daemon.send('GET', '/health', undefined, null));
});

test('a missing approved directory fails nothing else (legacy flaw 6)', async (t) => {
  const daemon = Daemon.prepare();
  t.after(() => daemon.stop());
  const rest = fs.readFileSync(daemon.config, 'utf8');
  const approved = [daemon.projects, `${daemon.folder}/not-there`].map((name) => JSON.stringify(name));
  fs.writeFileSync(daemon.config, `approved_directories = [${approved.join(', ')}]\n${rest}`);
  await daemon.launch();
  expectOk(await daemon.post('/api/fs/write', { path: daemon.path('Alpha/new/nested/file.txt'), content: 'x' }));
  assert.equal(daemon.read('Alpha/new/nested/file.txt'), 'x');
});

test('without require_auth a client on loopback needs no token, and a foreign website still gets nothing', async (t) => {
  const daemon = await Daemon.start({ tables: '[security]\nrequire_auth = false' });
  t.after(() => daemon.stop());
  const listed = expectOk(await daemon.send('GET', '/api/segments/list', undefined, null));
  assert.equal(listed['count'], 1);
  expectProblem(
    await daemon.send('GET', '/api/segments/list', undefined, null, { Origin: 'http://evil.example' }),
    403,
    'origin_not_allowed',
  );
});
