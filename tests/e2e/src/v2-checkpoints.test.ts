// Checkpoints through the daemon: what a caged command ruins is put back, and no command finds where they lie.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { programOf } from './processes.js';
import { expectOk } from './rest.js';
import { Refused, V2Socket, type ProcessInfo } from './v2-socket.js';

const daemon = sharedDaemon({ before, after }, { segments: ['Alpha', 'Beta'] }, async (started) => {
  await started.session();
});

const open = async (segment = 'Alpha') => V2Socket.open(daemon().port, await daemon().session(), segment);
const host = (...names: string[]) => daemon().path('Alpha', ...names);
const store = (segment = 'Alpha') =>
  path.join(daemon().state, 'checkpoints', daemon().path(segment).replaceAll('/', '+').replaceAll(/[^A-Za-z0-9._+-]/g, '%'));

interface Made {
  checkpoint: number;
  created: boolean;
  files: number;
  label: string;
  reason: string;
  skipped: Record<string, number>;
  skipped_files: { path: string; why: string }[];
  changed: Record<string, number>;
}
interface Restored {
  undo: number;
  written: number;
  removed: number;
  not_restored: number;
  not_restored_files: { path: string; why: string }[];
}

// Every name in a folder with its kind and content, without .git.
function tree(folder: string): Record<string, string> {
  const all: Record<string, string> = {};
  for (const entry of fs.readdirSync(folder, { recursive: true, withFileTypes: true })) {
    const full = path.join(entry.parentPath, entry.name);
    const name = path.relative(folder, full);
    if (name === '.git' || name.startsWith('.git/')) continue;
    all[name] = entry.isFile() ? fs.readFileSync(full, 'latin1') : entry.isSymbolicLink() ? `-> ${fs.readlinkSync(full)}` : '/';
  }
  return all;
}

async function shell(client: V2Socket, script: string): Promise<{ text: string; code: number | undefined }> {
  const { stream, result } = client.start('processes.run', { argv: ['sh', '-c', script] });
  const ended = (await result) as ProcessInfo;
  return { text: stream.text, code: ended.exit?.code };
}

describe('checkpoints', () => {
  test('a command ruins half the tree and it is put back; the undo is undone', async () => {
    const client = await open();
    for (let i = 0; i < 40; i++) {
      const folder = host(`d${i % 4}`);
      fs.mkdirSync(folder, { recursive: true });
      fs.writeFileSync(path.join(folder, `f${i}`), `content ${i}\n`);
    }
    fs.symlinkSync('d0/f0', host('link'));
    const made = await client.call<Made>('checkpoints.create', { label: 'before' });
    const whole = tree(host()); // with the empty folders by which the cell's guards hold names
    assert.equal(made.created, true);
    assert.equal(made.files, 41);
    const ruin = await shell(client, 'rm -r d0 d1 link && echo more >d2/f2 && mkdir d0 && echo new >d0/new && ln -s /etc d1');
    assert.equal(ruin.code, 0);
    const ruined = tree(host());
    const compared = await client.call<{ entries: { path: string; change: string }[] }>('checkpoints.compare', { checkpoint: made.checkpoint });
    assert.equal(compared.entries.find((one) => one.path === 'd2/f2')?.change, 'modified');
    assert.equal(compared.entries.find((one) => one.path === 'd0/new')?.change, 'added');
    assert.equal(compared.entries.find((one) => one.path === 'd1')?.change, 'type_changed');
    const restored = await client.call<Restored>('checkpoints.restore', { checkpoint: made.checkpoint });
    assert.deepEqual(restored.not_restored_files, []);
    assert.deepEqual(tree(host()), whole);
    await client.call<Restored>('checkpoints.restore', { checkpoint: restored.undo });
    assert.deepEqual(tree(host()), ruined);
    await client.call<Restored>('checkpoints.restore', { checkpoint: made.checkpoint });
    assert.deepEqual(tree(host()), whole);
    await client.close();
  });

  test('a command removes everything, .git included, and the work tree comes back', async () => {
    const client = await open();
    const git = (...words: string[]) =>
      execFileSync('git', ['-C', host(), '-c', 'user.name=t', '-c', 'user.email=t@example.org', ...words]).toString();
    git('init', '-q');
    git('add', '-A');
    git('commit', '-qm', 'one');
    fs.writeFileSync(host('untracked'), 'mine');
    const whole = tree(host());
    const made = await client.call<Made>('checkpoints.create', {});
    assert.deepEqual(git('for-each-ref', '--format=%(refname)').trim().split('\n').length, 1);
    await shell(client, 'find . -mindepth 1 -delete 2>/dev/null; rm -rf .git/refs .git/objects; true');
    assert.equal(fs.existsSync(host('d0')), false);
    const restored = await client.call<Restored>('checkpoints.restore', { checkpoint: made.checkpoint });
    assert.deepEqual(restored.not_restored_files, []);
    assert.deepEqual(tree(host()), whole);
    await client.close();
  });

  test('a command finds the store by no way, and reads the segment by the same ones', async () => {
    const client = await open();
    await client.call<Made>('checkpoints.create', { label: 'to be found' });
    assert.equal(fs.existsSync(path.join(store(), 'HEAD')), true, 'on the host it is there');
    const look = async (folder: string) => shell(client, `ls -a '${folder}' 2>/dev/null; cat '${folder}/HEAD' 2>/dev/null`);
    fs.writeFileSync(host('HEAD'), 'ref: refs/heads/none\n');
    assert.match((await look(host())).text, /refs\/heads\/none/); // the control
    assert.equal((await look(store())).text, '');
    assert.equal((await look(daemon().state)).text, '');
    // Not by a name, by a mount, or through another process's descriptors.
    const found = await shell(client, `find / -xdev -name 'pack-*.pack' 2>/dev/null; find / -name checkpoints -path '*state*' 2>/dev/null; true`);
    assert.equal(found.text, '');
    const mounts = await shell(client, 'cat /proc/self/mountinfo');
    assert.match(mounts.text, /Alpha/); // the control
    assert.equal(mounts.text.includes('checkpoints'), false);
    const descriptors = await shell(client, `for p in /proc/[0-9]*; do ls -l $p/fd 2>/dev/null; done | grep -c checkpoints; ls -l /proc/self/fd | grep -c null`);
    assert.match(descriptors.text, /^0\n[1-9]/);
    assert.equal(daemon().processes().filter((one) => programOf(one) === 'toren-checkpoint-worker').length, 1);
    fs.rmSync(host('HEAD'));
    await client.close();
  });

  test('secrets that a guard hides are left out and told, and stay', async () => {
    const client = await open('Beta');
    fs.writeFileSync(daemon().path('Beta', '.env'), 'TOKEN=1');
    fs.writeFileSync(daemon().path('Beta', 'file'), '1');
    const made = await client.call<Made>('checkpoints.create', {});
    assert.equal(made.files, 1);
    assert.equal(made.skipped['unreadable'], 1);
    assert.deepEqual(made.skipped_files.map((one) => one.path), ['.env']);
    fs.writeFileSync(daemon().path('Beta', 'file'), '2');
    const restored = await client.call<Restored>('checkpoints.restore', { checkpoint: made.checkpoint });
    assert.equal(restored.not_restored, 0);
    assert.equal(daemon().read('Beta/file'), '1');
    assert.equal(daemon().read('Beta/.env'), 'TOKEN=1');
    const packs = execFileSync('git', ['--git-dir', store('Beta'), 'rev-list', '--objects', '--all']).toString();
    assert.match(packs, /files\/file/);
    assert.doesNotMatch(packs, /\.env/);
    await client.close();
  });

  test('over REST: made, listed in pages, read, diffed, deleted', async () => {
    const at = '/v2/segments/Alpha/checkpoints';
    fs.writeFileSync(host('text'), 'one\ntwo\n');
    fs.writeFileSync(host('bytes'), Buffer.from([0xff, 0]));
    const made = expectOk(await daemon().post(at, { label: 'rest' })) as unknown as Made;
    assert.equal(made.label, 'rest');
    assert.equal(made.reason, 'request');
    const again = expectOk(await daemon().post(at, {})) as unknown as Made;
    assert.equal(again.created, false);
    assert.equal(again.checkpoint, made.checkpoint);
    const numbers: number[] = [];
    for (let cursor = ''; ; ) {
      const page = expectOk(await daemon().get(`${at}?limit=2${cursor}`)) as unknown as { checkpoints: Made[]; cursor: string | null };
      numbers.push(...page.checkpoints.map((one) => one.checkpoint));
      if (page.cursor === null) break;
      cursor = `&cursor=${page.cursor}`;
    }
    assert.deepEqual(numbers, [...new Set(numbers)].sort((a, b) => b - a));
    assert.equal(numbers[0], made.checkpoint);
    const one = `${at}/${made.checkpoint}`;
    assert.equal(expectOk(await daemon().get(`${one}/read?path=text`))['content'], 'one\ntwo\n');
    assert.equal(expectOk(await daemon().get(`${one}/read?path=bytes`))['content'], '/wA=');
    fs.writeFileSync(host('text'), 'one\n2\n');
    assert.match(String(expectOk(await daemon().get(`${one}/diff?path=text`))['diff']), /-two\n\+2\n/);
    const changed = expectOk(await daemon().get(`${one}/compare?paths=text&paths=bytes`)) as unknown as { entries: { path: string }[] };
    assert.deepEqual(changed.entries.map((entry) => entry.path), ['text']);
    const restored = expectOk(await daemon().post(`${one}/restore`, { paths: ['text'] })) as unknown as Restored;
    assert.equal(restored.written, 1);
    assert.equal(fs.readFileSync(host('text'), 'utf8'), 'one\ntwo\n');
    expectOk(await daemon().send('DELETE', one));
    const gone = await daemon().get(`${one}/read?path=text`);
    assert.equal(gone.status, 404);
    assert.match(gone.text, /unknown_checkpoint/);
    assert.match((await daemon().get(`${at}/none/read?path=text`)).text, /invalid_field/);
    assert.match((await daemon().post(`${at}/${restored.undo}/restore`, { paths: ['../x'] })).text, /invalid_field/);
  });

  test('a killed worker is told, and the next one has all of it', async () => {
    const client = await open();
    const made = await client.call<Made>('checkpoints.create', { label: 'kept' });
    const worker = daemon().processes().find((one) => programOf(one) === 'toren-checkpoint-worker');
    assert.ok(worker);
    process.kill(worker.pid, 'SIGKILL');
    const list = async () => client.call<{ checkpoints: Made[] }>('checkpoints.list', {});
    const after = await list().catch((error: unknown) => {
      assert.ok(error instanceof Refused && error.code === 'worker_died', String(error));
      return list();
    });
    assert.equal(after.checkpoints[0]?.checkpoint, made.checkpoint);
    await client.close();
  });
});
