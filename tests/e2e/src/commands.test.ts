// Commands over the WebSocket: their streams, their order, their end, and the cage around them.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Daemon, programs, sharedDaemon } from './daemon.js';
import { isAlive, withArgument, type Process } from './processes.js';
import { until } from './wait.js';
import type { Finished, Wire } from './wire.js';

const kForeign = 'a-secret-of-the-one-who-started-the-daemon';
let wire: Wire;
const daemon = sharedDaemon(
  { before, after },
  { segments: ['Alpha', 'Beta'], env: { ANTHROPIC_API_KEY: kForeign, PAIRING_TOKEN: '135791', MY_SECRET: kForeign } },
  async (started) => {
    started.write('Beta/secret.txt', 'of another segment');
    wire = await started.open();
  },
);

const alpha = (...parts: string[]): string => daemon().path('Alpha', ...parts);

// A number that nothing else has as an argument: to find a process on the host.
let lastMark = 0;
const mark = (): string => `${100_000_000 + process.pid * 100 + ++lastMark}`;

// In a script: goes on once the test has made the file.
const waitFor = (file: string): string => `while [ ! -e ${file} ]; do sleep 0.02; done`;
const release = (file: string): void => fs.writeFileSync(alpha(file), '');

function expectExit(finished: Finished, code: number): Finished {
  assert.deepEqual(finished.exit, { type: 'Exit', code }, JSON.stringify(finished).slice(0, 500));
  return finished;
}

// Waits until a process with this argument runs on the host.
const running = async (argument: string): Promise<Process> =>
  until(`a process with the argument ${argument}`, () => withArgument(argument)[0]);

describe('streams', () => {
  test('output comes while the command runs, and its exit last', async () => {
    const id = wire.start({ command: 'sh', args: ['-c', `echo one; echo two; ${waitFor('go')}; echo three`] });
    assert.deepEqual(await wire.output(id), { type: 'Stdout', line: 'one' });
    assert.deepEqual(await wire.output(id), { type: 'Stdout', line: 'two' });
    await wire.roundTrip();
    assert.deepEqual(wire.pending().filter((m) => m.requestId === id), [], 'nothing more while it waits');
    release('go');
    assert.deepEqual(await wire.output(id), { type: 'Stdout', line: 'three' });
    assert.deepEqual(await wire.output(id), { type: 'Exit', code: 0 });
    await wire.roundTrip();
    assert.deepEqual(wire.pending().filter((m) => m.requestId === id), []);
  });

  test('standard output and standard error stay apart', async () => {
    const finished = await wire.shell('for i in 1 2 3; do echo out $i; echo err $i >&2; done');
    expectExit(finished, 0);
    assert.deepEqual(finished.stdout, ['out 1', 'out 2', 'out 3']);
    assert.deepEqual(finished.stderr, ['err 1', 'err 2', 'err 3']);
  });

  test('lines are what newlines end: empty ones too, and a last one without', async () => {
    assert.deepEqual((await wire.shell(`printf 'a\\n\\n  b  \\n\\n'`)).stdout, ['a', '', '  b  ', '']);
    assert.deepEqual((await wire.shell(`printf 'a\\nno end'`)).stdout, ['a', 'no end']);
    assert.deepEqual((await wire.shell(`printf ''`)).stdout, []);
  });

  test('bytes that are not UTF-8 are marked, and the stream goes on (legacy flaw 12)', async () => {
    const finished = await wire.shell(`printf 'a\\377b\\n\\303\\n\\355\\240\\200\\nafter\\n'`);
    assert.equal(finished.stdout[0], 'a\ufffdb');
    assert.equal(finished.stdout[1], '\ufffd');
    assert.match(finished.stdout[2] ?? '', /^\ufffd+$/);
    assert.equal(finished.stdout[3], 'after');
  });

  test('control characters arrive as they are, as data', async () => {
    assert.deepEqual((await wire.shell(`printf 'nul\\000 esc\\033[31m bell\\007 "\\\\"\\n'`)).stdout, [
      'nul\0 esc\x1b[31m bell\x07 "\\"',
    ]);
  });

  test('a line of any length comes in pieces of at most 64 KiB that cut no character', async () => {
    const finished = expectExit(await wire.shell(`printf x; yes é | head -n 150000 | tr -d '\\n'; echo; echo end`), 0);
    const pieces = finished.stdout.slice(0, -1);
    assert.equal(finished.stdout.at(-1), 'end');
    assert.ok(pieces.length > 1);
    for (const piece of pieces) assert.ok(Buffer.byteLength(piece) <= 64 * 1024, `${Buffer.byteLength(piece)} bytes`);
    assert.equal(pieces.join(''), `x${'é'.repeat(150_000)}`);
  });

  test('much output arrives whole and in order', async () => {
    const finished = expectExit(await wire.shell('seq 1 100000'), 0);
    assert.equal(finished.stdout.length, 100_000);
    finished.stdout.forEach((line, nth) => {
      if (line !== String(nth + 1)) assert.fail(`line ${nth + 1} is ${line}`);
    });
  });

  test('standard input is empty', async () => {
    expectExit(await wire.run({ command: 'cat', args: [] }), 0);
  });
});

describe('exit', () => {
  test('gives the exit code', async () => {
    for (const code of [0, 1, 3, 127, 255]) expectExit(await wire.shell(`exit ${code}`), code);
  });

  test('is -1 after a signal', async () => {
    for (const [name, number] of [['KILL', 9], ['TERM', 15], ['SEGV', 11]] as const) {
      const { exit } = await wire.shell(`kill -${name} $$`);
      assert.equal(exit?.code, -1);
      if (exit.signal !== undefined) assert.equal(exit.signal, number);
      assert.equal(exit.limit, undefined);
    }
  });

  test('arguments are passed as they are, with no shell between', async () => {
    const args = ['%s\\n', '', 'two words', '$(id)', '"quoted"', "it's", '*', '-n', 'new\nline', 'ünï', ';', '|'];
    const finished = await wire.run({ command: 'printf', args });
    assert.deepEqual(finished.stdout, args.slice(1).join('\n').split('\n'));
  });
});

describe('where and with what a command runs', () => {
  test('in the segment, without cwd', async () => {
    assert.equal((await wire.shell('pwd -P')).text, alpha());
  });

  test('in cwd, absolute or relative', async () => {
    fs.mkdirSync(alpha('sub/deep'), { recursive: true });
    for (const cwd of [alpha('sub/deep'), 'sub/deep', './sub/../sub/deep', `${alpha()}/sub/deep/`])
      assert.equal((await wire.shell('pwd -P', { cwd })).text, alpha('sub/deep'), cwd);
    assert.equal((await wire.shell('pwd -P', { cwd: '.' })).text, alpha());
  });

  test('env is added to what there is', async () => {
    const { stdout } = await wire.run({ command: 'env', args: [], env: { COLOUR: 'blue = green', PATH: '/usr/bin:/bin' } });
    assert.ok(stdout.includes('COLOUR=blue = green'));
    assert.ok(stdout.includes('PATH=/usr/bin:/bin'));
    assert.equal(stdout.filter((line) => line.startsWith('PATH=')).length, 1);
    assert.ok(stdout.includes('HOME=/home/toren'));
  });

  test('files of the segment are read and written as on the host', async () => {
    daemon().write('Alpha/input.txt', 'from the host');
    assert.equal((await wire.shell('cat input.txt; echo from the cage > output.txt')).text, 'from the host');
    assert.equal(daemon().read('Alpha/output.txt'), 'from the cage\n');
  });

  test('a socket that named no segment gives cwd', async () => {
    const other = await daemon().open(null);
    assert.equal((await other.shell('pwd -P', { cwd: daemon().path('Beta') })).text, daemon().path('Beta'));
    await other.close();
  });
});

describe('several at a time', () => {
  test('commands with ids run side by side', async () => {
    const first = wire.start({ command: 'sh', args: ['-c', `${waitFor('made-by-second')}; echo first`] });
    const second = wire.start({ command: 'sh', args: ['-c', 'echo second; touch made-by-second'] });
    assert.deepEqual(expectExit(await wire.finish(second), 0).stdout, ['second']);
    assert.deepEqual(expectExit(await wire.finish(first), 0).stdout, ['first']);
  });

  test('ten at once are told apart', async () => {
    const ids = Array.from({ length: 10 }, (_, nth) =>
      wire.start({ command: 'sh', args: ['-c', `for i in 1 2 3; do echo ${nth}.$i; done; exit ${nth}`] }),
    );
    for (const [nth, id] of ids.entries())
      assert.deepEqual(expectExit(await wire.finish(id), nth).stdout, [1, 2, 3].map((i) => `${nth}.${i}`));
  });

  test('commands without ids run one after another, in order', async () => {
    const legacy = await daemon().open();
    legacy.start({ command: 'sh', args: ['-c', `${waitFor('go-in-order')}; echo first; sleep 0.2; echo more`] }, null);
    legacy.start({ command: 'sh', args: ['-c', 'echo second; exit 2'] }, null);
    legacy.start({ command: 'sh', args: ['-c', 'echo third; exit 3'] }, null);
    await legacy.roundTrip();
    assert.deepEqual(legacy.pending(), [], 'the second one did not wait');
    release('go-in-order');
    const seen: unknown[] = [];
    for (let exits = 0; exits < 3; ) {
      const message = await legacy.next();
      assert.equal(message.type, 'CommandOutput');
      assert.ok(!('requestId' in message));
      if (message.type !== 'CommandOutput') break;
      if (message.output.type === 'Exit') ++exits;
      seen.push(message.output.type === 'Stdout' ? message.output.line : message.output);
    }
    const exit = (code: number): object => ({ type: 'Exit', code });
    assert.deepEqual(seen, ['first', 'more', exit(0), 'second', exit(2), 'third', exit(3)]);
    await legacy.close();
  });

  test('the socket is read while a command runs', async () => {
    const legacy = await daemon().open();
    daemon().write('Alpha/meanwhile.txt', 'meanwhile');
    legacy.start({ command: 'sh', args: ['-c', waitFor('go-meanwhile')] }, null);
    legacy.send({ type: 'FileRead', requestId: 'r', path: alpha('meanwhile.txt') });
    assert.equal((await legacy.takeType('FileContent', 'r')).content, 'meanwhile');
    const pong = once(legacy.socket, 'pong');
    legacy.socket.ping('are you there');
    assert.equal(String((await pong)[0]), 'are you there');
    assert.deepEqual(legacy.pending(), [], 'it still runs');
    release('go-meanwhile');
    expectExit(await legacy.finish(undefined), 0);
    await legacy.close();
  });

  test('more than limits.commands_per_socket are refused, and fewer work then', async (t) => {
    const small = await Daemon.start({ tables: '[limits]\ncommands_per_socket = 2' });
    t.after(() => small.stop());
    const socket = await small.open();
    const ids = [1, 2].map(() => socket.start({ command: 'sh', args: ['-c', `echo up; ${waitFor('go')}`] }));
    for (const id of ids) assert.deepEqual(await socket.output(id), { type: 'Stdout', line: 'up' });
    const third = socket.start({ command: 'true', args: [] });
    assert.match((await socket.finish(third)).error ?? '', /commands_per_socket/);
    await socket.takeType('Error', third);
    small.write('Alpha/go', '');
    for (const id of ids) expectExit(await socket.finish(id), 0);
    expectExit(await socket.run({ command: 'true', args: [] }), 0);
  });
});

describe('ending a command', () => {
  const ended = { type: 'Exit', code: -1, signal: 9, limit: 'cancelled' };

  test('Cancel ends the whole tree of the command that it names, and no other', async () => {
    const [own, child, other] = [mark(), mark(), mark()];
    const kept = wire.start({ command: 'sleep', args: [other] });
    const id = wire.start({ command: 'sh', args: ['-c', `trap '' TERM INT HUP; setsid sleep ${child} & sleep ${own}`] });
    await Promise.all([running(own), running(child), running(other)]);
    wire.send({ type: 'Cancel', requestId: id });
    assert.deepEqual(await wire.output(id), ended);
    assert.deepEqual(withArgument(own), []);
    assert.deepEqual(withArgument(child), []);
    assert.equal(withArgument(other).length, 1);
    wire.send({ type: 'Cancel', requestId: kept });
    assert.deepEqual(await wire.output(kept), ended);
  });

  test('Cancel without an id ends the running one of those without, and the next one starts', async () => {
    const legacy = await daemon().open();
    const argument = mark();
    legacy.start({ command: 'sh', args: ['-c', `echo started; sleep ${argument}`] }, null);
    legacy.start({ command: 'echo', args: ['next'] }, null);
    assert.deepEqual(await legacy.output(undefined), { type: 'Stdout', line: 'started' });
    legacy.send({ type: 'Cancel' });
    assert.deepEqual(await legacy.output(undefined), ended);
    assert.deepEqual((await legacy.finish(undefined)).stdout, ['next']);
    await legacy.close();
  });

  test('output before the Cancel is not lost', async () => {
    const argument = mark();
    const id = wire.start({ command: 'sh', args: ['-c', `seq 1 1000; sleep ${argument}`] });
    await running(argument);
    wire.send({ type: 'Cancel', requestId: id });
    const finished = await wire.finish(id);
    assert.deepEqual(finished.stdout, Array.from({ length: 1000 }, (_, nth) => String(nth + 1)));
    assert.equal(finished.exit?.limit, 'cancelled');
  });

  test('a Cancel for nothing harms nothing', async () => {
    const other = await daemon().open();
    other.send({ type: 'Cancel', requestId: 'never-heard-of' });
    other.send({ type: 'Cancel' });
    expectExit(await other.run({ command: 'true', args: [] }), 0);
    await other.close();
  });

  test('one socket cannot cancel what another started', async () => {
    const other = await daemon().open();
    const argument = mark();
    wire.start({ command: 'sleep', args: [argument] }, 'mine');
    const process = await running(argument);
    other.send({ type: 'Cancel', requestId: 'mine' });
    await other.roundTrip();
    expectExit(await other.run({ command: 'true', args: [] }), 0);
    assert.ok(isAlive(process));
    await other.close();
    wire.send({ type: 'Cancel', requestId: 'mine' });
    assert.deepEqual(await wire.output('mine'), ended);
  });

  test('the time limit of the request ends it', async () => {
    const argument = mark();
    const finished = await wire.shell(`echo before; setsid sleep ${argument} & sleep ${argument}`, { timeout: 1 });
    assert.deepEqual(finished.stdout, ['before']);
    assert.equal(finished.exit?.code, -1);
    assert.equal(finished.exit.limit, 'time');
    assert.deepEqual(withArgument(argument), []);
  });

  test('a request cannot lift limits.command_seconds', async (t) => {
    const strict = await Daemon.start({ tables: '[limits]\ncommand_seconds = 1' });
    t.after(() => strict.stop());
    const socket = await strict.open();
    for (const more of [{}, { timeout: 1000 }]) {
      const finished = await socket.run({ command: 'sleep', args: ['1000'], ...more });
      assert.deepEqual([finished.exit?.code, finished.exit?.limit], [-1, 'time']);
    }
  });

  test('a command that takes its own output back does not outlive its limit', async () => {
    fs.copyFileSync(path.join(programs, 'hostile'), alpha('hostile'));
    const finished = await wire.run({ command: './hostile', args: ['outrun_reader'], timeout: 4 });
    const ended = finished.exit?.limit === 'time' || finished.stdout.some((line) => line.includes('refused: outrun'));
    assert.ok(ended, JSON.stringify({ ...finished, stdout: finished.stdout.length, stderr: finished.stderr.length }));
  });

  test('a command that gave its output to another one has ended when it ends', async () => {
    fs.copyFileSync(path.join(programs, 'hostile'), alpha('hostile'));
    const holder = wire.start({ command: './hostile', args: ['hold_output', 'socket=held'] });
    await until('the holder listens', () => fs.existsSync(alpha('held')));
    const finished = await wire.run({ command: './hostile', args: ['hand_output_over', 'socket=held'] });
    assert.equal(finished.exit?.code, 10, JSON.stringify(finished));
    assert.deepEqual(await wire.output(holder), { type: 'Stdout', line: 'held' });
    wire.send({ type: 'Cancel', requestId: holder });
    await wire.finish(holder);
  });

  test('what a command leaves behind is gone by its exit', async () => {
    const argument = mark();
    const id = wire.start({
      command: 'sh',
      args: ['-c', `setsid sh -c 'trap "" HUP TERM; exec sleep ${argument}' >/dev/null 2>&1 & ${waitFor('seen')}; echo done`],
    });
    await running(argument); // on the host, so it would be missed
    release('seen');
    assert.deepEqual(expectExit(await wire.finish(id), 0).stdout, ['done']);
    assert.deepEqual(withArgument(argument), []);
  });

  test('a child that keeps the pipes open does not keep the command', async () => {
    const argument = mark();
    const finished = await wire.shell(`setsid sleep ${argument} & echo done`);
    assert.deepEqual(expectExit(finished, 0).stdout, ['done']);
  });

  for (const [how, leave] of [
    ['closes', (socket: Wire): void => socket.socket.close()],
    ['vanishes', (socket: Wire): void => socket.socket.terminate()],
  ] as const)
    test(`a client that ${how} ends its commands (legacy flaw 9)`, async () => {
      const leaving = await daemon().open();
      const [own, child, legacy] = [mark(), mark(), mark()];
      leaving.start({ command: 'sh', args: ['-c', `setsid sleep ${child} & exec sleep ${own}`] });
      leaving.start({ command: 'sleep', args: [legacy] }, null);
      const processes = await Promise.all([running(own), running(child), running(legacy)]);
      leave(leaving);
      await until('its processes to end', () => !processes.some(isAlive), 3000);
      expectExit(await wire.run({ command: 'true', args: [] }), 0);
    });

  test('a fork bomb is ended with its tree', async () => {
    const argument = mark();
    const id = wire.start({
      command: 'sh',
      args: ['-c', `i=0; while [ $i -lt 200 ]; do setsid sleep ${argument} & i=$((i+1)); done; echo up; wait`],
    });
    assert.deepEqual(await wire.output(id), { type: 'Stdout', line: 'up' });
    wire.send({ type: 'Cancel', requestId: id });
    assert.equal((await wire.finish(id)).exit?.limit, 'cancelled');
    assert.deepEqual(withArgument(argument), []);
  });
});

describe('a command that cannot start', () => {
  // Neither an Exit nor anything else follows: the next command's messages come at once.
  async function expectNothingMore(): Promise<void> {
    expectExit(await wire.run({ command: 'true', args: [] }), 0);
    assert.deepEqual(wire.pending(), []);
  }

  test('answers a CommandOutput Error that names it, and no Exit', async () => {
    daemon().write('Alpha/not-executable', '#!/bin/sh\n');
    fs.mkdirSync(alpha('a-folder'));
    for (const command of ['no-such-program', './missing', './not-executable', './a-folder', '/etc/shadow']) {
      const id = wire.start({ command, args: [] });
      const { stdout, exit, error } = await wire.finish(id);
      assert.equal(exit, undefined);
      assert.deepEqual(stdout, []);
      assert.ok(error?.includes(command), `${command}: ${error}`);
      await expectNothingMore();
    }
  });

  test('nor in a folder that is not there', async () => {
    for (const cwd of ['missing', alpha('missing'), alpha('input.txt')]) {
      daemon().write('Alpha/input.txt', '');
      const id = wire.start({ command: 'true', args: [], cwd });
      const { exit, error } = await wire.finish(id);
      assert.equal(exit, undefined);
      assert.notEqual(error, undefined);
      await expectNothingMore();
    }
  });

  test('a cwd outside is refused in both ways that clients look for', async () => {
    for (const cwd of ['/', '/etc', daemon().folder, daemon().state]) {
      const id = wire.start({ command: 'true', args: [], cwd });
      assert.notEqual((await wire.finish(id)).error, undefined, cwd);
      assert.equal((await wire.takeType('Error', id)).code, 'path_outside_segment');
      await expectNothingMore();
    }
  });

  test('a cwd that leads out by `..` or a link starts nothing', async () => {
    fs.symlinkSync('/etc', alpha('to-etc'));
    fs.symlinkSync('../Beta', alpha('to-beta'));
    for (const cwd of ['..', `${alpha()}/..`, '../Beta', 'to-etc', 'to-beta']) {
      const id = wire.start({ command: 'pwd', args: [], cwd });
      const finished = await wire.finish(id);
      assert.equal(finished.exit, undefined, `${cwd} started: ${JSON.stringify(finished)}`);
      assert.notEqual(finished.error, undefined);
      await wire.roundTrip();
      // Who looks first refuses it: the broker with both messages, or the kernel with one.
      for (const message of wire.pending()) assert.equal(message.type, 'Error');
      if (wire.pending().length > 0) await wire.takeType('Error', id);
    }
    await expectNothingMore();
  });

  test('a request of a wrong shape is refused in both ways', async () => {
    const requests: unknown[] = [
      undefined,
      null,
      'ls',
      [],
      {},
      { args: [] },
      { command: 1, args: [] },
      { command: '', args: [] },
      { command: 'true', args: 'x' },
      { command: 'true', args: [1] },
      { command: 'true', args: [null] },
      { command: 'true', args: { 0: 'x' } },
      { command: 'true', args: [], cwd: 1 },
      { command: 'true', args: [], env: ['A=b'] },
      { command: 'true', args: [], env: { A: 1 } },
      { command: 'true', args: [], timeout: 'soon' },
      { command: 'true', args: [], timeout: -1 },
      { command: 'true\0', args: [] },
      { command: 'true', args: ['a\0b'] },
      { command: 'true', args: [], env: { 'A\0': 'x' } },
      { command: 'true', args: [], env: { 'A=B': 'x' } },
    ];
    for (const request of requests) {
      const requestId = wire.newId();
      wire.send({ type: 'Command', requestId, request });
      const { exit, error } = await wire.finish(requestId);
      assert.equal(exit, undefined, `${JSON.stringify(request)} ran`);
      assert.notEqual(error, undefined);
      await wire.takeType('Error', requestId);
    }
    await expectNothingMore();
  });

  test('arguments of more than any program takes are refused, and large ones pass', async () => {
    const large = 'x'.repeat(100_000);
    assert.deepEqual((await wire.run({ command: 'printf', args: ['%s', large] })).stdout.join(''), large);
    const id = wire.start({ command: 'true', args: Array.from({ length: 10 }, () => large) });
    const { exit, error } = await wire.finish(id);
    assert.equal(exit, undefined);
    assert.notEqual(error, undefined);
    await wire.roundTrip();
    if (wire.pending().length > 0) await wire.takeType('Error', id);
    await expectNothingMore();
  });
});

describe('the cage (invariant 4)', () => {
  test('runs as who started the daemon, with no privilege more', async () => {
    const { text } = await wire.shell('id -u; id -g; grep -E "^(Cap(Inh|Prm|Eff|Bnd|Amb)|NoNewPrivs|Seccomp):" /proc/self/status');
    const [user, group, ...rest] = text.split('\n');
    assert.equal(user, String(process.getuid?.()));
    assert.equal(group, String(process.getgid?.()));
    assert.deepEqual(rest.map((line) => line.split(/:\s+/)), [
      ['CapInh', '0000000000000000'],
      ['CapPrm', '0000000000000000'],
      ['CapEff', '0000000000000000'],
      ['CapBnd', '0000000000000000'],
      ['CapAmb', '0000000000000000'],
      ['NoNewPrivs', '1'],
      ['Seccomp', '2'],
    ]);
  });

  test('leaves no set-user-ID program in the work tree', async () => {
    const { stdout } = await wire.shell('cp /bin/true tool; chmod 755 tool && echo plain; chmod 4755 tool || chmod g+s tool || echo refused; stat -c %a tool');
    assert.deepEqual(stdout, ['plain', 'refused', '755']);
    assert.equal(fs.statSync(daemon().path('Alpha/tool')).mode & 0o7777, 0o755);
  });

  test('shows a root of its own: system folders, private ones, the way to the segment', async () => {
    const { stdout, exit } = await wire.shell('id; ls -la / && ls -A /');
    assert.equal(exit?.code, 0);
    assert.match(stdout[0] ?? '', /^uid=/);
    const names = (await wire.shell('ls -A /')).stdout;
    const top = daemon().folder.split('/')[1] ?? '';
    const expected = new Set(['.toren', 'bin', 'dev', 'etc', 'home', 'lib', 'lib32', 'lib64', 'libx32', 'proc', 'sbin', 'tmp', 'usr', 'var', top]);
    assert.deepEqual(names.filter((name) => !expected.has(name)), []);
    for (const name of ['bin', 'dev', 'etc', 'proc', 'tmp', 'usr']) assert.ok(names.includes(name), name);
  });

  test('has no /etc/shadow, no other segment, no state folder, nothing of the host beside', async () => {
    const shadow = await wire.run({ command: 'cat', args: ['/etc/shadow'] });
    assert.notEqual(shadow.exit?.code, 0);
    assert.match(shadow.stderr.join('\n'), /No such file/);
    for (const path of [daemon().path('Beta'), daemon().path('Beta/secret.txt'), daemon().state, daemon().config, '/etc/ssh', '/root', '/sys/class', '/run', '/boot', '/etc/machine-id'])
      assert.equal((await wire.shell(`test -e '${path}' && echo there`)).text, '', `${path} is in the cage`);
    assert.deepEqual((await wire.run({ command: 'ls', args: ['-A', daemon().projects] })).stdout, ['Alpha']);
    assert.doesNotMatch((await wire.shell('cat /etc/passwd /etc/group')).text, /tester|www-data|daemon:/);
  });

  test('links that lead out of the segment lead nowhere', async () => {
    fs.symlinkSync(daemon().path('Beta/secret.txt'), alpha('beta-link'));
    fs.symlinkSync(daemon().config, alpha('config-link'));
    for (const name of ['beta-link', 'config-link', '../Beta/secret.txt'])
      assert.equal((await wire.run({ command: 'cat', args: [name] })).exit?.code, 1);
  });

  test('has no network but a loopback of its own', async () => {
    const interfaces = (await wire.shell('cat /proc/net/dev')).stdout.slice(2).map((line) => line.trim().split(':')[0]);
    assert.deepEqual(interfaces, ['lo']);
    // The daemon listens on the host's loopback: not this one.
    const connect = await wire.run({ command: 'bash', args: ['-c', `exec 3<>/dev/tcp/127.0.0.1/${daemon().port}`] });
    assert.notEqual(connect.exit?.code, 0);
    assert.match(connect.stderr.join('\n'), /refused/i);
    assert.equal((await wire.shell('ls /run /var/run 2>/dev/null; find / -xdev -type s 2>/dev/null')).text, '');
  });

  test('has processes of its own only, and is pid 2', async () => {
    const { stdout } = await wire.shell('echo $$; cd /proc && echo [0-9]*');
    assert.equal(stdout[0], '2');
    assert.deepEqual(stdout[1]?.split(' '), ['1', '2']);
    assert.equal((await wire.shell('kill -9 1; echo alive')).text, 'alive');
  });

  test('does not see, signal or trace another command of the same segment', async () => {
    const argument = mark();
    const id = wire.start({ command: 'sleep', args: [argument] });
    const other = await running(argument);
    daemon().write('Alpha/pattern', argument); // in a file, for grep must not find itself
    const { text } = await wire.shell('grep -lf pattern /proc/[0-9]*/cmdline; kill -9 -1 2>/dev/null; echo done');
    assert.equal(text, 'done');
    assert.ok(isAlive(other));
    wire.send({ type: 'Cancel', requestId: id });
    await wire.finish(id);
  });

  test('has an environment built from nothing', async () => {
    const { stdout } = await wire.run({ command: 'env', args: [] });
    const variables = new Map(stdout.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]));
    const known = new Set(['PATH', 'HOME', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'TERM', 'TOREN', 'PWD', 'TMPDIR']);
    assert.deepEqual([...variables.keys()].filter((name) => !known.has(name)), []);
    assert.equal(variables.get('HOME'), '/home/toren');
    for (const secret of [kForeign, '135791', await daemon().session()])
      assert.ok(!stdout.join('\n').includes(secret));
  });

  test('no secret of the daemon is anywhere to read', async () => {
    const { text } = await wire.shell(`cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null | tr '\\0' '\\n'`);
    for (const secret of [kForeign, '135791']) assert.ok(!text.includes(secret));
  });

  test('inherits no descriptor and no terminal', async () => {
    // 3 is the folder that ls itself reads.
    assert.deepEqual((await wire.run({ command: 'ls', args: ['/proc/self/fd'] })).stdout, ['0', '1', '2', '3']);
    assert.notEqual((await wire.shell('exec 3</dev/tty')).exit?.code, 0);
  });

  test('system folders and the root are read-only, /tmp and home are private and writable', async () => {
    for (const folder of ['/', '/usr', '/usr/bin', '/etc', '/dev', '/home', '/var', '/proc'])
      assert.equal((await wire.shell(`touch ${folder}/written 2>/dev/null && echo written`)).text, '', folder);
    assert.equal((await wire.shell('for d in /tmp /var/tmp /dev/shm "$HOME" .; do touch "$d/x" || echo $d; done')).text, '');
    fs.rmSync(alpha('x'));
    const hosts = fs.readdirSync('/tmp');
    const caged = (await wire.shell('ls -A /tmp')).stdout;
    assert.deepEqual(caged.filter((name) => name !== 'x' && hosts.includes(name) && !daemon().folder.includes(name)), []);
  });

  test('allows no mount, no new namespace, no device, no other user', async () => {
    for (const script of [
      'mount -t tmpfs tmpfs /tmp',
      'mount -o remount,rw /',
      'unshare -U true',
      'unshare -m true',
      'unshare -n true',
      'unshare -Ur true',
      'mknod device c 1 3',
      'umount /proc',
      'chroot / true',
      'su -c true',
      'echo 1 > /proc/sys/kernel/panic',
      'echo 0 > /proc/self/oom_score_adj',
    ]) {
      const finished = await wire.shell(script);
      assert.notEqual(finished.exit?.code, 0, `${script} worked`);
    }
  });

  test('is a new one for each segment', async () => {
    const beta = await daemon().open('Beta');
    assert.equal((await beta.shell('cat secret.txt; echo; pwd -P')).text, `of another segment\n${daemon().path('Beta')}`);
    assert.equal((await beta.shell(`test -e ${alpha()} && echo there; touch /tmp/from-beta`)).text, '');
    assert.equal((await wire.shell('test -e /tmp/from-beta && echo there')).text, '');
    await beta.close();
    assert.equal(daemon().spawners().length, 2);
  });
});
