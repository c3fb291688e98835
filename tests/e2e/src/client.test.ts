// The typed client of agent/ with a real daemon: what its own tests try against a false one.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import WebSocket from 'ws';

import { Client, Socket, TorenError, type WebSocketConstructor } from '../../../agent/dist/src/index.js';
import { sharedDaemon } from './daemon.js';
import { until } from './wait.js';

const daemon = sharedDaemon({ before, after }, {}, async (started) => {
  await started.session();
});
const options = async () => ({ url: `http://127.0.0.1:${daemon().port}`, token: await daemon().session() });
const segment = 'Alpha';

describe('the client', () => {
  test('files: conditions, edits, search, any size in both directions, archives', async () => {
    const client = new Client(await options());
    await client.call('files.write', { segment, path: 'c/a.txt', content: 'one\ntwo\n', create_parents: true });
    const read = await client.call('files.read', { segment, path: 'c/a.txt' });
    assert.equal(read.content, 'one\ntwo\n');
    const edited = await client.call('files.edit', { segment, path: 'c/a.txt', if_version: read.version, edits: [{ old: 'two', new: 'three' }] });
    assert.match(edited.diff, /-two\n\+three/);
    await assert.rejects(
      client.call('files.write', { segment, path: 'c/a.txt', content: '', if_version: read.version }),
      (error: unknown) => error instanceof TorenError && error.code === 'changed',
    );
    const found = await client.call('files.search', { segment, pattern: 'three', glob: ['*.txt'] });
    assert.deepEqual(found.matches.map((match) => [match.path, match.line]), [['c/a.txt', 2]]);
    const content = new Uint8Array(20 << 20).map((_, i) => i * 31);
    await client.upload({ segment, path: 'c/big' }, new Blob([content]));
    const parts: Uint8Array[] = [];
    for await (const part of await client.download({ segment, path: 'c/big' })) parts.push(part);
    assert.ok(Buffer.concat(parts).equals(content), 'not what was uploaded');
    const listed = await client.call('files.list', { segment, path: 'c' });
    assert.deepEqual(listed.entries.map((entry) => entry.path), ['c/a.txt', 'c/big']);
  });

  test('a process: its input, and its output over a broker that dies, each byte once', async () => {
    const socket = new Socket({ ...(await options()), webSocket: WebSocket as unknown as WebSocketConstructor });
    const echo = socket.run({ segment, argv: ['cat'], input: true });
    await echo.write(new TextEncoder().encode('hello'));
    await echo.closeInput();
    let said = '';
    for await (const item of echo) if (item.type !== 'gap') said += new TextDecoder().decode(item.bytes);
    assert.equal(said, 'hello');

    const run = socket.run({ segment, shell: 'seq 200000; sleep 1; seq 200001 400000', keep: true });
    let text = '';
    let killed = false;
    for await (const item of run) {
      assert.ok(item.type !== 'gap', 'a gap');
      text += Buffer.from(item.bytes).toString('latin1');
      if (killed || text.length < 500_000) continue;
      killed = true;
      process.kill(daemon().broker().pid, 'SIGKILL');
    }
    assert.ok(text === Array.from({ length: 400_000 }, (_, i) => `${i + 1}\n`).join(''), 'not what was printed');
    const { process: id, exit } = await run.result;
    assert.equal(exit?.code, 0);
    await socket.call('processes.remove', { segment, process: id });
    socket.close();
  });

  test('watching', async () => {
    const client = new Client(await options());
    const socket = new Socket({ ...(await options()), webSocket: WebSocket as unknown as WebSocketConstructor });
    const seen: string[] = [];
    const watching = (async () => {
      for await (const batch of socket.watch({ segment, path: '.' })) {
        if ('events' in batch) seen.push(...batch.events.map((one) => one.path));
        if (seen.includes('watched')) return; // which cancels it
      }
    })();
    await until('what was written to be told', async () => {
      await client.call('files.write', { segment, path: 'watched', content: String(Math.random()) });
      return seen.includes('watched');
    });
    await watching;
    socket.close();
  });
});
