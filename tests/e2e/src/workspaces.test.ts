// Workspaces: ancillaries that work apart in git worktrees of one segment, each in a cell of its own.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { Daemon, sharedDaemon, type DaemonOptions } from './daemon.js';
import { isAlive, type Process } from './processes.js';
import { expectOk, expectProblem } from './rest.js';
import { V2Socket, type ProcessInfo } from './v2-socket.js';
import { until, within } from './wait.js';

interface Workspace {
  name: string;
  segment: string;
  path: string;
  state: string;
  reason?: string;
  branch: string | null;
  head?: string;
  base: { branch: string | null; commit: string };
  ahead?: number;
  behind?: number;
  changes?: { staged: number; modified: number; untracked: number; conflicted: number };
  processes: number;
  ancillaries: string[];
}
interface Merged {
  merged: boolean;
  up_to_date: boolean;
  commit: string;
  place: string | null;
  conflicts: string[];
}
interface Ran {
  code: number | undefined;
  text: string;
  errors: string;
}

const kIdentity = ['-c', 'user.name=Tester', '-c', 'user.email=tester@example.org', '-c', 'commit.gpgsign=false'];
const options: DaemonOptions = {
  segments: ['Alpha', 'Plain'],
  tables: '[ancillary]\nworkspace_root = "workspaces"',
};

function git(folder: string, ...args: string[]): string {
  return execFileSync('git', [...kIdentity, ...args], {
    cwd: folder,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { PATH: process.env['PATH'], HOME: '/nonexistent', GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' },
  }).trimEnd();
}

// A project with a test of its own, and a branch `main`.
function project(daemon: Daemon): void {
  const folder = daemon.path('Alpha');
  git(folder, 'init', '-q', '-b', 'main');
  git(folder, 'config', 'user.name', 'Tester');
  git(folder, 'config', 'user.email', 'tester@example.org');
  daemon.write('Alpha/sum.sh', 'echo $(($1 + $2))\n');
  daemon.write('Alpha/product.sh', 'echo 0\n');
  daemon.write('Alpha/notes.txt', 'one\ntwo\nthree\n');
  daemon.write('Alpha/test.sh', 'set -e\n[ "$(sh sum.sh 2 3)" = 5 ]\n[ "$(sh product.sh 2 3)" = "${1:-0}" ]\necho passed\n');
  git(folder, 'add', '.');
  git(folder, 'commit', '-q', '-m', 'first');
}

async function connect(daemon: Daemon, segment = 'Alpha'): Promise<V2Socket> {
  return V2Socket.open(daemon.port, await daemon.session(), segment);
}

async function sh(socket: V2Socket, script: string, segment = socket.segment): Promise<Ran> {
  const { stream, result } = socket.start('processes.run', { segment, argv: ['sh', '-c', script] });
  const ended = (await within(`sh -c '${script}'`, result, 60_000)) as ProcessInfo;
  return { code: ended.exit?.code, text: stream.text, errors: Buffer.concat(stream.errors).toString() };
}

async function done(socket: V2Socket, script: string, segment = socket.segment): Promise<string> {
  const ran = await sh(socket, script, segment);
  assert.equal(ran.code, 0, `${script}: ${ran.text}${ran.errors}`);
  return ran.text.trimEnd();
}

const create = (socket: V2Socket, fields: Record<string, unknown> = {}): Promise<Workspace> =>
  socket.call<Workspace>('workspaces.create', { segment: 'Alpha', ...fields });
const list = async (socket: V2Socket): Promise<Workspace[]> =>
  (await socket.call<{ workspaces: Workspace[] }>('workspaces.list', { segment: 'Alpha' })).workspaces;
const destroy = (socket: V2Socket, workspace: string, fields: Record<string, unknown> = {}): Promise<{ branch_deleted: boolean }> =>
  socket.call('workspaces.destroy', { segment: 'Alpha', workspace, ...fields });
const merge = (socket: V2Socket, workspace: string, fields: Record<string, unknown> = {}): Promise<Merged> =>
  socket.call<Merged>('workspaces.merge', { segment: 'Alpha', workspace, ...fields });

async function kill(process_: Process): Promise<void> {
  process.kill(process_.pid, 'SIGKILL');
  await until('it to die', () => !isAlive(process_));
}

describe('two ancillaries in one segment', () => {
  const daemon = sharedDaemon({ before, after }, options, project);

  test('work, test, commit and merge apart, from the protocol alone', async () => {
    const [first, second] = [await connect(daemon()), await connect(daemon())];
    const one = await create(first);
    const two = await create(second);
    assert.equal(one.name, 'One');
    assert.equal(two.name, 'Two');
    assert.equal(one.segment, 'Alpha@One');
    assert.equal(one.branch, 'toren/one');
    assert.equal(one.state, 'ready');
    assert.deepEqual(one.base, { branch: 'main', commit: git(daemon().path('Alpha'), 'rev-parse', 'HEAD') });
    assert.equal(one.path, path.join(daemon().folder, 'workspaces/Alpha/One'));

    // Files by the files worker, tests by commands that run at the same time.
    await first.call('files.write', { segment: one.segment, path: 'sum.sh', content: 'expr $1 + $2\n' });
    await second.call('files.write', { segment: two.segment, path: 'product.sh', content: 'echo $(($1 * $2))\n' });
    const ran = await Promise.all([
      done(first, 'sh test.sh 0', one.segment),
      done(second, 'sh test.sh 6', two.segment),
    ]);
    assert.deepEqual(ran, ['passed', 'passed']);
    assert.notEqual((await sh(first, 'sh test.sh 6', one.segment)).code, 0); // what the other wrote is not here
    assert.equal(fs.readFileSync(daemon().path('Alpha/sum.sh'), 'utf8'), 'echo $(($1 + $2))\n');

    const changed = (await list(first)).find((w) => w.name === 'One');
    assert.deepEqual(changed?.changes, { staged: 0, modified: 1, untracked: 0, conflicted: 0 });
    await Promise.all([
      done(first, 'git commit -qam sum', one.segment),
      done(second, 'git commit -qam product', two.segment),
    ]);
    const listed = await list(first);
    for (const workspace of listed) {
      assert.deepEqual([workspace.ahead, workspace.behind], [1, 0]);
      assert.deepEqual(workspace.changes, { staged: 0, modified: 0, untracked: 0, conflicted: 0 });
    }
    const diff = await first.call<{ committed: string; uncommitted: string; untracked: string[] }>('workspaces.diff', {
      segment: 'Alpha',
      workspace: 'One',
    });
    assert.match(diff.committed, /^-echo \$\(\(\$1 \+ \$2\)\)\n\+expr \$1 \+ \$2$/m);
    assert.equal(diff.uncommitted, '');

    const status = await first.call<{ branch?: string }>('files.stat', { segment: one.segment, path: 'sum.sh' });
    assert.ok(status);
    const merged = await merge(first, 'One');
    assert.equal(merged.merged, true);
    assert.equal(merged.place, 'Alpha');
    assert.equal((await merge(second, 'Two')).merged, true);
    assert.equal(await done(first, 'sh test.sh 6 && git status --porcelain'), 'passed');
    assert.equal(await done(first, 'git log --format=%s -n 2'), "Merge branch 'toren/two' into main\nMerge branch 'toren/one' into main");
    assert.equal((await merge(second, 'Two')).up_to_date, true);

    assert.deepEqual(await destroy(first, 'One'), { destroyed: 'One', branch_deleted: true });
    assert.deepEqual(await destroy(second, 'Two'), { destroyed: 'Two', branch_deleted: true });
    assert.deepEqual(fs.readdirSync(path.join(daemon().folder, 'workspaces/Alpha')), []);
    assert.equal(git(daemon().path('Alpha'), 'worktree', 'list', '--porcelain').match(/^worktree /gm)?.length, 1);
    assert.equal(git(daemon().path('Alpha'), 'branch', '--format=%(refname:short)'), 'main');
    await Promise.all([first.close(), second.close()]);
  });

  test('git goes on working in a workspace: worktree, rebase, stash, branches, gc', async () => {
    const socket = await connect(daemon());
    const { name, segment } = await create(socket, { name: 'Git' });
    await done(socket, 'echo a >a && git add a && git commit -qm a && echo b >b && git add b && git commit -qm b', segment);
    await done(socket, 'echo m >m && git add m && git commit -qm m');
    await done(socket, 'git rebase -q main && git log --format=%s -n 3 | tr "\\n" " " | grep -q "^b a m"', segment);
    await done(socket, 'echo c >>a && git stash -q && git stash pop -q && git checkout -q -- a', segment);
    await done(socket, 'git branch other && git branch -q -D other', segment);
    await done(socket, 'git worktree list --porcelain | grep -q "^branch refs/heads/main"', segment);
    await done(socket, 'git gc -q && git fsck --no-progress && git commit -q --allow-empty -m after', segment);
    await done(socket, 'git gc -q && git fsck --no-progress && git worktree prune && git status --porcelain');
    assert.equal((await list(socket)).find((w) => w.name === name)?.state, 'ready');
    // The vcs worker reads there as well.
    await done(socket, 'echo more >>a', segment);
    const answer = expectOk(await daemon().post('/api/vcs/status', { path: path.join(daemon().folder, 'workspaces/Alpha/Git') }));
    assert.deepEqual([answer['branch'], answer['modified']], ['toren/git', ['a']]);
    await destroy(socket, name, { force: true, delete_branch: true });
    await socket.close();
  });

  test('conflicts are told and change nothing, unless they are to be kept', async () => {
    const socket = await connect(daemon());
    const { segment } = await create(socket, { name: 'Clash' });
    await done(socket, 'echo theirs >notes.txt && git commit -qam theirs', segment);
    await done(socket, 'echo ours >notes.txt && git commit -qam ours');
    const before_ = await done(socket, 'git rev-parse HEAD && git status --porcelain');
    const refused = await socket.refused('workspaces.merge', { segment: 'Alpha', workspace: 'Clash' });
    assert.equal(refused.code, 'conflict');
    assert.deepEqual(refused.problem['paths'], ['notes.txt']);
    assert.equal(await done(socket, 'git rev-parse HEAD && git status --porcelain'), before_);
    assert.equal((await socket.refused('workspaces.merge', { segment: 'Alpha', workspace: 'Clash', fast_forward: true })).code, 'not_fast_forward');
    const kept = await merge(socket, 'Clash', { keep_conflicts: true });
    assert.deepEqual([kept.merged, kept.conflicts], [false, ['notes.txt']]);
    assert.match(await done(socket, 'cat notes.txt'), /^<<<<<<< /);
    await done(socket, 'echo both >notes.txt && git commit -qam both');
    assert.equal((await merge(socket, 'Clash')).up_to_date, true);
    await destroy(socket, 'Clash');
    await socket.close();
  });

  test('a target that is checked out nowhere moves on, and one in another workspace moves on there', async () => {
    const socket = await connect(daemon());
    await done(socket, 'git branch target');
    const { segment } = await create(socket, { name: 'Source', from: 'target' });
    await done(socket, 'echo s >s && git add s && git commit -qm s', segment);
    const merged = await merge(socket, 'Source');
    assert.equal(merged.place, null);
    assert.equal(await done(socket, 'git rev-parse target'), merged.commit);
    const sink = await create(socket, { name: 'Sink', from: '@Source', branch: 'sink' });
    assert.equal(sink.base.branch, 'toren/source');
    await done(socket, 'echo t >t && git add t && git commit -qm t', segment);
    assert.equal((await merge(socket, 'Source', { into: 'sink', fast_forward: true })).place, sink.segment);
    assert.equal(await done(socket, 'cat t && git status --porcelain', sink.segment), 't');
    for (const name of ['Source', 'Sink']) await destroy(socket, name, { force: true, delete_branch: true });
    await done(socket, 'git branch -q -D target');
    await socket.close();
  });

  test('nothing that runs or is not committed is destroyed, unless it is forced', async () => {
    const socket = await connect(daemon());
    const { name, segment } = await create(socket, { name: 'Busy' });
    const started = await socket.call('processes.start', { segment, argv: ['sleep', '1000'] });
    const running = await socket.refused('workspaces.destroy', { segment: 'Alpha', workspace: name });
    assert.equal(running.code, 'running');
    assert.deepEqual(running.problem['processes'], [started.process]);
    assert.equal((await list(socket)).find((w) => w.name === name)?.processes, 1);
    await socket.call('processes.kill', { segment, process: started.process });
    await until('it to be idle', async () => (await list(socket)).find((w) => w.name === name)?.processes === 0);

    await done(socket, 'echo new >new', segment);
    const dirty = await socket.refused('workspaces.destroy', { segment: 'Alpha', workspace: name });
    assert.deepEqual([dirty.code, dirty.problem['changes'], dirty.problem['commits']], ['uncommitted', 1, 0]);
    assert.equal((await socket.refused('workspaces.merge', { segment: 'Alpha', workspace: name })).code, 'uncommitted');
    await done(socket, 'git add new && git commit -qm new', segment);
    const unmerged = await socket.refused('workspaces.destroy', { segment: 'Alpha', workspace: name });
    assert.deepEqual([unmerged.code, unmerged.problem['changes'], unmerged.problem['commits']], ['uncommitted', 0, 1]);
    assert.ok(fs.existsSync(path.join(daemon().folder, 'workspaces/Alpha/Busy/new')));

    await socket.call('processes.start', { segment, argv: ['sleep', '1000'] });
    assert.deepEqual(await destroy(socket, name, { force: true }), { destroyed: name, branch_deleted: false });
    assert.equal(await done(socket, 'git log --format=%s -n 1 toren/busy'), 'new');
    assert.equal((await socket.refused('files.stat', { segment, path: '.' })).code, 'unknown_workspace');
    await done(socket, 'git branch -q -D toren/busy');
    await socket.close();
  });

  test('names that are no names are refused everywhere, and nothing appears', async () => {
    const socket = await connect(daemon());
    const bad = ['/tmp/workspace', '..', '.', '../up', 'a/b', 'a@b', 'a\0b', 'x'.repeat(300), '', ' x', '-x', 'a\nb'];
    const before_ = fs.readdirSync(daemon().folder).sort();
    for (const name of bad) {
      const refused = await socket.refused('workspaces.create', { segment: 'Alpha', name });
      assert.ok(['invalid_name', 'invalid_field'].includes(refused.code), `${JSON.stringify(name)}: ${refused.message}`);
      for (const op of ['workspaces.destroy', 'workspaces.adopt', 'workspaces.merge', 'workspaces.diff']) {
        const other = await socket.refused(op, { segment: 'Alpha', workspace: name, ...(op === 'workspaces.destroy' ? { force: true } : {}) });
        assert.ok(['invalid_name', 'invalid_field', 'unknown_workspace'].includes(other.code), `${op} ${JSON.stringify(name)}: ${other.message}`);
      }
      const v1 = await daemon().post('/api/workspaces/cleanup', { segment: 'Alpha', workspace: name, force: true });
      assert.equal(v1.status === 404 || v1.status === 422, true, v1.text);
      const wire = await daemon().wire();
      wire.send({ type: 'Auth', token: await daemon().session(), ancillary_id: 'x', segment: 'Alpha', workspace: name });
      assert.ok((await wire.takeType('AuthFailure')).reason);
      await wire.close();
    }
    for (const branch of ['--force', '-b', 'a b', 'a..b', 'refs/', '@{-1}'])
      assert.ok(['invalid_field'].includes((await socket.refused('workspaces.create', { segment: 'Alpha', branch })).code), branch);
    for (const from of ['--all', 'nobody', '-'])
      assert.ok(['invalid_field', 'unknown_revision'].includes((await socket.refused('workspaces.create', { segment: 'Alpha', from })).code));
    assert.deepEqual(fs.readdirSync(daemon().folder).sort(), before_);
    assert.deepEqual(await list(socket), []);
    assert.equal((await socket.refused('workspaces.create', { segment: 'Plain' })).code, 'unknown_revision');
    await socket.close();
  });

  test('ten made at once have ten names', async () => {
    const sockets = await Promise.all(Array.from({ length: 10 }, () => connect(daemon())));
    const made = await Promise.all(sockets.map((socket) => create(socket)));
    const names = ['One', 'Two', 'Three', 'Four', 'Five', 'Six', 'Seven', 'Eight', 'Nine', 'Ten'];
    assert.deepEqual(new Set(made.map((w) => w.name)), new Set(names));
    assert.equal(new Set(made.map((w) => w.branch)).size, 10);
    await Promise.all(made.map((w, i) => done(sockets[i] as V2Socket, `echo ${w.name} >mine && git add mine && git commit -qm mine`, w.segment)));
    const texts = await Promise.all(made.map((w, i) => done(sockets[i] as V2Socket, 'cat mine', w.segment)));
    assert.deepEqual(texts, made.map((w) => w.name));
    await Promise.all(made.map((w, i) => destroy(sockets[i] as V2Socket, w.name, { force: true, delete_branch: true })));
    assert.deepEqual(await list(sockets[0] as V2Socket), []);
    await Promise.all(sockets.map((socket) => socket.close()));
  });
});

describe('what a workspace is kept from', () => {
  const daemon = sharedDaemon({ before, after }, options, project);

  test('the main tree, other workspaces, their state, hooks and configuration', async () => {
    const socket = await connect(daemon());
    daemon().write('Alpha/main-only.txt', 'of the main tree');
    const one = await create(socket);
    const two = await create(socket);
    await done(socket, 'echo mine >mine.txt', one.segment);
    await done(socket, 'echo theirs >theirs.txt', two.segment);
    const own = path.join(one.path, 'mine.txt');
    assert.equal(await done(socket, `cat ${own}`, one.segment), 'mine'); // the control
    for (const file of [daemon().path('Alpha/main-only.txt'), daemon().path('Alpha/notes.txt'), path.join(two.path, 'theirs.txt')]) {
      assert.ok(fs.existsSync(file));
      const ran = await sh(socket, `cat ${file}`, one.segment);
      assert.notEqual(ran.code, 0, file);
      assert.match(ran.errors, /No such file/, file);
      assert.equal((await socket.refused('files.read', { segment: one.segment, path: path.relative(one.path, file) })).code, 'path_outside_segment');
    }
    const common = daemon().path('Alpha/.git');
    await done(socket, `echo x >${common}/refs/heads/written && rm ${common}/refs/heads/written`, one.segment); // the control
    for (const file of ['config', 'HEAD', 'index', 'logs/HEAD', 'hooks/post-commit', 'commondir', 'worktrees/Two/HEAD', 'worktrees/Two/gitdir', 'worktrees/One/commondir', 'worktrees/One/config.worktree']) {
      const ran = await sh(socket, `echo x >>${common}/${file}`, one.segment);
      if (file === 'commondir') continue; // moved aside as soon as it appears
      assert.notEqual(ran.code, 0, `${file} was written`);
    }
    // The main tree's cell was there first as well.
    await done(socket, 'echo x >.git/worktrees/Two/description');
    for (const file of ['commondir', 'config.worktree'])
      for (const name of ['One', 'Two'])
        assert.notEqual((await sh(socket, `echo x >>.git/worktrees/${name}/${file}`)).code, 0, `${name}/${file} was written`);
    await until('commondir to be moved aside', () => !fs.existsSync(path.join(common, 'commondir')));
    for (const script of [
      `mv ${common}/HEAD ${common}/OLD`,
      `rm ${common}/index`,
      `mv ${common}/worktrees ${common}/elsewhere`,
      `rm -r ${common}/worktrees/Two`,
      `mv ${common}/worktrees/One ${common}/worktrees/Other`,
      'echo gitdir: /tmp/hostile >.git',
      'rm .git',
      'mv .git elsewhere',
      'git config core.hooksPath /tmp',
    ])
      assert.notEqual((await sh(socket, script, one.segment)).code, 0, script);
    assert.equal(fs.readFileSync(path.join(one.path, '.git'), 'utf8'), `gitdir: ${common}/worktrees/One\n`);
    // A worktree that an agent points elsewhere shows it nothing that it had not.
    await done(socket, `mkdir sub && echo "gitdir: ${daemon().path('Plain')}/.git" >sub/.git`, one.segment);
    assert.notEqual((await sh(socket, 'git -C sub status', one.segment)).code, 0);
    // What the main tree does next is guarded again.
    await done(socket, 'git commit -q --allow-empty -m more && git add main-only.txt');
    await until('the new index to be guarded', async () => (await sh(socket, `echo x >>${common}/index`, one.segment)).code !== 0);
    assert.match(await done(socket, 'git status --porcelain'), /^A {2}main-only.txt$/m);
    for (const { name } of [one, two]) await destroy(socket, name, { force: true, delete_branch: true });
    await socket.close();
  });

  test('what a hostile agent leaves is removed: deep, closed, with links out of it', async () => {
    const socket = await connect(daemon());
    const one = await create(socket);
    const precious = path.join(daemon().folder, 'precious');
    fs.mkdirSync(precious);
    fs.writeFileSync(path.join(precious, 'file'), 'still there');
    await done(
      socket,
      `mkdir -p closed/inner && echo x >closed/inner/file && ln -s ${precious} out && ln -s ${precious} closed/inner/out
       i=0; mkdir d; cd d; while [ $i -lt 700 ]; do mkdir dddddddddd; cd dddddddddd; i=$((i+1)); done; echo deep >file; chmod 0 .
       cd ${one.path} && chmod 0 closed/inner closed`,
      one.segment,
    );
    await destroy(socket, 'One', { force: true });
    assert.deepEqual(fs.readdirSync(path.join(daemon().folder, 'workspaces/Alpha')), []);
    assert.equal(fs.readFileSync(path.join(precious, 'file'), 'utf8'), 'still there');
    await socket.close();
  });
});

describe('when a part dies', () => {
  async function started(t: { after: (run: () => Promise<void>) => void }): Promise<Daemon> {
    const daemon = await Daemon.start(options);
    t.after(() => daemon.stop());
    project(daemon);
    return daemon;
  }
  async function revived(daemon: Daemon, broker: Process): Promise<V2Socket> {
    await kill(broker);
    await until('another broker', () => {
      try {
        return daemon.broker().pid !== broker.pid;
      } catch {
        return false;
      }
    });
    return connect(daemon);
  }

  test('a broker killed while it makes one: the next one makes it again', async (t) => {
    const daemon = await started(t);
    const hook = daemon.path('Alpha/.git/hooks/post-checkout');
    const fifo = daemon.path('Alpha/.git/reached');
    execFileSync('mkfifo', [fifo]);
    fs.writeFileSync(hook, `#!/bin/sh\necho here >${fifo}\nsleep 1000\n`, { mode: 0o755 });
    const socket = await connect(daemon);
    const doomed = create(socket, { name: 'Again' }).catch((error: unknown) => error);
    assert.equal(await within('the hook', fs.promises.readFile(fifo, 'utf8')), 'here\n');
    const next = await revived(daemon, daemon.broker());
    assert.ok((await doomed) instanceof Error);
    fs.rmSync(hook);
    const left = (await list(next))[0];
    assert.deepEqual([left?.name, left?.state], ['Again', 'degraded']);
    const made = await create(next, { name: 'Again' });
    assert.deepEqual([made.state, made.branch], ['ready', 'toren/again']);
    assert.equal(await done(next, 'git status --porcelain && sh test.sh', made.segment), 'passed');
    await next.close();
  });

  test('a broker killed while it merges: the merge is asked for again', async (t) => {
    const daemon = await started(t);
    const fifo = daemon.path('Alpha/.git/reached');
    execFileSync('mkfifo', [fifo]);
    const hook = daemon.path('Alpha/.git/hooks/post-merge');
    fs.writeFileSync(hook, `#!/bin/sh\necho here >${fifo}\nsleep 1000\n`, { mode: 0o755 });
    const socket = await connect(daemon);
    const { segment, name } = await create(socket);
    await done(socket, 'echo x >x && git add x && git commit -qm x', segment);
    const doomed = merge(socket, name).catch((error: unknown) => error);
    assert.equal(await within('the hook', fs.promises.readFile(fifo, 'utf8')), 'here\n');
    const next = await revived(daemon, daemon.broker());
    assert.ok((await doomed) instanceof Error);
    assert.equal((await merge(next, name)).up_to_date, true);
    assert.equal(await done(next, 'cat x && git status --porcelain'), 'x');
    await next.close();
  });

  test('a broker killed while it destroys one: it is asked for again', async (t) => {
    const daemon = await started(t);
    for (let round = 0; round < 3; ++round) {
      const socket = await connect(daemon);
      const { name, segment, path: folder } = await create(socket, { name: 'Gone' });
      await done(socket, 'mkdir many && cd many && touch $(seq 1 400)', segment);
      const doomed = destroy(socket, name, { force: true }).catch((error: unknown) => error);
      if (round > 0) await until('it to begin', () => !fs.existsSync(folder));
      const next = await revived(daemon, daemon.broker());
      await doomed;
      const again = await destroy(next, name, { force: true }).catch((error: unknown) => error);
      if (again instanceof Error) assert.match(again.message, /^unknown_workspace/); // it had come to its end
      assert.deepEqual(fs.readdirSync(path.join(daemon.folder, 'workspaces/Alpha')), []);
      assert.deepEqual(await list(next), []);
      assert.equal(git(daemon.path('Alpha'), 'branch', '--format=%(refname:short)'), 'main');
      await next.close();
    }
  });

  test('a workspace and its processes outlive the broker; the workspace outlives the daemon', async (t) => {
    const daemon = await started(t);
    const socket = await connect(daemon);
    const { name, segment } = await create(socket);
    const { process: id } = await socket.call('processes.start', { segment, argv: ['sh', '-c', 'echo alive; sleep 1000'] });
    const next = await revived(daemon, daemon.broker());
    const found = await next.call<{ processes: ProcessInfo[] }>('processes.list', { segment });
    assert.deepEqual(found.processes.map((p) => [p.process, p.state]), [[id, 'running']]);
    assert.equal((await next.refused('workspaces.destroy', { segment: 'Alpha', workspace: name })).code, 'running');
    await next.close();
  });

  test('what vanished is told, and can be destroyed; a worktree that is there can be adopted', async (t) => {
    const daemon = await started(t);
    const socket = await connect(daemon);
    const one = await create(socket);
    const two = await create(socket);
    fs.renameSync(one.path, path.join(daemon.folder, 'moved'));
    fs.renameSync(daemon.path('Alpha/.git/worktrees/Two'), path.join(daemon.folder, 'moved-entry'));
    const told = await list(socket);
    assert.deepEqual(told.map((w) => [w.name, w.state, w.reason]), [
      ['One', 'degraded', 'its folder is gone'],
      ['Two', 'degraded', 'the repository no longer knows it'],
    ]);
    assert.equal((await socket.refused('workspaces.destroy', { segment: 'Alpha', workspace: 'Two' })).code, 'workspace_degraded');
    await destroy(socket, 'One');
    await destroy(socket, 'Two', { force: true });
    git(daemon.path('Alpha'), 'worktree', 'add', '-q', '-b', 'by-hand', path.join(path.dirname(two.path), 'Hand'));
    assert.equal((await socket.refused('files.stat', { segment: 'Alpha@Hand', path: '.' })).code, 'unknown_workspace');
    const adoptable = await socket.call<{ adoptable: string[] }>('workspaces.list', { segment: 'Alpha' });
    assert.deepEqual(adoptable.adoptable, ['Hand']);
    const adopted = await socket.call<Workspace>('workspaces.adopt', { segment: 'Alpha', workspace: 'Hand' });
    assert.deepEqual([adopted.branch, adopted.base.branch, adopted.state], ['by-hand', 'main', 'ready']);
    assert.equal(await done(socket, 'sh test.sh', 'Alpha@Hand'), 'passed');
    await destroy(socket, 'Hand');
    await socket.close();
  });
});

describe("v1's workspaces", () => {
  const daemon = sharedDaemon({ before, after }, options, project);

  test('Auth makes one and works in it; list and cleanup', async () => {
    const wire = await daemon().wire();
    const success = await wire.auth(await daemon().session(), { ancillary_id: 'a', segment: 'alpha', workspace: 'one' });
    const folder = path.join(daemon().folder, 'workspaces/Alpha/one');
    assert.equal(success.working_dir, folder);
    assert.equal((await wire.shell('pwd && git branch --show-current')).text.trim(), `${folder}\ntoren/one`);
    assert.equal((await wire.shell('sh test.sh', { cwd: folder })).text.trim(), 'passed');
    const plain = await daemon().wire();
    await plain.auth(await daemon().session(), { ancillary_id: 'b', segment: 'alpha' });
    const registered = expectOk(await daemon().get('/api/ancillaries/list'))['ancillaries'] as Record<string, unknown>[];
    assert.deepEqual(registered.map((a) => [a['id'], a['segment'], a['workspace']]), [['b', 'Alpha', null], ['a', 'Alpha', 'one']]);
    const third = await daemon().wire();
    third.send({ type: 'Auth', token: await daemon().session(), ancillary_id: 'c', segment: 'alpha', workspace: 'one' });
    assert.equal((await third.takeType('AuthFailure')).reason, 'Segment/Workspace Alpha@one is already in use by ancillary a');
    assert.deepEqual(expectOk(await daemon().get('/api/workspaces/list/Alpha')), { segment: 'Alpha', workspaces: ['one'], count: 1 });
    expectProblem(await daemon().get('/api/workspaces/list/Nobody'), 404, 'not_found');
    expectProblem(await daemon().post('/api/workspaces/cleanup', { segment: 'Alpha', workspace: 'two' }), 404, 'not_found');
    await wire.shell('echo lost >lost');
    expectProblem(await daemon().post('/api/workspaces/cleanup', { segment: 'Alpha', workspace: 'one' }), 409, 'uncommitted');
    assert.equal(expectOk(await daemon().post('/api/workspaces/cleanup', { segment: 'Alpha', workspace: 'one', force: true }))['success'], true);
    assert.ok(!fs.existsSync(folder));
    await Promise.all([wire.close(), plain.close(), third.close()]);
  });

  test('over REST, one by one', async () => {
    const made = await daemon().post('/v2/segments/Alpha/workspaces', { name: 'Rest' });
    expectOk(made);
    expectOk(await daemon().get('/v2/segments/Alpha/workspaces'));
    expectOk(await daemon().get('/v2/segments/Alpha/workspaces/Rest/diff'));
    expectOk(await daemon().get('/v2/segments/Alpha@Rest/files/stat?path=notes.txt'));
    expectProblem(await daemon().get('/v2/segments/Alpha@Rest/workspaces'), 422, 'invalid_field');
    expectOk(await daemon().post('/v2/segments/Alpha/workspaces/Rest/merge', {}));
    expectOk(await daemon().send('DELETE', '/v2/segments/Alpha/workspaces/Rest'));
    expectProblem(await daemon().send('DELETE', '/v2/segments/Alpha/workspaces/Rest'), 404, 'unknown_workspace');
  });
});

test('without a workspace_root there are none', async (t) => {
  const daemon = await Daemon.start();
  t.after(() => daemon.stop());
  expectProblem(await daemon.get('/v2/segments/Alpha/workspaces'), 501, 'workspaces_not_configured');
  expectProblem(await daemon.post('/v2/segments/Alpha/workspaces', {}), 501, 'workspaces_not_configured');
  expectProblem(await daemon.get('/api/workspaces/list/Alpha'), 501, 'workspaces_not_configured');
  expectProblem(await daemon.post('/api/workspaces/cleanup', { segment: 'Alpha', workspace: 'x' }), 501, 'workspaces_not_configured');
});

for (const [where, why] of [
  ['projects/Alpha/in', 'lies in segment'],
  ['projects', 'holds segment'],
  ['state/in', "lies in Toren's state folder"],
] as const)
  test(`a workspace_root that ${why} is refused at the start`, async (t) => {
    const daemon = Daemon.prepare({ tables: `[ancillary]\nworkspace_root = "${where}"` });
    t.after(() => daemon.stop());
    daemon.spawn();
    assert.equal((await daemon.exited()).code, 1);
    assert.match(daemon.log, new RegExp(`workspace_root '${where}': refused: it ${why}`));
  });
