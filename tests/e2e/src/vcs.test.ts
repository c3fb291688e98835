// Status and diff of real repositories, and of hostile ones (legacy flaw 7).
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';

import { sharedDaemon } from './daemon.js';
import { fieldsOf, parseStatus, type Status } from './messages.js';
import { expectOk, expectProblem, type Answer } from './rest.js';

// A repository that makes the worker wait for ever (a FIFO) costs its own request the time limit, and no more.
const daemon = sharedDaemon({ before, after }, { tables: '[limits]\nservice_seconds = 3' });
const alpha = (...parts: string[]): string => daemon().path('Alpha', ...parts);

function git(folder: string, ...args: string[]): string {
  return execFileSync(
    'git',
    ['-c', 'user.name=Tester', '-c', 'user.email=tester@example.org', '-c', 'commit.gpgsign=false', ...args],
    {
      cwd: folder,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: daemon().folder, GIT_CONFIG_NOSYSTEM: '1', LC_ALL: 'C' },
    },
  );
}

// A repository with one commit of a few files, in a folder of its own.
function repository(name: string): string {
  const folder = alpha(name);
  fs.mkdirSync(folder, { recursive: true });
  git(folder, 'init', '-q', '-b', 'main');
  for (const file of ['changed.txt', 'removed.txt', 'old-name.txt', 'same.txt'])
    fs.writeFileSync(path.join(folder, file), `${file}: a first line\nand a second one\n`);
  git(folder, 'add', '.');
  git(folder, 'commit', '-q', '-m', 'first');
  return folder;
}

const ask = (folder: string): Promise<Answer> => daemon().post('/api/vcs/status', { path: folder });

async function status(folder: string): Promise<Status> {
  // REST gives the fields themselves.
  return parseStatus(fieldsOf(expectOk(await ask(folder)), 'status'));
}

async function diff(folder: string): Promise<string> {
  return String(expectOk(await daemon().post('/api/vcs/diff', { path: folder }))['diff']);
}

const clean: Status = {
  vcs_type: 'Git',
  branch: 'main',
  modified: [],
  added: [],
  deleted: [],
  untracked: [],
  renamed: [],
  conflicted: [],
};

describe('status', () => {
  test('a clean repository', async () => {
    assert.deepEqual(await status(repository('clean')), clean);
  });

  test('each kind of change is told apart', async () => {
    const folder = repository('changes');
    fs.appendFileSync(path.join(folder, 'changed.txt'), 'one more\n');
    fs.rmSync(path.join(folder, 'removed.txt'));
    git(folder, 'mv', 'old-name.txt', 'new-name.txt');
    fs.writeFileSync(path.join(folder, 'staged.txt'), 'staged\n');
    fs.writeFileSync(path.join(folder, 'staged-then-changed.txt'), 'staged\n');
    git(folder, 'add', 'staged.txt', 'staged-then-changed.txt');
    fs.appendFileSync(path.join(folder, 'staged-then-changed.txt'), 'changed\n');
    fs.mkdirSync(path.join(folder, 'fresh'));
    fs.writeFileSync(path.join(folder, 'fresh/file.txt'), 'nobody knows me\n');
    fs.writeFileSync(path.join(folder, '.gitignore'), '*.log\n');
    git(folder, 'add', '.gitignore');
    fs.writeFileSync(path.join(folder, 'ignored.log'), 'x');
    const found = await status(folder);
    assert.deepEqual(found.deleted, ['removed.txt']);
    assert.deepEqual(found.renamed, [{ from: 'old-name.txt', to: 'new-name.txt' }]);
    assert.deepEqual([...found.added].sort(), ['.gitignore', 'staged.txt']);
    assert.deepEqual([...found.modified].sort(), ['changed.txt', 'staged-then-changed.txt'], 'AM counts as modified');
    assert.equal(found.untracked.length, 1);
    assert.match(found.untracked[0] ?? '', /^fresh\/(file\.txt)?$/);
    assert.deepEqual(found.conflicted, []);
  });

  test('a conflict is told', async () => {
    const folder = repository('conflict');
    git(folder, 'checkout', '-q', '-b', 'other');
    fs.writeFileSync(path.join(folder, 'changed.txt'), 'theirs\n');
    git(folder, 'commit', '-qam', 'theirs');
    git(folder, 'checkout', '-q', 'main');
    fs.writeFileSync(path.join(folder, 'changed.txt'), 'ours\n');
    git(folder, 'commit', '-qam', 'ours');
    assert.throws(() => git(folder, 'merge', '-q', 'other'));
    assert.deepEqual(await status(folder), { ...clean, conflicted: ['changed.txt'] });
  });

  test('an empty repository is on its branch', async () => {
    const folder = alpha('empty');
    fs.mkdirSync(folder);
    git(folder, 'init', '-q', '-b', 'main');
    assert.deepEqual(await status(folder), clean);
    fs.writeFileSync(path.join(folder, 'a'), 'x');
    git(folder, 'add', 'a');
    assert.deepEqual((await status(folder)).added, ['a']);
  });

  test('a branch with a slash, and no branch at all', async () => {
    const folder = repository('branches');
    git(folder, 'checkout', '-q', '-b', 'feature/one');
    assert.equal((await status(folder)).branch, 'feature/one');
    git(folder, 'checkout', '-q', '--detach');
    assert.equal((await status(folder)).branch, null);
  });

  test('asked in a subfolder, the repository above answers; what is not in one is None', async () => {
    const folder = repository('nested');
    fs.mkdirSync(path.join(folder, 'sub/deep'), { recursive: true });
    fs.appendFileSync(path.join(folder, 'changed.txt'), 'more\n');
    const found = await status(path.join(folder, 'sub/deep'));
    assert.equal(found.branch, 'main');
    assert.deepEqual(found.modified, ['changed.txt']);
    fs.mkdirSync(alpha('plain-folder'));
    assert.deepEqual(await status(alpha('plain-folder')), { ...clean, vcs_type: 'None', branch: null });
  });

  test('a repository above the segment is out of reach', async () => {
    git(daemon().projects, 'init', '-q', '-b', 'above');
    try {
      const found = await status(alpha());
      assert.equal(found.vcs_type, 'None');
      assert.equal(found.branch, null);
    } finally {
      fs.rmSync(daemon().path('.git'), { recursive: true });
    }
  });

  test('jj is looked for before git', async () => {
    const folder = repository('jj');
    fs.mkdirSync(path.join(folder, '.jj/repo'), { recursive: true });
    const answer = await ask(folder);
    if (answer.status === 200) assert.equal(JSON.parse(answer.text).vcs_type, 'Jj');
    else expectProblem(answer, 400, 'unsupported_repository');
  });

  test('a name that is not UTF-8 or holds a newline arrives, and the answer is valid', async () => {
    const folder = repository('names');
    fs.writeFileSync(Buffer.concat([Buffer.from(`${folder}/caf`), Buffer.from([0xe9])]), 'x');
    fs.writeFileSync(path.join(folder, 'new\nline "quoted" ü'), 'x');
    assert.deepEqual([...(await status(folder)).untracked].sort(), ['caf\ufffd', 'new\nline "quoted" ü']);
  });

  test('over the WebSocket it is the same, by requestId', async () => {
    const folder = repository('socket');
    fs.appendFileSync(path.join(folder, 'changed.txt'), 'more\n');
    const wire = await daemon().open();
    wire.send({ type: 'VcsStatus', requestId: 'v', path: folder });
    assert.deepEqual((await wire.takeType('VcsStatus', 'v')).status, await status(folder));
    wire.send({ type: 'VcsStatus', requestId: 'w', path: '/etc' });
    assert.equal((await wire.takeType('Error', 'w')).code, 'path_outside_segment');
    await wire.close();
  });

  test('many at once', async () => {
    const folder = repository('many');
    for (const answer of await Promise.all(Array.from({ length: 20 }, () => ask(folder))))
      assert.equal(expectOk(answer)['branch'], 'main');
  });

  test('a path outside or missing is an error', async () => {
    expectProblem(await ask(daemon().folder), 400, 'path_outside_segment');
    expectProblem(await ask(`${alpha()}/../..`), 400, 'path_outside_segment');
    expectProblem(await ask(alpha('missing')), 400, 'file_not_found');
    fs.symlinkSync('/etc', alpha('etc'));
    expectProblem(await ask(alpha('etc')), 400, 'path_outside_segment');
  });
});

describe('diff', () => {
  test('shows what changed, as git does', async () => {
    const folder = repository('diff');
    assert.equal(await diff(folder), '');
    fs.writeFileSync(path.join(folder, 'changed.txt'), 'changed.txt: a first line\nand another one\n');
    const text = await diff(folder);
    assert.equal(text, git(folder, 'diff'));
    assert.match(text, /^-and a second one$/m);
    assert.match(text, /^\+and another one$/m);
  });

  test('a binary file is named, and bytes that are not UTF-8 are marked', async () => {
    const folder = repository('diff-bytes');
    fs.writeFileSync(path.join(folder, 'same.txt'), Buffer.from([0, 1, 2, 0xff]));
    fs.writeFileSync(path.join(folder, 'changed.txt'), Buffer.from('caf\xe9\n', 'latin1'));
    const text = await diff(folder);
    assert.match(text, /Binary files .*same\.txt differ/);
    assert.match(text, /^\+caf\ufffd$/m);
  });

  test('of a folder without a repository is an error', async () => {
    fs.mkdirSync(alpha('no-repository'));
    expectProblem(await daemon().post('/api/vcs/diff', { path: alpha('no-repository') }), 400, 'not_a_repository');
  });
});

describe('a hostile repository', () => {
  // A program in the segment that leaves a mark wherever it may run.
  function trap(folder: string): { program: string; marks: () => string[] } {
    const program = path.join(folder, 'trap.sh');
    fs.writeFileSync(program, `#!/bin/sh\ntouch ${folder}/caught /tmp/caught-$$ 2>/dev/null\ncat\n`);
    fs.chmodSync(program, 0o755);
    return { program, marks: () => fs.readdirSync(folder).filter((name) => name === 'caught') };
  }

  test('cannot make status or diff run a program', async () => {
    const folder = repository('trap');
    const { program, marks } = trap(folder);
    fs.appendFileSync(
      path.join(folder, '.git/config'),
      `[core]\n\tfsmonitor = ${program}\n\thooksPath = ${folder}/hooks\n\tpager = ${program}\n\tsshCommand = ${program}\n` +
        `[diff]\n\texternal = ${program}\n[diff "trap"]\n\tcommand = ${program}\n\ttextconv = ${program}\n` +
        `[filter "trap"]\n\tclean = ${program}\n\tsmudge = ${program}\n\tprocess = ${program}\n\trequired = true\n` +
        `[merge "trap"]\n\tdriver = ${program}\n[alias]\n\tstatus = !${program}\n`,
    );
    fs.writeFileSync(path.join(folder, '.gitattributes'), '* filter=trap diff=trap merge=trap\n');
    fs.mkdirSync(path.join(folder, 'hooks'));
    for (const hook of ['fsmonitor-watchman', 'post-index-change', 'pre-commit'])
      fs.copyFileSync(program, path.join(folder, 'hooks', hook));
    fs.writeFileSync(path.join(folder, 'changed.txt'), 'changed.txt: a first line\nand another one\n');

    // The trap works: git itself falls into it.
    try {
      git(folder, 'status');
    } catch {
      // the trap is no filter that speaks git's protocol, so git gives up; but it has run
    }
    assert.deepEqual(marks(), ['caught'], 'this test would see it');
    fs.rmSync(path.join(folder, 'caught'));

    // A filter is git's to ask, in the cage, under a profile that writes nothing; everything else runs nowhere.
    for (const answer of [await ask(folder), await daemon().post('/api/vcs/diff', { path: folder })])
      if (answer.status !== 200) expectProblem(answer, 400, 'unsupported_repository', 'broken_repository', 'not_a_repository', 'vcs_failed');
    assert.deepEqual(marks(), []);
  });

  const kSecret = 'top-secret-name.txt';
  function outside(): string {
    const folder = path.join(daemon().folder, 'outside-repository');
    if (!fs.existsSync(folder)) {
      fs.mkdirSync(folder);
      git(folder, 'init', '-q', '-b', 'secret-branch');
      fs.writeFileSync(path.join(folder, kSecret), 'top secret content\n');
      git(folder, 'add', '.');
      git(folder, 'commit', '-q', '-m', 'secret');
      fs.writeFileSync(path.join(folder, kSecret), 'changed secret content\n');
    }
    return folder;
  }

  async function expectNothingFromOutside(folder: string): Promise<void> {
    for (const answer of [await ask(folder), await daemon().post('/api/vcs/diff', { path: folder })]) {
      assert.doesNotMatch(answer.text, /secret-branch|top-secret|secret content/);
      if (answer.status !== 200) expectProblem(answer, 400, 'unsupported_repository', 'broken_repository', 'not_a_repository', 'path_outside_segment', 'file_not_found', 'permission_denied');
    }
  }

  test('cannot borrow a repository, a work tree, objects or settings from outside', async () => {
    const away = outside();
    const cases: [string, (folder: string) => void][] = [
      ['gitdir file', (folder) => {
        fs.rmSync(path.join(folder, '.git'), { recursive: true });
        fs.writeFileSync(path.join(folder, '.git'), `gitdir: ${away}/.git\n`);
      }],
      ['git folder link', (folder) => {
        fs.rmSync(path.join(folder, '.git'), { recursive: true });
        fs.symlinkSync(`${away}/.git`, path.join(folder, '.git'));
      }],
      ['core.worktree', (folder) => git(folder, 'config', 'core.worktree', away)],
      ['commondir', (folder) => fs.writeFileSync(path.join(folder, '.git/commondir'), `${away}/.git\n`)],
      ['alternates', (folder) => {
        fs.writeFileSync(path.join(folder, '.git/objects/info/alternates'), `${away}/.git/objects\n`);
        fs.writeFileSync(path.join(folder, '.git/refs/heads/main'), git(away, 'rev-parse', 'HEAD'));
      }],
      ['include', (folder) => git(folder, 'config', 'include.path', `${away}/.git/config`)],
      ['excludes file', (folder) => git(folder, 'config', 'core.excludesFile', `${away}/${kSecret}`)],
      ['HEAD link', (folder) => {
        fs.rmSync(path.join(folder, '.git/HEAD'));
        fs.symlinkSync(`${away}/.git/HEAD`, path.join(folder, '.git/HEAD'));
      }],
      ['file link', (folder) => {
        fs.rmSync(path.join(folder, 'changed.txt'));
        fs.symlinkSync(`${away}`, path.join(folder, 'changed.txt'));
      }],
    ];
    for (const [name, plant] of cases) {
      const folder = repository(`borrow-${name.replace(/\W/g, '-')}`);
      plant(folder);
      await expectNothingFromOutside(folder).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
    }
  });

  test('that is broken gets an answer, and the next repository too', async () => {
    const breaks: [string, (folder: string) => void][] = [
      ['garbage index', (folder) => fs.writeFileSync(path.join(folder, '.git/index'), Buffer.alloc(5000, 0xff))],
      ['cut index', (folder) => fs.truncateSync(path.join(folder, '.git/index'), 40)],
      ['garbage HEAD', (folder) => fs.writeFileSync(path.join(folder, '.git/HEAD'), '\0\x01garbage')],
      ['HEAD to itself', (folder) => fs.writeFileSync(path.join(folder, '.git/HEAD'), 'ref: HEAD\n')],
      ['garbage config', (folder) => fs.writeFileSync(path.join(folder, '.git/config'), '[[[[\0')],
      ['garbage objects', (folder) => {
        for (const name of fs.readdirSync(path.join(folder, '.git/objects'), { recursive: true }) as string[]) {
          const file = path.join(folder, '.git/objects', name);
          if (!fs.statSync(file).isFile()) continue;
          fs.chmodSync(file, 0o600);
          fs.writeFileSync(file, 'garbage');
        }
      }],
      ['FIFO as HEAD', (folder) => {
        fs.rmSync(path.join(folder, '.git/HEAD'));
        execFileSync('mkfifo', [path.join(folder, '.git/HEAD')]);
      }],
      ['new format', (folder) => git(folder, 'config', 'core.repositoryformatversion', '99')],
      ['deep config', (folder) => fs.writeFileSync(path.join(folder, '.git/config'), `[a "${'x'.repeat(1_000_000)}"]\nb = c\n`)],
    ];
    const good = repository('good');
    for (const [name, spoil] of breaks) {
      const folder = repository(`broken-${name.replace(/\W/g, '-')}`);
      spoil(folder);
      const answer = await ask(folder).catch((error: Error) => {
        throw new Error(`${name}: ${error.message}`);
      });
      if (answer.status !== 200) assert.match(answer.headers['content-type'] ?? '', /problem\+json/, name);
      assert.equal((await status(good)).branch, 'main', `after ${name}`);
    }
  });
});
