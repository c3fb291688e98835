// Reading, writing and listing one segment's files, and every way out of it that there must not be.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { expectOk, expectProblem, type Answer } from './rest.js';

const kSecret = 'a secret that no client of a segment may see';
let outside: string;
const daemon = sharedDaemon({ before, after }, { segments: ['Alpha', 'Beta', 'Alphabet'] }, (started) => {
  outside = path.join(started.folder, 'outside');
  fs.mkdirSync(outside);
  fs.writeFileSync(path.join(outside, 'secret.txt'), kSecret);
  started.write('Beta/secret.txt', kSecret);
});

const alpha = (...parts: string[]): string => daemon().path('Alpha', ...parts);
const read = (file: string, more: object = {}): Promise<Answer> => daemon().post('/api/fs/read', { path: file, ...more });
const write = (file: string, content: string, more: object = {}): Promise<Answer> =>
  daemon().post('/api/fs/write', { path: file, content, ...more });
const list = (file: string, more: object = {}): Promise<Answer> => daemon().post('/api/fs/list', { path: file, ...more });

interface Entry {
  path: string;
  is_dir: boolean;
  size: number;
  modified: number;
}
const entries = (answer: Answer): Entry[] => expectOk(answer)['entries'] as Entry[];
const names = (answer: Answer): string[] => entries(answer).map((entry) => path.basename(entry.path)).sort();

async function readText(file: string, more: object = {}): Promise<string> {
  return String(expectOk(await read(file, more))['content']);
}

describe('read', () => {
  test('gives back what is there, byte for byte', async () => {
    for (const text of ['', 'plain', 'no newline at the end', 'a\r\nb\n', 'tab\tnul\0esc\x1b[31m"quote"\\', 'ünï © 漢字 😀 \u2028', '\ufeffbom'])
      assert.equal(await readText(daemon().write('Alpha/text.txt', text)), text);
  });

  test('a relative path needs a segment where there are several; its name matches in any case', async () => {
    daemon().write('Alpha/rel.txt', 'relative');
    assert.equal(await readText('rel.txt', { segment: 'Alpha' }), 'relative');
    assert.equal(await readText('./rel.txt', { segment: 'ALPHA' }), 'relative');
    const answer = await read('rel.txt');
    assert.ok([400, 422].includes(answer.status), answer.text);
  });

  test('`..` that stays inside is a path like another', async () => {
    daemon().write('Alpha/sub/deep/file.txt', 'x');
    daemon().write('Alpha/top.txt', 'top');
    assert.equal(await readText(`${alpha()}/sub/deep/../../top.txt`), 'top');
    assert.equal(await readText(`${alpha()}//sub/./deep//file.txt`), 'x');
  });

  test('a symbolic link inside the segment is followed', async () => {
    daemon().write('Alpha/target.txt', 'linked');
    fs.symlinkSync('target.txt', alpha('link.txt'));
    assert.equal(await readText(alpha('link.txt')), 'linked');
  });

  test('each thing that is no readable text file has its error', async () => {
    fs.mkdirSync(alpha('folder'));
    daemon().write('Alpha/binary', Buffer.from([0x66, 0xff, 0x66]));
    daemon().write('Alpha/latin1', Buffer.from('caf\xe9', 'latin1'));
    daemon().write('Alpha/surrogate', Buffer.from([0xed, 0xa0, 0x80]));
    daemon().write('Alpha/cut', Buffer.from([0x61, 0xe2, 0x82]));
    daemon().write('Alpha/plain', 'x');
    fs.chmodSync(daemon().write('Alpha/closed', 'x'), 0);
    execFileSync('mkfifo', [alpha('fifo')]);
    fs.symlinkSync('loop-b', alpha('loop-a'));
    fs.symlinkSync('loop-a', alpha('loop-b'));
    fs.writeFileSync(alpha('huge'), '');
    fs.truncateSync(alpha('huge'), 16 * 1024 * 1024 + 1);
    const cases: [string, string][] = [
      ['missing', 'file_not_found'],
      ['no/folder/either', 'file_not_found'],
      ['folder', 'is_folder'],
      ['.', 'is_folder'],
      ['binary', 'not_utf8'],
      ['latin1', 'not_utf8'],
      ['surrogate', 'not_utf8'],
      ['cut', 'not_utf8'],
      ['plain/below', 'not_folder'],
      ['closed', 'permission_denied'],
      ['fifo', 'not_regular_file'],
      ['huge', 'file_too_large'],
    ];
    for (const [name, code] of cases) {
      const detail = expectProblem(await read(`${alpha()}/${name}`), 400, code);
      assert.ok(detail.includes(name === '.' ? '.' : name), `the detail names the file: ${detail}`);
    }
    assert.equal((await read(alpha('loop-a'))).status, 400);
  });

  test('a path that no file can have is refused and harms nothing', async () => {
    daemon().write('Alpha/nul.txt', 'not this one');
    const nul = await read(`${alpha('nul.txt')}\0/../x`);
    assert.ok([400, 422].includes(nul.status), 'a NUL cuts the path short');
    for (const name of ['x'.repeat(256), 'x/'.repeat(3000), 'x'.repeat(100_000)])
      assert.ok((await read(alpha(name))).status >= 400);
    assert.ok((await read('')).status >= 400);
    assert.equal(await readText(alpha('nul.txt')), 'not this one');
  });

  test('FileRead over the WebSocket gives the same content and the same errors', async () => {
    daemon().write('Alpha/text.txt', 'over the socket');
    const wire = await daemon().open();
    wire.send({ type: 'FileRead', requestId: 'a', path: alpha('text.txt') });
    assert.equal((await wire.takeType('FileContent', 'a')).content, 'over the socket');
    wire.send({ type: 'FileRead', requestId: 'b', path: 'text.txt' });
    assert.equal((await wire.takeType('FileContent', 'b')).content, 'over the socket');
    for (const [file, code] of [
      [alpha('missing'), 'file_not_found'],
      [path.join(outside, 'secret.txt'), 'path_outside_segment'],
      ['../Beta/secret.txt', 'path_outside_segment'],
    ]) {
      wire.send({ type: 'FileRead', requestId: 'c', path: file });
      assert.equal((await wire.takeType('Error', 'c')).code, code);
    }
    await wire.close();
  });
});

describe('write (invariant 6)', () => {
  test('writes what it was given and creates the folders above', async () => {
    for (const content of ['', 'text', 'a\r\nb', 'nul\0', '漢字 😀', 'x'.repeat(300_000)]) {
      assert.deepEqual(expectOk(await write(alpha('new/deep/er/file.txt'), content)), { success: true });
      assert.equal(daemon().read('Alpha/new/deep/er/file.txt'), content);
    }
    expectOk(await write('also/relative.txt', 'y', { segment: 'Alpha' }));
    assert.equal(daemon().read('Alpha/also/relative.txt'), 'y');
  });

  test('names with spaces, quotes, newlines and dashes are names', async () => {
    for (const name of ['with space', '-rf', '"quoted"', "it's", '$(touch pwned)', 'new\nline', 'ünï', '*', '...']) {
      expectOk(await write(`${alpha()}/${name}`, name));
      assert.equal(fs.readFileSync(alpha(name), 'utf8'), name);
      assert.equal(await readText(`${alpha()}/${name}`), name);
    }
    assert.ok(!fs.existsSync(alpha('pwned')));
  });

  test('replaces a file as a whole: who has it open keeps the old one, and nothing else appears', async () => {
    fs.mkdirSync(alpha('atomic'));
    daemon().write('Alpha/atomic/file.txt', 'the old content');
    const held = fs.openSync(alpha('atomic/file.txt'), 'r');
    try {
      expectOk(await write(alpha('atomic/file.txt'), 'new'));
      assert.equal(fs.readFileSync(held, 'utf8'), 'the old content', 'the file was written in place');
    } finally {
      fs.closeSync(held);
    }
    assert.equal(daemon().read('Alpha/atomic/file.txt'), 'new');
    assert.deepEqual(fs.readdirSync(alpha('atomic')), ['file.txt']);
  });

  test('keeps the mode of the file that it replaces', async () => {
    for (const mode of [0o755, 0o640, 0o600, 0o444]) {
      const file = daemon().write(`Alpha/mode-${mode}`, 'old');
      fs.chmodSync(file, mode);
      expectOk(await write(file, 'new'));
      assert.equal(fs.statSync(file).mode & 0o7777, mode);
    }
  });

  test('many at once, to many files and to one, are each complete', async () => {
    const texts = Array.from({ length: 30 }, (_, nth) => String.fromCharCode(97 + (nth % 26)).repeat(70_000));
    for (const answer of await Promise.all(texts.map((text, nth) => write(alpha(`many/${nth}`), text)))) expectOk(answer);
    texts.forEach((text, nth) => assert.equal(daemon().read(`Alpha/many/${nth}`), text));
    for (const answer of await Promise.all(texts.map((text) => write(alpha('many/one'), text)))) expectOk(answer);
    assert.ok(texts.includes(daemon().read('Alpha/many/one')));
    assert.equal(fs.readdirSync(alpha('many')).length, texts.length + 1);
  });

  test('writes through a link inside the segment, which stays a link', async () => {
    daemon().write('Alpha/real.txt', 'old');
    fs.symlinkSync('real.txt', alpha('to-real'));
    expectOk(await write(alpha('to-real'), 'new'));
    assert.ok(fs.lstatSync(alpha('to-real')).isSymbolicLink());
    assert.equal(daemon().read('Alpha/real.txt'), 'new');
  });

  test('refuses what is no regular file, and leaves it and its folder as they were', async () => {
    fs.mkdirSync(alpha('refuse/folder'), { recursive: true });
    daemon().write('Alpha/refuse/plain', 'x');
    execFileSync('mkfifo', [alpha('refuse/fifo')]);
    const before = fs.readdirSync(alpha('refuse')).sort();
    expectProblem(await write(alpha('refuse/folder'), 'y'), 400, 'is_folder');
    expectProblem(await write(`${alpha()}/refuse/folder/`, 'y'), 400, 'is_folder');
    expectProblem(await write(alpha(), 'y'), 400, 'is_folder');
    expectProblem(await write(alpha('refuse/plain/below'), 'y'), 400, 'not_folder');
    expectProblem(await write(alpha('refuse/fifo'), 'y'), 400, 'not_regular_file', 'permission_denied');
    assert.deepEqual(fs.readdirSync(alpha('refuse')).sort(), before);
    assert.ok(fs.lstatSync(alpha('refuse/fifo')).isFIFO());
  });

  test('a folder that cannot be written is an error', async () => {
    fs.mkdirSync(alpha('locked'));
    fs.chmodSync(alpha('locked'), 0o500);
    try {
      expectProblem(await write(alpha('locked/file'), 'y'), 400, 'permission_denied');
      expectProblem(await write(alpha('locked/new/file'), 'y'), 400, 'permission_denied');
    } finally {
      fs.chmodSync(alpha('locked'), 0o700);
    }
    assert.deepEqual(fs.readdirSync(alpha('locked')), []);
  });
});

describe('list', () => {
  test('tells kind, size and time of each entry, hidden ones included, and not what links lead to', async () => {
    fs.mkdirSync(alpha('listed/sub'), { recursive: true });
    daemon().write('Alpha/listed/file.txt', '12345');
    daemon().write('Alpha/listed/.hidden', '');
    fs.symlinkSync('sub', alpha('listed/link'));
    fs.symlinkSync('/etc', alpha('listed/out'));
    fs.symlinkSync('nowhere', alpha('listed/dangling'));
    fs.utimesSync(alpha('listed/file.txt'), 1_700_000_000, 1_700_000_000);
    const body = expectOk(await list(alpha('listed')));
    assert.equal(body['path'], alpha('listed'));
    const found = new Map((body['entries'] as Entry[]).map((entry) => [path.basename(entry.path), entry]));
    assert.deepEqual([...found.keys()].sort(), ['.hidden', 'dangling', 'file.txt', 'link', 'out', 'sub']);
    assert.deepEqual(found.get('file.txt'), {
      path: alpha('listed/file.txt'),
      is_dir: false,
      size: 5,
      modified: 1_700_000_000,
    });
    assert.deepEqual(
      [...found.values()].filter((entry) => entry.is_dir).map((entry) => entry.path),
      [alpha('listed/sub')],
    );
  });

  test('a file from before 1970 has a negative time (legacy flaw 12)', async () => {
    fs.mkdirSync(alpha('old'));
    daemon().write('Alpha/old/file', 'x');
    execFileSync('touch', ['-d', '@-1000', alpha('old/file')]); // node's own utimes takes no negative time
    assert.equal(entries(await list(alpha('old')))[0]?.modified, -1000);
  });

  test('a name that is not UTF-8 arrives marked, and the answer is valid', async () => {
    fs.mkdirSync(alpha('bytes'));
    fs.writeFileSync(Buffer.concat([Buffer.from(`${alpha('bytes')}/caf`), Buffer.from([0xe9])]), 'x');
    assert.deepEqual(names(await list(alpha('bytes'))), ['caf\ufffd']);
  });

  test('an empty folder, the segment itself and a folder behind a link', async () => {
    fs.mkdirSync(alpha('empty'));
    assert.deepEqual(names(await list(alpha('empty'))), []);
    assert.ok(names(await list(alpha())).includes('empty'));
    assert.ok(names(await list('.', { segment: 'Alpha' })).includes('empty'));
    fs.symlinkSync('empty', alpha('to-empty'));
    assert.deepEqual(names(await list(alpha('to-empty'))), []);
  });

  test('a folder with many entries is listed whole', async () => {
    fs.mkdirSync(alpha('crowd'));
    const expected = Array.from({ length: 5000 }, (_, nth) => `entry-${String(nth).padStart(5, '0')}-${'x'.repeat(80)}`);
    for (const name of expected) fs.writeFileSync(alpha('crowd', name), '');
    assert.deepEqual(names(await list(alpha('crowd'))), expected);
  });

  test('each thing that is no folder has its error', async () => {
    daemon().write('Alpha/plain', 'x');
    expectProblem(await list(alpha('plain')), 400, 'not_folder');
    expectProblem(await list(alpha('missing')), 400, 'file_not_found');
    fs.mkdirSync(alpha('shut'));
    fs.chmodSync(alpha('shut'), 0);
    try {
      expectProblem(await list(alpha('shut')), 400, 'permission_denied');
    } finally {
      fs.chmodSync(alpha('shut'), 0o700);
    }
  });
});

// In a process of its own: turns the folder `flip` into a link and back as fast as it can. A write that finds neither
// makes the folder anew, which is in the way then: it starts over.
const kFlipper = `
  const fs = require('fs');
  const [folder, outside] = process.argv.slice(1);
  process.chdir(folder);
  const names = ['flip', 'flip-folder', 'flip-link'];
  for (let first = true; ; first = false) {
    try {
      names.forEach((name) => fs.rmSync(name, { recursive: true, force: true }));
      fs.mkdirSync('flip');
      fs.writeFileSync('flip/secret.txt', 'harmless');
      fs.symlinkSync(outside, 'flip-link');
      if (first) process.stdout.write('ready');
      for (;;) {
        fs.renameSync('flip', 'flip-folder');
        fs.renameSync('flip-link', 'flip');
        fs.renameSync('flip', 'flip-link');
        fs.renameSync('flip-folder', 'flip');
      }
    } catch {}
  }`;

describe('outside the segment (invariant 2)', () => {
  // Every operation, on a path whose folder part leads out.
  async function expectOutside(folder: string, name = 'secret.txt'): Promise<void> {
    for (const answer of [await read(`${folder}/${name}`), await write(`${folder}/${name}`, 'overwritten'), await list(folder)])
      expectProblem(answer, 400, 'path_outside_segment');
    expectProblem(await write(`${folder}/planted/file.txt`, 'planted'), 400, 'path_outside_segment');
    assert.equal(fs.readFileSync(path.join(outside, 'secret.txt'), 'utf8'), kSecret);
    assert.equal(daemon().read('Beta/secret.txt'), kSecret);
    assert.deepEqual(fs.readdirSync(outside), ['secret.txt']);
    assert.deepEqual(fs.readdirSync(daemon().path('Beta')), ['secret.txt']);
  }

  test('an absolute path elsewhere', async () => {
    await expectOutside(outside);
    await expectOutside(daemon().folder, 'toren.toml');
    await expectOutside(daemon().state, 'lock');
    await expectOutside('/etc', 'passwd');
    await expectOutside('/proc/self', 'environ');
    await expectOutside('/');
  });

  test('a sibling whose name begins like the segment is another place', async () => {
    const sibling = `${alpha()}-sibling`;
    fs.mkdirSync(sibling);
    fs.writeFileSync(`${sibling}/secret.txt`, kSecret);
    expectProblem(await read(`${sibling}/secret.txt`), 400, 'path_outside_segment');
    daemon().write('Alphabet/own.txt', 'Alphabet is a segment of its own');
    assert.match(await readText(daemon().path('Alphabet/own.txt')), /its own/);
  });

  test('`..` that leads out, also into another segment', async () => {
    await expectOutside(`${alpha()}/../../outside`);
    await expectOutside(`${alpha()}/../Beta`);
    fs.mkdirSync(alpha('a/b'), { recursive: true });
    await expectOutside(`${alpha()}/a/b/../../../Beta`);
    expectProblem(await read('../Beta/secret.txt', { segment: 'Alpha' }), 400, 'path_outside_segment');
    expectProblem(await write('../Beta/new.txt', 'x', { segment: 'Alpha' }), 400, 'path_outside_segment');
    expectProblem(await list('..', { segment: 'Alpha' }), 400, 'path_outside_segment');
  });

  test('an absolute path of another segment beside a segment field does not win by accident', async () => {
    const answer = await read(daemon().path('Beta/secret.txt'), { segment: 'Alpha' });
    expectProblem(answer, 400, 'path_outside_segment');
  });

  test('a folder link, absolute or relative or by way of another', async () => {
    fs.symlinkSync(outside, alpha('abs'));
    fs.symlinkSync('../../outside', alpha('rel'));
    fs.symlinkSync('rel', alpha('twice'));
    fs.symlinkSync('/', alpha('root'));
    fs.symlinkSync('..', alpha('up'));
    for (const name of ['abs', 'rel', 'twice']) await expectOutside(alpha(name));
    await expectOutside(`${alpha('root')}${outside}`);
    await expectOutside(`${alpha()}/up/Beta`);
  });

  test('a file link is neither read nor written', async () => {
    fs.symlinkSync(path.join(outside, 'secret.txt'), alpha('file-abs'));
    fs.symlinkSync('../../outside/secret.txt', alpha('file-rel'));
    for (const name of ['file-abs', 'file-rel']) {
      expectProblem(await read(alpha(name)), 400, 'path_outside_segment');
      expectProblem(await write(alpha(name), 'overwritten'), 400, 'path_outside_segment');
    }
    assert.equal(fs.readFileSync(path.join(outside, 'secret.txt'), 'utf8'), kSecret);
  });

  test('a dangling link creates nothing outside (legacy flaw 5)', async () => {
    fs.symlinkSync(path.join(outside, 'created.txt'), alpha('dangling-abs'));
    fs.symlinkSync('../../outside/created.txt', alpha('dangling-rel'));
    fs.symlinkSync('dangling-rel', alpha('dangling-twice'));
    fs.symlinkSync('../../outside/new-folder', alpha('dangling-folder'));
    for (const name of ['dangling-abs', 'dangling-rel', 'dangling-twice', 'dangling-folder/file.txt', 'dangling-folder/sub/file.txt'])
      expectProblem(await write(alpha(name), 'planted'), 400, 'path_outside_segment');
    assert.deepEqual(fs.readdirSync(outside), ['secret.txt']);
  });

  test('a link of /proc is none (magic links)', async () => {
    fs.symlinkSync('/proc/self/root', alpha('magic'));
    fs.symlinkSync('/proc/self/fd/0', alpha('magic-fd'));
    expectProblem(await read(`${alpha('magic')}/etc/passwd`), 400, 'path_outside_segment');
    expectProblem(await read(alpha('magic-fd')), 400, 'path_outside_segment');
  });

  test('a folder that turns into a link while requests run is never followed out (check then use)', async () => {
    const flipper = spawn(process.execPath, ['-e', kFlipper, alpha(), outside], { stdio: ['ignore', 'pipe', 'inherit'] });
    const ended = once(flipper, 'exit');
    const answers: Answer[] = [];
    const codes = new Set<string>();
    try {
      await once(flipper.stdout, 'data');
      // On a busy machine the flipper may stand still for a whole round: until requests have met it in both states.
      while (!codes.has('ok') || !codes.has('path_outside_segment')) {
        const round = await Promise.all([
          ...Array.from({ length: 200 }, () => read(alpha('flip/secret.txt'))),
          ...Array.from({ length: 200 }, () => write(alpha('flip/secret.txt'), 'harmless')),
        ]);
        for (const { status, text } of round) codes.add(status === 200 ? 'ok' : String(JSON.parse(text).code));
        answers.push(...round);
      }
    } finally {
      flipper.kill('SIGKILL');
      await ended;
    }
    for (const { text } of answers) assert.ok(!text.includes(kSecret), 'the secret came through');
    assert.equal(fs.readFileSync(path.join(outside, 'secret.txt'), 'utf8'), kSecret);
    assert.deepEqual(fs.readdirSync(outside), ['secret.txt']);
  });
});
