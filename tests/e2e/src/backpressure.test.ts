// A gigabyte of output to a client that does not read: nobody else notices, nothing grows, the command waits.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import { after, before, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { isAlive, peakMemoryMiB, programOf, withArgument } from './processes.js';
import { expectOk } from './rest.js';
import { until, untilStill, within } from './wait.js';
import type { Wire } from './wire.js';

const kMostMiB = 64; // of each process of the daemon
const kLines = 1_100_000;
const kLine = 1000;
const kBatch = 1000; // a megabyte

const daemon = sharedDaemon({ before, after }, { segments: ['Alpha', 'Beta'] });

// Numbered lines of a kilobyte, more than a gigabyte of them; after each megabyte the count of lines in a file.
const script = (name: string): string =>
  `i=1; while [ $i -le ${kLines} ]; do seq -f '%0${kLine}.0f' $i $((i + ${kBatch - 1})); i=$((i + ${kBatch})); ` +
  `echo $i > ${name}.new; mv ${name}.new ${name}; done`;

const written = (name: string): number => {
  try {
    return Number(fs.readFileSync(daemon().path('Alpha', name), 'utf8'));
  } catch {
    return 0;
  }
};

function expectSmall(): void {
  // The supervisor, the broker, the spawners, and of what runs in the cells what is not the command itself.
  const ours = daemon().processes().filter((process) => programOf(process).startsWith('toren'));
  assert.ok(ours.length >= 3);
  for (const { pid, parent, arguments: args } of [{ pid: daemon().pid, parent: 0, arguments: ['toren'] }, ...ours]) {
    const peak = peakMemoryMiB(pid);
    assert.ok(peak < kMostMiB, `${args[0]} (pid ${pid}, parent ${parent}) had ${peak.toFixed(1)} MiB resident`);
  }
}

// Takes `count` lines of the command from its `first` on; fails where one is lost, doubled or out of place.
async function expectLines(wire: Wire, id: string | undefined, first: number, count: number): Promise<void> {
  for (let number = first; number < first + count; ++number) {
    const output = await wire.output(id, 60_000);
    const line = output.type === 'Stdout' ? output.line : JSON.stringify(output);
    if (line.length !== kLine || Number(line) !== number) assert.fail(`line ${number} is ${line.slice(-200)}`);
  }
}

test('a client that stops reading stops its command, and only that (invariant 7)', async () => {
  const slow = await daemon().open();
  slow.socket.pause();
  const id = slow.start({ command: 'sh', args: ['-c', script('progress')] });
  await until('the command to start', () => written('progress') > 0);
  const reached = await untilStill('the command', () => written('progress'), 1500, 60_000);
  assert.ok(reached < kLines / 10, `${reached} lines of a kilobyte were written for a client that reads none`);
  expectSmall();

  // Others go on: in the same segment, in another one, over REST.
  for (const segment of ['Alpha', 'Beta']) {
    const other = await within(`a second client in ${segment}`, daemon().open(segment), 5000);
    const finished = await within('its command', other.shell('seq 1 20000 | tail -n 1'), 5000);
    assert.equal(finished.text, '20000');
    await other.close();
  }
  daemon().write('Alpha/file.txt', 'x');
  expectOk(await daemon().post('/api/fs/read', { path: daemon().path('Alpha/file.txt') }));
  expectOk(await daemon().get('/health'));
  assert.equal(written('progress'), reached, 'the command went on meanwhile');

  // Nothing is lost: it goes on where it stopped.
  slow.socket.resume();
  await expectLines(slow, id, 1, reached + 50 * kBatch);
  assert.ok(written('progress') > reached);
  expectSmall();

  const processes = daemon().processes().filter((process) => process.arguments.includes(script('progress')));
  assert.ok(processes.length >= 1); // the shell, and perhaps its fork on the way to another program
  slow.socket.terminate();
  await until('the command to end with its client', () => !processes.some(isAlive), 5000);
  assert.deepEqual(withArgument(script('progress')), []);
});

test('two commands of one socket: the socket is slow, and both wait without growing anything', async () => {
  const slow = await daemon().open();
  slow.socket.pause();
  const names = ['first', 'second'];
  const ids = names.map((name) => slow.start({ command: 'sh', args: ['-c', script(name)] }));
  for (const name of names) {
    await until(`${name} to start`, () => written(name) > 0);
    const reached = await untilStill(name, () => written(name), 1500, 60_000);
    assert.ok(reached < kLines / 10, `${name} wrote ${reached} lines`);
  }
  expectSmall();
  // A Cancel is heard although nothing is read, and comes through once it is.
  for (const requestId of ids) slow.send({ type: 'Cancel', requestId });
  const running = (): number => names.reduce((sum, name) => sum + withArgument(script(name)).length, 0);
  await until('both commands to end', () => running() === 0);
  slow.socket.resume();
  for (const id of ids) assert.equal((await slow.finish(id, 60_000)).exit?.limit, 'cancelled');
  await slow.close();
});

test('a gigabyte to a client that reads arrives whole, and nothing grows', { timeout: 300_000 }, async () => {
  const wire = await daemon().open();
  const bytes = 1024 ** 3;
  const id = wire.start({ command: 'sh', args: ['-c', `head -c ${bytes} /dev/zero | tr '\\0' x | fold -w 65535`] });
  let seen = 0;
  for (;;) {
    const output = await wire.output(id, 60_000);
    if (output.type !== 'Stdout') {
      assert.deepEqual(output, { type: 'Exit', code: 0 });
      break;
    }
    seen += output.line.length;
  }
  assert.equal(seen, bytes);
  expectSmall();
  await wire.close();
});
