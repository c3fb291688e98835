// What goes through whole trees, over v2: search by content, watching, archives; and what becomes of each operation
// when its worker is killed in the midst of it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { isAlive, peakMemoryMiB, programOf } from './processes.js';
import { expectOk } from './rest.js';
import { V2Socket, type Stream } from './v2-socket.js';
import { until } from './wait.js';

const daemon = sharedDaemon({ before, after }, {}, async (started) => {
  await started.session();
});

const open = async () => V2Socket.open(daemon().port, await daemon().session());
const host = (name: string) => path.join(daemon().path('Alpha'), name);
const at = (operation: string, query: Record<string, string | number | boolean> = {}) =>
  `/v2/segments/Alpha/files/${operation}?${new URLSearchParams(Object.entries(query).map(([k, v]): [string, string] => [k, String(v)])).toString()}`;

const workers = () => daemon().processes().filter((one) => programOf(one) === 'toren-files-worker');

function put(name: string, content: string | Buffer): void {
  fs.mkdirSync(path.dirname(host(name)), { recursive: true });
  fs.writeFileSync(host(name), content);
}

interface Match {
  path: string;
  line: number;
  offset: number;
  text?: string;
  text_bytes?: string;
  spans: [number, number][];
  cut?: boolean;
  before?: { line: number; text: string }[];
  after?: { line: number; text: string }[];
}
interface Found {
  matches: Match[];
  truncated: boolean;
  files_searched?: number;
}

describe('files.search', () => {
  const search = async (client: V2Socket, fields: Record<string, unknown>) => (await client.call('files.search', fields)) as Found;

  test('finds lines, with places, context and options', async () => {
    put('s/a.txt', 'one\nTwo three\nfour\nfive\n');
    put('s/deep/b.md', 'three.three\n');
    put('s/.hidden', 'three\n');
    put('s/.gitignore', 'build/\n');
    put('s/build/c.txt', 'three\n');
    const client = await open();
    const all = await search(client, { pattern: 'three', path: 's', context: 1 });
    assert.deepEqual(all, {
      matches: [
        {
          path: 's/a.txt', line: 2, offset: 4, text: 'Two three\n', spans: [[4, 9]],
          before: [{ line: 1, text: 'one\n' }], after: [{ line: 3, text: 'four\n' }],
        },
        { path: 's/deep/b.md', line: 1, offset: 0, text: 'three.three\n', spans: [[0, 5], [6, 11]], before: [], after: [] },
      ],
      truncated: false,
      files_searched: 2,
    });
    const paths = async (fields: Record<string, unknown>) => (await search(client, { path: 's', ...fields })).matches.map((match) => match.path);
    assert.deepEqual(await paths({ pattern: 'TWO' }), [], 'an upper-case letter makes it strict');
    assert.deepEqual(await paths({ pattern: 'TWO', case: 'insensitive' }), ['s/a.txt']);
    assert.deepEqual(await paths({ pattern: 'two', case: 'sensitive' }), []);
    assert.deepEqual(await paths({ pattern: 'e.t', literal: true }), ['s/deep/b.md']);
    assert.deepEqual(await paths({ pattern: 'fou', word: true }), []);
    assert.deepEqual(await paths({ pattern: 'three', glob: ['*.md'] }), ['s/deep/b.md']);
    assert.deepEqual(await paths({ pattern: 'three', glob: ['!*.md'] }), ['s/a.txt']);
    assert.deepEqual(await paths({ pattern: 'three', hidden: true }), ['s/.hidden', 's/a.txt', 's/deep/b.md']);
    assert.deepEqual(await paths({ pattern: 'three', ignore: false }), ['s/a.txt', 's/build/c.txt', 's/deep/b.md']);
    assert.deepEqual(await paths({ pattern: 'one\\nTwo', multiline: true }), ['s/a.txt']);
    assert.deepEqual(await paths({ pattern: 'three', path: 's/build/c.txt' }), ['s/build/c.txt'], 'a file that is named is searched');
    assert.deepEqual(await paths({ pattern: '--files' }), [], 'a pattern is no option');
    await client.close();
  });

  test('over REST', async () => {
    put('rest/a', 'needle\n');
    const found = expectOk(await daemon().send('GET', at('search', { pattern: 'needle', path: 'rest' }) + '&glob=a&glob=b'));
    assert.equal((found['matches'] as Match[]).length, 1);
  });

  test('what is long is cut, what is no text comes as bytes, what is more than asked for is told', async () => {
    put('long/line', `${'x'.repeat(3_000_000)}needle${'é'.repeat(1_000_000)}\n`);
    put('long/many', 'y'.repeat(200_000) + '\n');
    put('long/latin', Buffer.from('needle \xe9t\xe9\n', 'latin1'));
    put('long/lines', 'tick\n'.repeat(500));
    const client = await open();
    const needles = (await search(client, { pattern: 'needle', path: 'long' })).matches;
    assert.deepEqual(needles.map((match) => [match.path, match.cut ?? false]), [['long/latin', false], ['long/line', true]]);
    assert.equal(Buffer.from(needles[0]?.text_bytes ?? '', 'base64').toString('latin1'), 'needle \xe9t\xe9\n');
    assert.equal(needles[1]?.text, 'x'.repeat(4096));
    assert.deepEqual(needles[1].spans, []);
    // 200,000 places in one line: far more than a message may be long.
    const many = (await search(client, { pattern: 'y', path: 'long/many' })).matches;
    assert.equal(many[0]?.text?.length, 4096);
    const some = await search(client, { pattern: 'tick', path: 'long', limit: 3 });
    assert.deepEqual([some.matches.length, some.truncated, 'files_searched' in some], [3, true, false]);
    const exactly = await search(client, { pattern: 'tick', path: 'long', limit: 500 });
    assert.deepEqual([exactly.matches.length, exactly.truncated], [500, false]);
    await client.close();
  });

  test('names with newlines, FIFOs and links are no trouble', async () => {
    put('odd/new\nline', 'odd needle\n');
    execFileSync('mkfifo', [host('odd/fifo')]);
    fs.symlinkSync('/etc', host('odd/etc'));
    const client = await open();
    assert.deepEqual((await search(client, { pattern: 'needle|root', path: 'odd' })).matches.map((match) => match.path), ['odd/new\nline']);
    assert.equal((await client.refused('files.search', { pattern: 'root', path: 'odd/etc' })).code, 'path_outside_segment');
    assert.equal((await client.refused('files.search', { pattern: 'root', path: '../..' })).code, 'path_outside_segment');
    assert.equal((await client.refused('files.search', { pattern: 'root', path: 'odd/none' })).code, 'file_not_found');
    await client.close();
  });

  test('what makes no sense is refused, with what ripgrep says of it', async () => {
    const client = await open();
    const refused = await client.refused('files.search', { pattern: '(' });
    assert.equal(refused.code, 'invalid_pattern');
    assert.match(String(refused.problem['detail']), /unclosed group/);
    assert.equal((await client.refused('files.search', { pattern: 'a', glob: ['{'] })).code, 'invalid_pattern');
    for (const fields of [{ pattern: '' }, { pattern: 'a', case: 'other' }, { pattern: 'a', limit: 0 }, { pattern: 'a', context: 101 }, { pattern: 'a\0b' }])
      assert.equal((await client.refused('files.search', fields)).code, 'invalid_field', JSON.stringify(fields));
    await client.close();
  });

  test('cancelled or left, it ends', async () => {
    fs.mkdirSync(host('slow'));
    for (let i = 0; i < 40; ++i) fs.writeFileSync(host(`slow/${i}`), Buffer.alloc(8 << 20, 'a'));
    const client = await open();
    const { stream, result } = client.start('files.search', { pattern: 'a.*b.*c.*d', path: 'slow' });
    const cancelled = assert.rejects(result, /cancelled/);
    await client.call('cancel', { request: stream.id });
    await cancelled;
    client.start('files.search', { pattern: 'a.*b.*c.*d', path: 'slow' }).result.catch(() => undefined);
    await client.close();
    await until('no ripgrep to run', () => !daemon().processes().some((one) => programOf(one) === 'rg'));
  });
});

describe('a folder of 100,000 entries', () => {
  test('is listed in pages, each name once, and found by name, and no page costs the broker much', async () => {
    fs.mkdirSync(host('many'));
    for (let i = 0; i < 100_000; ++i) fs.closeSync(fs.openSync(host(`many/${String(i).padStart(6, '0')}`), 'w'));
    const client = await open();
    interface Page {
      entries: { path: string }[];
      cursor: string | null;
    }
    const before = peakMemoryMiB(daemon().broker().pid);
    let cursor: string | null = null;
    let next = 0;
    do {
      const page: Page = await client.call('files.list', { path: 'many', limit: 10_000, ...(cursor === null ? {} : { cursor }) });
      for (const entry of page.entries) assert.equal(entry.path, `many/${String(next++).padStart(6, '0')}`);
      cursor = page.cursor;
    } while (cursor !== null);
    assert.equal(next, 100_000);
    const found: Page = await client.call('files.find', { glob: '*77777', path: 'many' });
    assert.deepEqual(found.entries.map((entry) => entry.path), ['many/077777']);
    const grown = peakMemoryMiB(daemon().broker().pid) - before;
    assert.ok(grown < 64, `${grown} MiB`);
    await client.close();
  });
});

describe('files.watch', () => {
  interface Change {
    event: string;
    kind: string;
    path: string;
    from?: string;
  }
  const changes = (stream: Stream): Change[] => stream.events.flatMap((event) => (event['events'] ?? []) as Change[]);
  async function watch(client: V2Socket, fields: Record<string, unknown>) {
    const { stream, result } = client.start('files.watch', fields);
    result.catch(() => undefined);
    await until('the first batch', () => stream.events.length > 0);
    assert.deepEqual(stream.events[0], { events: [] });
    return { stream, result };
  }

  test('tells what others do, in folders that are made meanwhile too, until it is cancelled', async () => {
    fs.mkdirSync(host('w'));
    put('w/.gitignore', '*.o\n');
    const client = await open();
    const { stream, result } = await watch(client, { path: 'w' });
    put('w/new/deep/a.txt', 'one');
    put('w/ignored.o', 'x');
    await until('what was made', () => changes(stream).some((one) => one.event === 'created' && one.path === 'w/new/deep/a.txt'));
    fs.renameSync(host('w/new/deep/a.txt'), host('w/b.txt'));
    await until('the move', () => changes(stream).some((one) => one.event === 'moved' && one.path === 'w/b.txt' && one.from === 'w/new/deep/a.txt'));
    await client.call('files.append', { path: 'w/b.txt', content: 'two' });
    await until('the change', () => changes(stream).some((one) => one.event === 'changed' && one.path === 'w/b.txt'));
    fs.rmSync(host('w/b.txt'));
    await until('the end of it', () => changes(stream).some((one) => one.event === 'deleted' && one.path === 'w/b.txt'));
    assert.ok(!changes(stream).some((one) => one.path.endsWith('.o')));
    const over = assert.rejects(result, /cancelled/);
    await client.call('cancel', { request: stream.id });
    await over;
    await client.close();
  });

  test('a client that left costs nothing, and a killed worker is told', async () => {
    fs.mkdirSync(host('left'));
    const leaver = await open();
    await watch(leaver, { path: 'left' });
    const stays = await open();
    const before = workers().length;
    await leaver.close();
    await until('its worker to end', () => workers().length < before);
    const { result } = await watch(stays, { path: 'left' });
    const told = assert.rejects(result, /worker_died/);
    for (const worker of workers()) process.kill(worker.pid, 'SIGKILL');
    await told;
    await stays.close();
  });
});

describe('files.archive', () => {
  for (const [format, unpack] of [
    ['tar.zst', (file: string, to: string) => execFileSync('tar', ['--zstd', '-xf', file, '-C', to])],
    ['zip', (file: string, to: string) => execFileSync('unzip', ['-q', file, '-d', to])],
  ] as const)
    test(`${format}: what comes out is what went in`, async (t) => {
      put(`arc-${format}/a/text`, 'hello\n');
      put(`arc-${format}/a/empty`, '');
      put(`arc-${format}/big`, Buffer.alloc(3_000_000, 'toren'));
      fs.chmodSync(host(`arc-${format}/a/text`), 0o755);
      const answer = await fetch(`http://127.0.0.1:${daemon().port}${at('archive', { path: `arc-${format}`, format })}`, {
        headers: { Authorization: `Bearer ${await daemon().session()}` },
      });
      assert.equal(answer.status, 200);
      assert.match(answer.headers.get('content-disposition') ?? '', new RegExp(`arc-${format}\\.${format}`));
      const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'archive-'));
      t.after(() => fs.rmSync(folder, { recursive: true }));
      fs.writeFileSync(path.join(folder, 'it'), Buffer.from(await answer.arrayBuffer()));
      unpack(path.join(folder, 'it'), folder);
      const base = fs.existsSync(path.join(folder, 'big')) ? folder : path.join(folder, `arc-${format}`);
      assert.equal(fs.readFileSync(path.join(base, 'a/text'), 'utf8'), 'hello\n');
      assert.equal(fs.statSync(path.join(base, 'a/text')).mode & 0o777, 0o755);
      assert.equal(fs.readFileSync(path.join(base, 'a/empty'), 'utf8'), '');
      assert.ok(fs.readFileSync(path.join(base, 'big')).equals(fs.readFileSync(host(`arc-${format}/big`))));
    });

  test('an archive whose worker dies breaks off', async () => {
    fs.mkdirSync(host('torn'));
    const noise = Buffer.alloc(64 << 20);
    for (let i = 0; i < noise.length; i += 4) noise.writeUInt32LE(Math.imul(i, 2654435761) >>> 0, i);
    fs.writeFileSync(host('torn/noise'), noise);
    const token = await daemon().session();
    const request = http.get({ host: '127.0.0.1', port: daemon().port, path: at('archive', { path: 'torn' }), headers: { Authorization: `Bearer ${token}` } });
    const [answer] = (await once(request, 'response')) as [http.IncomingMessage];
    await once(answer, 'readable'); // some of it has come, and no more is read
    for (const one of workers()) process.kill(one.pid, 'SIGKILL');
    answer.on('data', () => undefined);
    await assert.rejects(once(answer, 'end'));
    assert.ok(!answer.complete, 'it looks whole');
  });
});

describe('a killed files worker', () => {
  test('what it was at is refused or done, what waited behind that is done whole, and the next one serves', async () => {
    const names = ['kill/a', 'kill/b', 'kill/c', 'kill/d'];
    for (const name of names) put(name, '');
    const client = await open();
    const outcome = (call: Promise<unknown>) => call.then(() => 'done', (error: unknown) => (error as { code?: string }).code ?? String(error));
    let killed = 0;
    for (let round = 0; round < 30; ++round) {
      const content = `${round}\n`.repeat(50_000);
      const before = names.map((name) => fs.readFileSync(host(name), 'utf8'));
      const writes = names.map((name) => outcome(client.call('files.write', { path: name, content })));
      const read = outcome(client.call('files.read', { path: 'kill/a' }));
      if (round % 3 > 0) await client.call('ping'); // it has all of them
      for (const one of workers()) process.kill(one.pid, 'SIGKILL');
      for (const [i, write] of writes.entries()) {
        const how = await write;
        const now = fs.readFileSync(host(names[i] ?? ''), 'utf8');
        if (how === 'done') assert.ok(now === content, `round ${round}: ${names[i]} was written and has ${now.length} bytes`);
        else assert.ok(how === 'worker_died' && (now === content || now === before[i]), `round ${round}: ${names[i]}: ${how}, ${now.length} bytes`);
        if (how !== 'done') ++killed;
      }
      assert.match(await read, /^(done|worker_died)$/);
      // A kill takes its time: the worker may have begun this one too.
      await until('the next worker', async () => (await outcome(client.call('files.stat', { path: 'kill/a' }))) === 'done');
    }
    assert.ok(killed > 0, 'no kill came at the right moment');
    assert.ok(isAlive(daemon().broker()));
    await client.close();
  });
});
