// vcs.* over v2: what a repository says, by libgit2 and by git in the cage alike, and every change, against git's own
// word for it in the same folder.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, beforeEach, afterEach, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { V2Socket, Refused } from './v2-socket.js';

const daemon = sharedDaemon(
  { before, after },
  { tables: '[vcs]\nauthor_name = "Configured"\nauthor_email = "configured@example.org"\n' },
  async (started) => {
    await started.session();
  },
);

type Fields = Record<string, unknown>;
let client: V2Socket;
beforeEach(async () => {
  client = await V2Socket.open(daemon().port, await daemon().session());
});
afterEach(async () => {
  await client.close();
});

const host = (...names: string[]) => path.join(daemon().path('Alpha'), ...names);
const call = async (operation: string, fields: Fields = {}) => (await client.call(operation, { segment: 'Alpha', ...fields })) as Fields;
async function refusal(operation: string, fields: Fields = {}): Promise<string> {
  try {
    await call(operation, fields);
  } catch (error) {
    if (error instanceof Refused) return error.code;
    throw error;
  }
  throw new Error(`${operation} was not refused`);
}

const kEnvironment = {
  PATH: process.env['PATH'],
  LC_ALL: 'C.UTF-8',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_GLOBAL: '/dev/null',
  GIT_AUTHOR_NAME: 'a',
  GIT_AUTHOR_EMAIL: 'a@example.org',
  GIT_COMMITTER_NAME: 'a',
  GIT_COMMITTER_EMAIL: 'a@example.org',
};
const git = (folder: string, ...args: string[]): string =>
  execFileSync('git', ['-C', host(folder), ...args], { env: kEnvironment, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
const shell = (folder: string, script: string): string =>
  execFileSync('sh', ['-ec', script], { cwd: host(folder), env: kEnvironment, encoding: 'utf8' });
const trimmed = (text: string): string => text.replace(/\n$/, '');

let made = 0;
// A repository of its own with two commits, a file of thirty lines and one in a folder.
function repository(script = ''): string {
  const name = `r${++made}`;
  fs.mkdirSync(host(name));
  shell(
    name,
    `git init -q -b main .; mkdir dir; seq 1 30 >a; seq 40 70 >b; seq 1 5 >dir/c; git add .; git commit -q -m first
     echo second >>b; git commit -q -a -m second; ${script}`,
  );
  return name;
}

const kEngines = ['libgit2', 'git'] as const;

describe('both engines say the same', () => {
  const kScript = `
    git checkout -q -b other; echo o >a; echo o >both; git add .; git commit -q -m 'o: one

body'; git tag light; git tag -a -m 'a tag' heavy; git checkout -q main; git mv dir/c dir/d; echo m >>b
    git commit -q -a -m m; echo kept >>b; git stash push -q -m kept; git branch -q -u main other; git worktree add -q ../w${'$'}(basename ${'$'}PWD) light
    echo staged >>a; git add a; echo unstaged >>a; rm b; echo new >new; mkdir untracked; echo u >untracked/u
    printf 'x' >"$(printf 'line\\nfeed\\303')"; git add new; chmod +x dir/d; echo '*.log' >.gitignore; echo l >x.log`;
  const questions: [string, Fields][] = [
    ['vcs.status', {}],
    ['vcs.status', { untracked: 'all', ignored: true }],
    ['vcs.status', { untracked: 'none' }],
    ['vcs.status', { limit: 2 }],
    ['vcs.diff', { max_file_bytes: 10_000 }],
    ['vcs.diff', { staged: true }],
    ['vcs.diff', { unstaged: true }],
    ['vcs.diff', { from: 'main~1', to: 'other' }],
    ['vcs.diff', { from: 'main', to: 'other', merge_base: true }],
    ['vcs.diff', { from: 'other', patch: false }],
    ['vcs.diff', { commit: 'other', files: ['a'] }],
    ['vcs.diff', { commit: 'main~2' }],
    ['vcs.log', {}],
    ['vcs.log', { all: true }],
    ['vcs.log', { revisions: ['main..other'] }],
    ['vcs.log', { file: 'dir' }],
    ['vcs.log', { limit: 1 }],
    ['vcs.show', { revision: 'other' }],
    ['vcs.content', { revision: 'other', file: 'a' }],
    ['vcs.content', { stage: 0, file: 'a' }],
    ['vcs.refs', { counts: true }],
    ['vcs.stashes', {}],
    ['vcs.worktrees', {}],
  ];
  test('of a repository with something of everything', async () => {
    const name = repository(kScript);
    for (const [operation, fields] of questions) {
      const [first, second] = await Promise.all(kEngines.map((engine) => call(operation, { path: name, ...fields, engine })));
      assert.equal(first?.['engine'], 'libgit2');
      assert.equal(second?.['engine'], 'git');
      assert.deepEqual(comparable(first), comparable(second), `${operation} ${JSON.stringify(fields)}`);
    }
  });

  test('of conflicts', async () => {
    const name = repository(`git checkout -q -b other; echo o >a; git rm -q b; git commit -q -a -m o; git checkout -q main
      echo m >a; echo m >>b; git commit -q -a -m m; git merge -q other >/dev/null || true`);
    for (const operation of ['vcs.status', 'vcs.conflicts']) {
      const [first, second] = await Promise.all(kEngines.map((engine) => call(operation, { path: name, engine })));
      assert.deepEqual(comparable(first, ['activity']), comparable(second, ['activity']), operation);
    }
    const status = await call('vcs.status', { path: name });
    assert.equal((status['activity'] as Fields)['kind'], 'merge');
    assert.deepEqual((status['changes'] as Fields[]).map((one) => [one['path'], one['conflict']]), [['a', 'both_modified'], ['b', 'deleted_by_them']]);
  });

  // What libgit2 leaves out of a difference without saying another thing, and the engine itself.
  function comparable(answer: Fields | undefined, without: string[] = []): unknown {
    return JSON.parse(
      JSON.stringify(answer, (key, value: unknown) => {
        if (key === 'engine' || without.includes(key)) return undefined;
        // Ids of files in the work tree are known to the one that has read them.
        if (key === 'old_id' || key === 'new_id') return undefined;
        if (key === 'patch' && typeof value === 'string')
          return value.replace(/^similarity index .*\n/gm, '').replace(/^index .*\n/gm, '').replace(/^((?:---|\+\+\+) .*)\t$/gm, '$1');
        return value;
      }),
    );
  }
});

describe('where libgit2 cannot be right, git is asked', () => {
  const by = async (name: string) => {
    const status = await call('vcs.status', { path: name });
    const changes = (status['changes'] as Fields[]).map((one) => `${String(one['index'])} ${String(one['work_tree'])} ${String(one['path'])}`);
    return [status['engine'], ...changes];
  };

  test('an external filter', async () => {
    const name = repository(`git config filter.up.clean 'tr a-z A-Z'; git config filter.up.smudge 'tr A-Z a-z'
      echo '*.up filter=up' >.gitattributes; echo text >t.up; git add .; git commit -q -m up; rm t.up; git checkout -q t.up`);
    assert.deepEqual(await by(name), ['git']);
    fs.appendFileSync(host(name, 't.up'), 'more\n');
    assert.deepEqual(await by(name), ['git', 'null modified t.up']);
    const files = (await call('vcs.diff', { path: name }))['files'] as Fields[];
    assert.match(String(files[0]?.['patch']), /^\+MORE$/m, 'the filter ran, in the cage');
  });

  test('SHA-256', async () => {
    const name = `r${++made}`;
    fs.mkdirSync(host(name));
    shell(name, 'git init -q -b main --object-format=sha256 .; echo x >a; git add .; git commit -q -m one; echo y >>a; echo z >z');
    assert.deepEqual(await by(name), ['git', 'null modified a', 'null untracked z']);
    const log = await call('vcs.log', { path: name });
    assert.equal(log['engine'], 'git');
    assert.equal((log['commits'] as Fields[])[0]?.['id'], trimmed(git(name, 'rev-parse', 'HEAD')));
    const commit = await call('vcs.commit', { path: name, all: true, message: 'two' });
    assert.equal((commit['head'] as Fields)['id'], trimmed(git(name, 'rev-parse', 'HEAD')));
  });

  test('a sparse index', async () => {
    const name = repository('git sparse-checkout set --cone --sparse-index dir; echo x >>dir/c');
    assert.deepEqual((await by(name)).slice(1), ['null modified dir/c']);
  });
});

describe('changes', () => {
  const porcelain = (name: string) => git(name, 'status', '--porcelain=v1').split('\n').filter((line) => line !== '');

  test('staging and unstaging by file, by hunk and of all', async () => {
    const name = repository('sed -i -e 1s/^/x/ -e 30s/^/y/ a; rm dir/c; echo n >new');
    await call('vcs.stage', { path: name, files: ['dir/c', 'new'] });
    assert.deepEqual(porcelain(name), [' M a', 'D  dir/c', 'A  new']);
    const whole = ((await call('vcs.diff', { path: name, unstaged: true }))['files'] as Fields[])[0]?.['patch'] as string;
    const [head, first] = whole.split(/^(?=@@)/m) as [string, string];
    await call('vcs.stage', { path: name, patch: head + first });
    assert.equal(git(name, 'diff', '--cached', 'a').match(/^@@/gm)?.length, 1);
    assert.match(git(name, 'diff', '--cached', 'a'), /^\+x1$/m);
    await call('vcs.unstage', { path: name, patch: head + first });
    assert.equal(git(name, 'diff', '--cached', 'a'), '');
    await call('vcs.discard', { path: name, patch: head + first });
    assert.doesNotMatch(git(name, 'diff', 'a'), /x1/);
    assert.match(git(name, 'diff', 'a'), /y30/);
    await call('vcs.stage', { path: name, all: true });
    await call('vcs.unstage', { path: name, files: ['new'] });
    assert.deepEqual(porcelain(name), ['M  a', 'D  dir/c', '?? new']);
    await call('vcs.unstage', { path: name, all: true });
    await call('vcs.discard', { path: name, files: ['a', 'dir/c'] });
    assert.deepEqual(porcelain(name), ['?? new']);
    assert.equal(await refusal('vcs.stage', { path: name, files: ['nothing'] }), 'file_not_found');
    assert.equal(await refusal('vcs.stage', { path: name, patch: head + first + first }), 'no_match');
    assert.equal(await refusal('vcs.stage', { path: name }), 'invalid_field');
  });

  test('names are names: no options, no patterns', async () => {
    const name = repository("touch -- '-n' '*' ':(top)x' \"$(printf 'l\\nf')\"; echo x >>a");
    for (const file of ['-n', '*', ':(top)x', 'l\nf']) await call('vcs.stage', { path: name, file });
    assert.deepEqual(git(name, 'diff', '--cached', '--name-only', '-z').split('\0'), ['*', '-n', ':(top)x', 'l\nf', '']);
    for (const revision of ['-h', '--all', '', 'a\nb'])
      assert.match(await refusal('vcs.switch', { path: name, revision }), /invalid_field/, JSON.stringify(revision));
    assert.equal(await refusal('vcs.branch', { path: name, name: '--list' }), 'invalid_field');
  });

  test('commits: author by configuration, by the repository, by the request; hooks in the cage', async () => {
    const name = repository('echo 1 >>a');
    const one = await call('vcs.commit', { path: name, all: true, message: 'subject\n\nbody #1\n# kept\n' });
    const head = one['head'] as Fields;
    assert.equal(head['message'], 'subject\n\nbody #1\n# kept\n');
    assert.equal(git(name, 'log', '-1', '--format=%an <%ae> %cn'), 'Configured <configured@example.org> Configured\n');
    assert.equal(await refusal('vcs.commit', { path: name, message: 'nothing' }), 'nothing_to_commit');
    shell(name, `git config user.name Own; git config user.email own@example.org; echo 2 >>a
      printf '#!/bin/sh\\ncat /proc/self/status | grep -E "^(NoNewPrivs|Seccomp):" >hooked\\n' >.git/hooks/pre-commit; chmod +x .git/hooks/pre-commit`);
    await call('vcs.commit', { path: name, files: ['a'], message: 'by file' });
    assert.equal(git(name, 'log', '-1', '--format=%an'), 'Own\n');
    assert.match(fs.readFileSync(host(name, 'hooked'), 'utf8'), /NoNewPrivs:\s*1\nSeccomp:\s*2/, 'the hook ran, and in the cage');
    fs.rmSync(host(name, 'hooked'));
    await call('vcs.commit', { path: name, amend: true, allow_empty: true, hooks: false, author: 'Other <other@example.org>', message: 'amended' });
    assert.equal(git(name, 'log', '-1', '--format=%an %s'), 'Other amended\n');
    assert.ok(!fs.existsSync(host(name, 'hooked')));
    shell(name, `printf '#!/bin/sh\\necho no >&2\\nexit 1\\n' >.git/hooks/pre-commit; echo 3 >>a`);
    assert.equal(await refusal('vcs.commit', { path: name, all: true, message: 'x' }), 'vcs_failed');
  });

  test('branches, tags and switching', async () => {
    const name = repository();
    await call('vcs.branch', { path: name, name: 'feature/one', from: 'main~1' });
    await call('vcs.switch', { path: name, branch: 'feature/one' });
    assert.equal(git(name, 'symbolic-ref', 'HEAD'), 'refs/heads/feature/one\n');
    await call('vcs.branch', { path: name, name: 'two', switch: true });
    await call('vcs.branch_rename', { path: name, name: 'two', to: 'three' });
    await call('vcs.switch', { path: name, revision: 'main' });
    assert.equal((await call('vcs.status', { path: name }))['branch'], null);
    await call('vcs.branch_delete', { path: name, name: 'three' });
    assert.equal(await refusal('vcs.branch_delete', { path: name, name: 'nothing' }), 'vcs_failed');
    await call('vcs.tag', { path: name, name: 'v1', message: 'one' });
    await call('vcs.tag', { path: name, name: 'v0', revision: 'main~1' });
    assert.equal(await refusal('vcs.tag', { path: name, name: 'v1' }), 'exists');
    assert.equal(git(name, 'for-each-ref', '--format=%(refname) %(objecttype)'), 'refs/heads/feature/one commit\nrefs/heads/main commit\nrefs/tags/v0 commit\nrefs/tags/v1 tag\n');
    await call('vcs.tag_delete', { path: name, name: 'v0' });
    fs.appendFileSync(host(name, 'b'), 'changed');
    await call('vcs.switch', { path: name, branch: 'main' });
    assert.equal(await refusal('vcs.switch', { path: name, branch: 'feature/one' }), 'vcs_failed');
    await call('vcs.switch', { path: name, branch: 'feature/one', discard: true });
    assert.equal(await refusal('vcs.switch', { path: name, branch: 'nothing' }), 'unknown_revision');
    await call('vcs.reset', { path: name, revision: 'main', mode: 'hard' });
    assert.equal(git(name, 'rev-parse', 'HEAD'), git(name, 'rev-parse', 'main'));
  });

  test('stashes by their ids', async () => {
    const name = repository('echo 1 >>a');
    await call('vcs.stash', { path: name, message: 'one' });
    fs.writeFileSync(host(name, 'new'), 'n');
    await call('vcs.stash', { path: name, message: 'two', untracked: true });
    const stashes = (await call('vcs.stashes', { path: name }))['stashes'] as Fields[];
    assert.deepEqual(stashes.map((one) => one['message']), ['On main: two', 'On main: one']);
    await call('vcs.stash_pop', { path: name, stash: stashes[1]?.['id'] });
    assert.deepEqual(porcelain(name), [' M a']);
    await call('vcs.stash_apply', { path: name, stash: stashes[0]?.['id'] });
    assert.deepEqual(porcelain(name), [' M a', '?? new']);
    await call('vcs.stash_drop', { path: name, stash: stashes[0]?.['id'] });
    assert.equal(git(name, 'stash', 'list'), '');
    assert.equal(await refusal('vcs.stash_pop', { path: name, stash: stashes[0]?.['id'] }), 'unknown_revision');
  });

  test('a merge that stops at a conflict goes on or is given up', async () => {
    const name = repository(`git checkout -q -b other; echo o >a; git commit -q -a -m o; git checkout -q main; echo m >a; git commit -q -a -m m`);
    for (const step of ['abort', 'continue']) {
      const stopped = await call('vcs.merge', { path: name, revision: 'other' });
      assert.deepEqual([stopped['completed'], stopped['conflicts']], [false, [{ path: 'a' }]]);
      if (step === 'continue') {
        fs.writeFileSync(host(name, 'a'), 'both\n');
        await call('vcs.stage', { path: name, files: ['a'] });
      }
      const done = await call('vcs.sequence', { path: name, step });
      assert.equal(done['completed'], true);
      assert.equal((await call('vcs.status', { path: name }))['activity'], null);
    }
    assert.equal(git(name, 'log', '-1', '--format=%p').split(' ').length, 2);
    assert.equal(await refusal('vcs.sequence', { path: name, step: 'continue' }), 'ended');
  });

  test('rebase, cherry-pick and revert', async () => {
    const name = repository(`git checkout -q -b other; echo o >o; git add o; git commit -q -m o; git checkout -q main; echo m >m; git add m; git commit -q -m m`);
    await call('vcs.switch', { path: name, branch: 'other' });
    assert.equal((await call('vcs.rebase', { path: name, onto: 'main' }))['completed'], true);
    assert.equal(git(name, 'log', '--format=%s'), 'o\nm\nsecond\nfirst\n');
    await call('vcs.switch', { path: name, branch: 'main' });
    await call('vcs.cherry_pick', { path: name, revision: 'other' });
    await call('vcs.revert', { path: name, revision: 'HEAD' });
    assert.equal(git(name, 'log', '--format=%s', '-2'), 'Revert "o"\no\n');
  });

  test('a lock that somebody left is told as such', async () => {
    const name = repository('echo x >>a; : >.git/index.lock');
    assert.equal(await refusal('vcs.stage', { path: name, all: true }), 'vcs_locked');
    await call('files.delete', { path: `${name}/.git/index.lock` });
    await call('vcs.stage', { path: name, all: true });
  });

  test('many at once to one work tree wait for each other', async () => {
    const name = repository();
    for (let i = 0; i < 12; i++) fs.writeFileSync(host(name, `f${i}`), 'x');
    await Promise.all(Array.from({ length: 12 }, (_, i) => call('vcs.stage', { path: name, files: [`f${i}`] })));
    assert.equal(porcelain(name).filter((line) => line.startsWith('A ')).length, 12);
  });

  test('blame is git\'s', async () => {
    const name = repository('sed -i 2s/^/x/ a; git commit -q -a -m third; sed -i 1s/^/y/ a');
    const runs = (await call('vcs.blame', { path: name, file: 'a', content: true }))['runs'] as Fields[];
    const lines = git(name, 'blame', '--line-porcelain', 'a').split('\n').filter((line) => /^[0-9a-f]{40} /.test(line));
    const found = runs.flatMap((run) => Array.from({ length: Number(run['lines']) }, () => run['commit'] ?? '0'.repeat(40)));
    assert.deepEqual(found, lines.map((line) => line.slice(0, 40)));
    assert.equal(runs.map((run) => run['content']).join(''), fs.readFileSync(host(name, 'a'), 'utf8'));
    const some = (await call('vcs.blame', { path: name, file: 'a', revision: 'HEAD~1', from_line: 3, lines: 2 }))['runs'] as Fields[];
    assert.deepEqual(some.map((run) => [run['line'], run['lines']]), [[3, 2]]);
    assert.equal(await refusal('vcs.blame', { path: name, file: 'nothing' }), 'file_not_found');
  });

  test('fetch, pull, push and clone are processes of the segment', async () => {
    const name = repository('git config receive.denyCurrentBranch updateInstead');
    const run = async (operation: string, fields: Fields) => {
      const started = await call(operation, fields);
      const ended = await call('processes.wait', { process: started['process'], wait_seconds: 30 });
      const output = await call('processes.output', { process: started['process'] });
      assert.equal((ended['exit'] as Fields | undefined)?.['code'], 0, JSON.stringify([ended, output]));
    };
    await run('vcs.clone', { url: `file://${host(name)}`, folder: `${name}-clone` });
    shell(name, 'echo pulled >>b; git commit -q -a -m pulled');
    await run('vcs.fetch', { path: `${name}-clone`, remote: 'origin' });
    assert.equal((await call('vcs.status', { path: `${name}-clone` }))['behind'], 1);
    await run('vcs.pull', { path: `${name}-clone`, only_fast_forward: true });
    fs.appendFileSync(host(`${name}-clone`, 'a'), 'pushed\n');
    await call('vcs.commit', { path: `${name}-clone`, all: true, message: 'pushed' });
    await run('vcs.push', { path: `${name}-clone` });
    assert.equal(git(name, 'log', '-1', '--format=%s'), 'pushed\n');
  });
});
