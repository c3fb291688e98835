// What only shows with time or numbers: sockets that stay open, exits that are never lost. In a file of its own, so
// that it runs beside the others.
import assert from 'node:assert/strict';
import { setTimeout as pause } from 'node:timers/promises';
import { after, before, test } from 'node:test';

import { sharedDaemon } from './daemon.js';

const kQuietMs = 18_000; // longer than the daemon gives an HTTP request to arrive

const daemon = sharedDaemon({ before, after });

test('a WebSocket outlives every time limit of HTTP, quiet or busy, with and without a command', async () => {
  const quiet = await daemon().open();
  const fresh = await daemon().wire(); // not authenticated
  const running = await daemon().open();
  const id = running.start({ command: 'sh', args: ['-c', 'echo up; while [ ! -e go ]; do sleep 0.02; done; echo done'] });
  await running.output(id);
  const sockets = { quiet, fresh, running };
  const closed = Object.entries(sockets).map(([name, wire]) => wire.closed.then(({ code }) => `${name} closed with ${code}`));
  assert.equal(await Promise.race([...closed, pause(kQuietMs, 'all open')]), 'all open');
  daemon().write('Alpha/go', '');
  assert.deepEqual(await running.finish(id), { stdout: ['done'], stderr: [], exit: { type: 'Exit', code: 0 } });
  assert.equal((await quiet.shell('echo still here')).text, 'still here');
  await fresh.auth(await daemon().session());
  for (const wire of Object.values(sockets)) await wire.close();
});

test('of a thousand short commands each tells its exit, after all of its output', async () => {
  const wire = await daemon().open();
  let next = 0;
  const client = async (): Promise<void> => {
    while (next < 1000) {
      const number = ++next;
      const finished = await wire.run({ command: 'sh', args: ['-c', `echo ${number}; exit ${number % 100}`] });
      assert.deepEqual(finished, { stdout: [String(number)], stderr: [], exit: { type: 'Exit', code: number % 100 } });
    }
  };
  await Promise.all(Array.from({ length: 8 }, client));
  await wire.close();
});
