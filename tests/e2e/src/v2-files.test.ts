// Files over REST as docs/protocol-v2.md promises them: each operation, its limits, hostile names, conditions.
import assert from 'node:assert/strict';
import { once } from 'node:events';
import fs from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { after, afterEach, before, beforeEach, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { isAlive, type Process } from './processes.js';
import { expectOk, expectProblem, json, raw, request, type Answer } from './rest.js';
import { until } from './wait.js';

const daemon = sharedDaemon({ before, after }, {}, async (started) => {
  await started.session();
});

let broker: Process;
beforeEach(() => {
  broker = daemon().broker();
});
afterEach(() => assert.ok(isAlive(broker), 'the broker died of this test'));

type Fields = Record<string, string | number | boolean>;

const segment = '/v2/segments/Alpha';
const at = (operation: string, query: Fields = {}) =>
  `${segment}/${operation}?${new URLSearchParams(Object.entries(query).map(([k, v]): [string, string] => [k, String(v)])).toString()}`;
const get = async (operation: string, query: Fields = {}) => daemon().send('GET', at(`files/${operation}`, query));
const post = async (operation: string, body: unknown) => daemon().send('POST', `${segment}/files/${operation}`, body);
const host = (name: string) => path.join(daemon().path('Alpha'), name);

async function authorized(headers: Record<string, string> = {}): Promise<Record<string, string>> {
  return { Authorization: `Bearer ${await daemon().session()}`, ...headers };
}

// A request whose body is bytes.
async function bytes(method: string, where: string, body: Buffer | string, headers: Record<string, string> = {}): Promise<Answer> {
  return request({ port: daemon().port, method, path: where, body, headers: await authorized(headers), ms: 60_000 });
}

async function download(name: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> {
  return request({ port: daemon().port, method, path: at('files/content', { path: name }), headers: await authorized(headers) });
}

const further = (answer: Answer) => JSON.parse(answer.text) as Record<string, unknown>;

describe('every request', () => {
  test('needs a token, whatever the operation', async () => {
    for (const operation of ['stat', 'read', 'content', 'list', 'find', 'archive'])
      expectProblem(await daemon().send('GET', at(`files/${operation}`, { path: 'a' }), undefined, null), 401, 'unauthorized');
    expectProblem(await daemon().send('POST', `${segment}/files/write`, {}, null), 401, 'unauthorized');
  });

  test('unknown segments, routes and methods', async () => {
    expectProblem(await daemon().send('GET', '/v2/segments/None/files/stat?path=a'), 404, 'unknown_segment');
    expectProblem(await daemon().send('GET', '/v2/segments/Alpha/files/nothing'), 404, 'not_found');
    expectProblem(await daemon().send('GET', '/v2/segments//files/stat?path=a'), 404, 'not_found');
    const answer = await daemon().send('DELETE', `${segment}/files/content`);
    expectProblem(answer, 405, 'method_not_allowed');
    assert.equal(answer.headers['allow'], 'GET, HEAD, PUT');
  });

  test('fields that are unknown, missing, doubled or of a wrong type are refused', async () => {
    fs.writeFileSync(host('fields.txt'), 'x');
    expectProblem(await get('stat', { path: 'fields.txt', flow: true }), 422, 'unknown_field');
    expectProblem(await post('write', { path: 'a', content: '', if_versoin: '' }), 422, 'unknown_field');
    expectProblem(await get('stat'), 422, 'invalid_field');
    expectProblem(await daemon().send('GET', `${segment}/files/stat?path=a&path=b`), 422, 'invalid_field');
    expectProblem(await daemon().send('GET', `${segment}/files/stat?path=a&path_bytes=YQ==`), 422, 'invalid_field');
    expectProblem(await get('stat', { path: 'fields.txt', follow: 'yes' }), 422, 'invalid_field');
    expectProblem(await get('read', { path: 'fields.txt', offset: -1 }), 422, 'invalid_field');
    expectProblem(await post('write', { path: 1, content: '' }), 422, 'invalid_field');
    expectProblem(await post('write', { path: 'a', content: null }), 422, 'invalid_field');
    expectProblem(await daemon().send('POST', at('files/write', { path: 'a' }), { path: 'a', content: '' }), 422, 'unknown_field');
    expectProblem(await daemon().send('GET', `${segment}/files/stat?path=%zz`), 422, 'invalid_field');
    expectProblem(await daemon().send('GET', `${segment}/files/stat?path=a%00b`), 422, 'invalid_field');
    expectProblem(await daemon().send('GET', `/v2/segments/Al%00pha/files/stat?path=a`), 422, 'invalid_field');
    expectProblem(await post('write', { path: 'a\0b', content: '' }), 422, 'invalid_field');
    expectProblem(await post('write', '{"path":'), 400, 'malformed_json');
    expectProblem(await get('stat', { path: 'a/'.repeat(2049) }), 414, 'name_too_long');
  });

  test('a segment is named as it is encoded', async () => {
    fs.writeFileSync(host('named.txt'), 'x');
    expectOk(await daemon().send('GET', '/v2/segments/%41lpha/files/stat?path=named.txt'));
  });
});

describe('segments', () => {
  test('segments.list and segments.create', async () => {
    const listed = expectOk(await daemon().send('GET', '/v2/segments'));
    const all = listed['segments'] as { name: string; path: string; source: string }[];
    assert.deepEqual(all.find((one) => one.name === 'Alpha'), { name: 'Alpha', path: daemon().path('Alpha'), source: 'path' });
    const roots = listed['roots'] as string[];
    const made = expectOk(await daemon().send('POST', '/v2/segments', { name: 'Made', root: roots[0] }));
    assert.equal(made['name'], 'Made');
    expectProblem(await daemon().send('POST', '/v2/segments', { name: 'Made', root: roots[0] }), 409, 'exists');
    expectProblem(await daemon().send('POST', '/v2/segments', { name: 'Other', root: '/nowhere' }), 404, 'unknown_root');
    expectProblem(await daemon().send('POST', '/v2/segments', { name: '../x', root: roots[0] }), 422, 'invalid_name');
  });
});

describe('looking', () => {
  test('files.stat tells the facts', async () => {
    fs.writeFileSync(host('stat.txt'), 'four', { mode: 0o640 });
    fs.chmodSync(host('stat.txt'), 0o640);
    const facts = expectOk(await get('stat', { path: 'stat.txt' }));
    const about = fs.statSync(host('stat.txt'), { bigint: true });
    assert.deepEqual(
      { ...facts, version: typeof facts['version'] },
      { path: 'stat.txt', kind: 'file', size: 4, mode: 0o640, modified_ns: about.mtimeNs.toString(), version: 'string' },
    );
    fs.symlinkSync('stat.txt', host('stat-link'));
    assert.equal(expectOk(await get('stat', { path: 'stat-link' }))['kind'], 'file');
    const link = expectOk(await get('stat', { path: 'stat-link', follow: false }));
    assert.deepEqual([link['kind'], link['target'], link['version']], ['symlink', 'stat.txt', null]);
    expectProblem(await get('stat', { path: 'nothing' }), 404, 'file_not_found');
    for (const outside of ['../toren.toml', '/etc/passwd']) expectProblem(await get('stat', { path: outside }), 403, 'path_outside_segment');
  });

  test('files.read: whole, by bytes, by lines', async () => {
    fs.writeFileSync(host('read.txt'), 'one\ntwo\nthree\n');
    const whole = expectOk(await get('read', { path: 'read.txt' }));
    assert.deepEqual(
      { ...whole, version: typeof whole['version'] },
      { content: 'one\ntwo\nthree\n', encoding: 'utf-8', version: 'string', size: 14, offset: 0, bytes: 14, more: false },
    );
    const some = expectOk(await get('read', { path: 'read.txt', offset: 4, bytes: 3 }));
    assert.deepEqual([some['content'], some['offset'], some['bytes'], some['more']], ['two', 4, 3, true]);
    const line = expectOk(await get('read', { path: 'read.txt', from_line: 2, lines: 1 }));
    assert.deepEqual([line['content'], line['from_line'], line['lines'], line['more']], ['two\n', 2, 1, true]);
    const past = expectOk(await get('read', { path: 'read.txt', offset: 100 }));
    assert.deepEqual([past['content'], past['bytes'], past['more']], ['', 0, false]);
    expectProblem(await get('read', { path: 'read.txt', offset: 1, lines: 1 }), 422, 'invalid_field');
    expectProblem(await get('read', { path: '.' }), 409, 'is_folder');
  });

  test('files.read: bytes that are no UTF-8', async () => {
    fs.writeFileSync(host('bytes.bin'), Buffer.from([0xff, 0x00, 0x41]));
    const read = expectOk(await get('read', { path: 'bytes.bin' }));
    assert.deepEqual([read['encoding'], read['content']], ['base64', '/wBB']);
    expectProblem(await get('read', { path: 'bytes.bin', encoding: 'utf-8' }), 422, 'not_utf8');
    const text = expectOk(await get('read', { path: 'read.txt', encoding: 'base64' }));
    assert.equal(Buffer.from(String(text['content']), 'base64').toString(), 'one\ntwo\nthree\n');
    expectProblem(await get('read', { path: 'read.txt', encoding: 'latin1' }), 422, 'invalid_field');
  });

  test('names that are no UTF-8 go in and come out as bytes', async () => {
    const name = Buffer.concat([Buffer.from(daemon().path('Alpha') + '/names/'), Buffer.from([0x61, 0xff])]);
    fs.mkdirSync(host('names'));
    fs.writeFileSync(name, 'odd');
    const bytesOf = Buffer.from([...Buffer.from('names/a'), 0xff]).toString('base64');
    const listed = expectOk(await get('list', { path: 'names' }))['entries'] as Record<string, unknown>[];
    assert.deepEqual([listed[0]?.['path'], listed[0]?.['path_bytes']], ['names/a\ufffd', bytesOf]);
    for (const query of [`path=names/a%FF`, `path_bytes=${encodeURIComponent(bytesOf)}`]) {
      const read = expectOk(await daemon().send('GET', `${segment}/files/read?${query}`));
      assert.equal(read['content'], 'odd');
    }
    expectOk(await post('write', { path_bytes: bytesOf, content: 'new' }));
    assert.equal(fs.readFileSync(name, 'utf8'), 'new');
    expectProblem(await post('write', { path_bytes: '***', content: '' }), 422, 'invalid_field');
  });

  test('files.list: order, pages, depth, and cursors that nobody gave', async () => {
    fs.mkdirSync(host('list/b/c'), { recursive: true });
    for (const name of ['a', 'z', 'b/1', 'b/c/2']) fs.writeFileSync(host(`list/${name}`), '');
    const paths = (answer: Answer) => (expectOk(answer)['entries'] as { path: string }[]).map((entry) => entry.path);
    assert.deepEqual(paths(await get('list', { path: 'list' })), ['list/a', 'list/b', 'list/z']);
    const all = ['list/a', 'list/b', 'list/b/1', 'list/b/c', 'list/b/c/2', 'list/z'];
    assert.deepEqual(paths(await get('list', { path: 'list', recursive: true })), all);
    assert.deepEqual(paths(await get('list', { path: './list/', recursive: true, depth: 1 })), ['list/a', 'list/b', 'list/z']);
    for (const recursive of [true, false]) {
      const seen: string[] = [];
      for (let cursor: string | null = ''; cursor !== null; ) {
        const page = await get('list', { path: 'list', recursive, limit: 1, ...(cursor === '' ? {} : { cursor }) });
        seen.push(...paths(page));
        cursor = json(page)['cursor'] as string | null;
      }
      assert.deepEqual(seen, recursive ? all : ['list/a', 'list/b', 'list/z']);
    }
    expectProblem(await get('list', { path: 'list', cursor: '***' }), 422, 'invalid_cursor');
    expectProblem(await get('list', { path: 'list', limit: 0 }), 422, 'invalid_field');
    expectProblem(await get('list', { path: 'list', limit: 10_001 }), 422, 'invalid_field');
    expectProblem(await get('list', { path: 'list/a' }), 409, 'not_folder');
  });
});

describe('changing', () => {
  test('files.write: whole, with parents, with a mode, with a condition', async () => {
    const made = expectOk(await post('write', { path: 'w/x/new.txt', content: 'eins', create_parents: true, mode: 0o600 }));
    assert.deepEqual([made['kind'], made['size'], made['mode']], ['file', 4, 0o600]);
    assert.equal(fs.readFileSync(host('w/x/new.txt'), 'utf8'), 'eins');
    expectProblem(await post('write', { path: 'w/none/new.txt', content: '' }), 404, 'file_not_found');
    const again = expectOk(await post('write', { path: 'w/x/new.txt', content: '/wA=', encoding: 'base64', if_version: made['version'] }));
    assert.deepEqual(fs.readFileSync(host('w/x/new.txt')), Buffer.from([0xff, 0]));
    assert.equal(again['mode'], 0o600, 'the mode of a file that is there is kept');
    const refused = await post('write', { path: 'w/x/new.txt', content: 'zwei', if_version: made['version'] });
    expectProblem(refused, 412, 'changed');
    assert.equal(further(refused)['version'], again['version']);
    expectProblem(await post('write', { path: 'w/x/new.txt', content: 'zwei', if_version: '' }), 412, 'changed');
    const gone = await post('write', { path: 'w/x/gone.txt', content: 'zwei', if_version: 'x' });
    expectProblem(gone, 412, 'changed');
    assert.equal(further(gone)['version'], null);
    expectProblem(await post('write', { path: 'w/x/new.txt', content: '', mode: 0o4755 }), 422, 'invalid_field');
    expectProblem(await post('write', { path: 'w', content: '' }), 409, 'is_folder');
    expectProblem(await post('write', { path: '../out.txt', content: '' }), 403, 'path_outside_segment');
  });

  test('of two writers with the same tag one is refused', async () => {
    fs.writeFileSync(host('race.txt'), '0');
    for (let round = 0; round < 5; ++round) {
      const { version } = expectOk(await get('stat', { path: 'race.txt' }));
      const answers = await Promise.all([
        ...[1, 2, 3].map(async (n) => post('write', { path: 'race.txt', content: `${round} ${n}`, if_version: version })),
        bytes('PUT', at('files/content', { path: 'race.txt' }), `put ${round}`, { 'If-Match': `"${String(version)}"` }),
      ]);
      assert.equal(answers.filter((answer) => answer.status === 200).length, 1, answers.map((a) => a.text).join('\n'));
    }
  });

  test('files.append, mkdir, symlink, move, copy, delete', async () => {
    expectProblem(await post('append', { path: 'log', content: 'a' }), 404, 'file_not_found');
    expectOk(await post('append', { path: 'log', content: 'a', create: true }));
    assert.equal(expectOk(await post('append', { path: 'log', content: 'b' }))['size'], 2);
    assert.equal(expectOk(await post('mkdir', { path: 'd' }))['kind'], 'folder');
    expectProblem(await post('mkdir', { path: 'd' }), 409, 'exists');
    expectOk(await post('mkdir', { path: 'd/e/f', parents: true }));
    const link = expectOk(await post('symlink', { path: 'd/link', target: '../log' }));
    assert.deepEqual([link['kind'], link['target']], ['symlink', '../log']);
    expectProblem(await post('symlink', { path: 'd/bad', target: '../../../etc' }), 403, 'path_outside_segment');
    expectOk(await post('move', { from: 'log', to: 'd/log' }));
    expectProblem(await post('move', { from: 'd/log', to: 'd/e' }), 409, 'exists', 'is_folder');
    const copied = expectOk(await post('copy', { from: 'd', to: 'd2', recursive: true }));
    assert.equal(copied['skipped'], 0);
    assert.equal(fs.readFileSync(host('d2/log'), 'utf8'), 'ab');
    expectProblem(await post('delete', { path: 'd2' }), 409, 'not_empty');
    assert.deepEqual(expectOk(await post('delete', { path: 'd2', recursive: true })), { deleted: 5 });
    assert.ok(!fs.existsSync(host('d2')));
  });

  test('a thousand writers and readers at once', async () => {
    await Promise.all(
      Array.from({ length: 100 }, async (_, n) => {
        expectOk(await post('write', { path: `many/${n % 10}`, content: String(n), create_parents: true }));
        assert.equal(Number(expectOk(await get('read', { path: `many/${n % 10}` }))['content']) % 10, n % 10);
      }),
    );
  });
});

describe('editing and finding', () => {
  test('files.edit: exact edits and diffs, all of it or nothing', async () => {
    fs.writeFileSync(host('edit.txt'), 'one\ntwo\ntwo\n');
    const edited = expectOk(await post('edit', { path: 'edit.txt', edits: [{ old: 'one', new: '1' }, { old: 'two', new: '2', all: true }] }));
    assert.equal(fs.readFileSync(host('edit.txt'), 'utf8'), '1\n2\n2\n');
    assert.match(String(edited['diff']), /^-one$/m);
    const many = await post('edit', { path: 'edit.txt', edits: [{ old: '1', new: 'x' }, { old: '2', new: '3' }] });
    expectProblem(many, 409, 'ambiguous_match');
    assert.deepEqual([further(many)['edit'], further(many)['matches']], [1, 2]);
    const none = await post('edit', { path: 'edit.txt', edits: [{ old: 'absent', new: 'x' }] });
    expectProblem(none, 409, 'no_match');
    assert.deepEqual([further(none)['edit'], further(none)['matches']], [0, 0]);
    const diff = '--- a/edit.txt\n+++ b/edit.txt\n@@ -1,3 +1,3 @@\n-1\n+eins\n 2\n 2\n';
    expectOk(await post('edit', { path: 'edit.txt', diff }));
    assert.equal(fs.readFileSync(host('edit.txt'), 'utf8'), 'eins\n2\n2\n');
    const again = await post('edit', { path: 'edit.txt', diff });
    expectProblem(again, 409, 'no_match');
    assert.equal(further(again)['hunk'], 0);
    expectProblem(await post('edit', { path: 'edit.txt', diff: 'nonsense' }), 422, 'malformed_diff');
    for (const wrong of [{}, { edits: [] }, { edits: [{ old: '', new: 'x' }] }, { edits: [{ old: 'a' }] }, { edits: [], diff: '' }])
      expectProblem(await post('edit', { path: 'edit.txt', ...wrong }), 422, 'invalid_field');
    expectProblem(await post('edit', { path: 'edit.txt', edits: [{ old: 'a', new: 'b', al: true }] }), 422, 'unknown_field');
  });

  test('files.find', async () => {
    fs.mkdirSync(host('find/sub'), { recursive: true });
    for (const name of ['a.c', 'b.h', 'sub/c.c']) fs.writeFileSync(host(`find/${name}`), '');
    const found = expectOk(await get('find', { glob: '*.c', path: 'find' }))['entries'] as { path: string }[];
    assert.deepEqual(found.map((entry) => entry.path), ['find/a.c', 'find/sub/c.c']);
    expectProblem(await get('find', { glob: '', path: 'find' }), 422, 'invalid_pattern');
    expectProblem(await get('find', { glob: '[', path: 'find' }), 422, 'invalid_pattern');
  });
});

describe('content', () => {
  const large = Buffer.alloc(300_000, 'abcdefghij');

  test('files.download: small and large, HEAD, names', async () => {
    fs.writeFileSync(host('small "q" ü.txt'), 'small');
    fs.writeFileSync(host('large.bin'), large);
    const small = await download('small "q" ü.txt');
    assert.equal(small.text, 'small');
    assert.equal(small.headers['content-type'], 'application/octet-stream');
    assert.equal(
      small.headers['content-disposition'],
      `attachment; filename="small _q_ __.txt"; filename*=UTF-8''small%20%22q%22%20%C3%BC.txt`,
    );
    const { version } = expectOk(await get('stat', { path: 'large.bin' }));
    for (const method of ['GET', 'HEAD']) {
      const answer = await download('large.bin', {}, method);
      assert.equal(answer.status, 200);
      assert.equal(answer.headers['content-length'], '300000');
      assert.equal(answer.headers['etag'], `"${String(version)}"`);
      assert.equal(answer.headers['accept-ranges'], 'bytes');
      assert.equal(Date.parse(answer.headers['last-modified'] ?? ''), Math.floor(fs.statSync(host('large.bin')).mtimeMs / 1000) * 1000);
      assert.equal(answer.text.length, method === 'GET' ? 300_000 : 0);
      if (method === 'GET') assert.ok(answer.text === large.toString());
    }
    fs.writeFileSync(host('empty'), '');
    assert.deepEqual([(await download('empty')).status, (await download('empty')).text], [200, '']);
    expectProblem(await download('.'), 409, 'is_folder');
    expectProblem(await download('nothing'), 404, 'file_not_found');
    assert.equal((await download('nothing', {}, 'HEAD')).status, 404);
  });

  test('ranges', async () => {
    fs.writeFileSync(host('small.txt'), '0123456789');
    fs.writeFileSync(host('ranges.bin'), large);
    const ranges: [string, string, string, string][] = [
      ['small.txt', 'bytes=2-4', '234', 'bytes 2-4/10'],
      ['small.txt', 'bytes=8-', '89', 'bytes 8-9/10'],
      ['small.txt', 'bytes=-3', '789', 'bytes 7-9/10'],
      ['small.txt', 'bytes=5-999', '56789', 'bytes 5-9/10'],
      ['ranges.bin', 'bytes=100001-100003', 'bcd', 'bytes 100001-100003/300000'],
      ['ranges.bin', 'bytes=-2', 'ij', 'bytes 299998-299999/300000'],
    ];
    for (const [name, range, text, content] of ranges) {
      const answer = await download(name, { Range: range });
      assert.deepEqual([answer.status, answer.text, answer.headers['content-range']], [206, text, content], range);
    }
    for (const range of ['bytes=0-1,3-4', 'lines=1-2', 'bytes=4-2', 'bytes=x-'])
      assert.equal((await download('small.txt', { Range: range })).status, 200, range);
    for (const range of ['bytes=10-', 'bytes=-0']) {
      const answer = await download('small.txt', { Range: range });
      expectProblem(answer, 416, 'range_not_satisfiable');
      assert.equal(answer.headers['content-range'], 'bytes */10');
    }
    const etag = String((await download('small.txt')).headers['etag']);
    const modified = String((await download('small.txt')).headers['last-modified']);
    for (const same of [etag, modified]) assert.equal((await download('small.txt', { Range: 'bytes=1-1', 'If-Range': same })).text, '1');
    for (const other of ['"other"', `W/${etag}`, 'Thu, 01 Jan 1970 00:00:00 GMT'])
      assert.equal((await download('small.txt', { Range: 'bytes=1-1', 'If-Range': other })).status, 200);
  });

  test('conditions', async () => {
    fs.writeFileSync(host('cond.txt'), 'x');
    const etag = String((await download('cond.txt')).headers['etag']);
    for (const same of [etag, `W/${etag}`, `"other", ${etag}`, '*']) {
      const answer = await download('cond.txt', { 'If-None-Match': same });
      assert.deepEqual([answer.status, answer.text, answer.headers['etag']], [304, '', etag], same);
    }
    assert.equal((await download('cond.txt', { 'If-None-Match': '"other"' })).status, 200);
    assert.equal((await download('cond.txt', { 'If-Match': etag })).status, 200);
    for (const other of ['"other"', `W/${etag}`]) expectProblem(await download('cond.txt', { 'If-Match': other }), 412, 'changed');
  });

  test('files.upload: any size, conditions by header, and the same connection goes on', async () => {
    const content = Buffer.alloc(9_000_000, 'upload');
    const where = at('files/content', { path: 'up/new.bin', create_parents: true, mode: 0o640 });
    const made = expectOk(await bytes('PUT', where, content));
    assert.deepEqual([made['size'], made['mode']], [content.length, 0o640]);
    assert.ok(fs.readFileSync(host('up/new.bin')).equals(content));
    const again = at('files/content', { path: 'up/new.bin' });
    expectProblem(await bytes('PUT', again, 'x', { 'If-None-Match': '*' }), 412, 'changed');
    expectProblem(await bytes('PUT', again, 'x', { 'If-Match': '"other"' }), 412, 'changed');
    expectProblem(await bytes('PUT', again, 'x', { 'If-Match': '*' }), 422, 'invalid_field');
    assert.equal(expectOk(await bytes('PUT', again, 'x', { 'If-Match': `"${String(made['version'])}"` }))['size'], 1);
    assert.equal(expectOk(await bytes('PUT', again, '', { 'Content-Length': '0' }))['size'], 0);
    expectProblem(await bytes('PUT', at('files/content', { path: 'up' }), 'x'), 409, 'is_folder');
    const token = await daemon().session();
    const put = `PUT ${again} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n4\r\ndefg\r\n0\r\n\r\n`;
    const both = await raw(daemon().port, put + put, { enough: (text) => text.split('HTTP/1.1 200').length === 3 });
    assert.equal(both.text.split('HTTP/1.1 200').length, 3, both.text);
    assert.equal(fs.readFileSync(host('up/new.bin'), 'utf8'), 'abcdefg');
  });

  test('an upload that breaks off leaves nothing', async () => {
    fs.mkdirSync(host('broken'));
    const token = await daemon().session();
    const socket = net.connect({ host: '127.0.0.1', port: daemon().port });
    socket.write(`PUT ${at('files/content', { path: 'broken/x' })} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 1000000\r\n\r\n`);
    socket.write(Buffer.alloc(200_000));
    await until('the upload to begin', () => fs.readdirSync(host('broken')).length > 0 || undefined);
    socket.destroy();
    await until('its temporary file to go', () => fs.readdirSync(host('broken')).length === 0 || undefined);
  });

  test('uploads: in parts, resumed, finished, aborted', async () => {
    const begun = expectOk(await daemon().send('POST', `${segment}/uploads`, { path: 'parts/file', create_parents: true }));
    assert.equal(begun['offset'], 0);
    const upload = String(begun['upload']);
    const here = (offset?: number) => at(`uploads/${upload}`, { path: 'parts/file', ...(offset === undefined ? {} : { offset }) });
    assert.equal(expectOk(await bytes('PATCH', here(0), 'hello '))['offset'], 6);
    const wrong = await bytes('PATCH', here(0), 'hello ');
    expectProblem(wrong, 409, 'wrong_offset');
    assert.equal(further(wrong)['offset'], 6);
    // The connection breaks: what has arrived stays.
    const token = await daemon().session();
    const socket = net.connect({ host: '127.0.0.1', port: daemon().port });
    await once(socket, 'connect');
    socket.write(`PATCH ${here(6)} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\nContent-Length: 100\r\n\r\nbig `);
    socket.end();
    const state = async () => expectOk(await daemon().send('GET', here()))['offset'];
    await until('what has arrived', async () => ((await state()) === 10 ? true : undefined));
    assert.equal(expectOk(await bytes('PATCH', here(10), 'world'))['offset'], 15);
    expectProblem(await daemon().send('POST', `${segment}/uploads/${upload}/finish`, { path: 'parts/file', size: 14 }), 409, 'wrong_offset');
    const facts = expectOk(await daemon().send('POST', `${segment}/uploads/${upload}/finish`, { path: 'parts/file', size: 15, if_version: '' }));
    assert.equal(facts['size'], 15);
    assert.equal(fs.readFileSync(host('parts/file'), 'utf8'), 'hello big world');
    expectProblem(await daemon().send('GET', here()), 404, 'unknown_upload');
    const second = String(expectOk(await daemon().send('POST', `${segment}/uploads`, { path: 'parts/other' }))['upload']);
    expectOk(await daemon().send('DELETE', at(`uploads/${second}`, { path: 'parts/other' })));
    assert.deepEqual(fs.readdirSync(host('parts')), ['file']);
    expectProblem(await daemon().send('GET', at('uploads/..%2f..%2fx', { path: 'parts/file' })), 404, 'unknown_upload');
  });

  test('a slow download holds up nobody, and a file made shorter ends its connection', async () => {
    fs.writeFileSync(host('slow.bin'), Buffer.alloc(64 << 20));
    const token = await daemon().session();
    const socket = net.connect({ host: '127.0.0.1', port: daemon().port });
    let received = 0;
    socket.write(`GET ${at('files/content', { path: 'slow.bin' })} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer ${token}\r\n\r\n`);
    await once(socket, 'readable'); // and nothing more is read for now
    for (let n = 0; n < 20; ++n) expectOk(await get('stat', { path: 'slow.bin' }));
    fs.truncateSync(host('slow.bin'), 1 << 20);
    socket.on('data', (part) => (received += part.length));
    socket.on('error', () => undefined);
    await once(socket, 'close');
    assert.ok(received < 64 << 20, `${received} bytes came`);
  });
});
