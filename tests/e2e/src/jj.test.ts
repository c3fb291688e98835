// Jujutsu, over v2 and v1: on a machine without jj; with a stand-in that prints the transcripts of
// tests/unit/jj_transcripts, so that all but jj itself is real; and with a real jj, where one is in PATH.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';

import { sharedDaemon } from './daemon.js';
import { withArgument } from './processes.js';
import { expectOk, expectProblem } from './rest.js';
import { V2Socket } from './v2-socket.js';
import { until } from './wait.js';

type Fields = Record<string, unknown>;
interface Commit {
  commit_id: string;
  change_id: string;
  description: string;
  author: { name: string; email: string };
  bookmarks: string[];
  working_copy: boolean;
}
interface Changed {
  working_copy: Commit | null;
  messages: string;
}
interface Change {
  path: string;
  status: string;
  from?: string;
  added?: number;
  removed?: number;
}
interface Status {
  commit: Commit;
  parents: Commit[];
  changes: Change[];
  conflicts: { path: string; sides: number }[];
}

function find(program: string, folders: string): string | undefined {
  return folders
    .split(':')
    .map((folder) => path.join(folder, program))
    .find((file) => fs.existsSync(file));
}
const inCage = find('jj', '/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin');
const real = find('jj', process.env['PATH'] ?? '');

const transcripts = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../unit/jj_transcripts');
const transcript = (name: string): string => fs.readFileSync(path.join(transcripts, `${name}.txt`), 'utf8').replace(/^(# .*\n)+/, '');

// A folder with a program `jj` that every command of the daemon finds first.
function tools(): { folder: string; options: { env: Record<string, string>; tables: string } } {
  const folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'toren-e2e-jj-')));
  process.on('exit', () => fs.rmSync(folder, { recursive: true, force: true }));
  const tables = `[confinement]\nprofile = "tools"\n[profiles.tools]\nread_only = [${JSON.stringify(folder)}]\nenvironment = ["PATH"]\n`;
  return { folder, options: { env: { PATH: `${folder}:/usr/local/bin:/usr/bin:/bin` }, tables } };
}

describe('without jj', { skip: inCage !== undefined && `SKIPPED: the cage has ${inCage}` }, () => {
  const daemon = sharedDaemon({ before, after });
  const open = async () => V2Socket.open(daemon().port, await daemon().session());

  test('every operation says not_installed', async () => {
    const needed: Record<string, Fields> = {
      'jj.show': { revision: '@' }, 'jj.describe': { message: 'm' }, 'jj.operation.restore': { operation: '@-' },
      'jj.bookmark.create': { name: 'b' }, 'jj.bookmark.set': { name: 'b' }, 'jj.bookmark.move': { name: 'b' },
      'jj.bookmark.delete': { name: 'b' }, 'jj.workspace.add': { folder: 'w' }, 'jj.workspace.forget': { name: 'w' },
    };
    const client = await open();
    for (const operation of [
      'jj.status', 'jj.show', 'jj.diff', 'jj.log', 'jj.bookmarks', 'jj.operations', 'jj.workspaces', 'jj.describe', 'jj.new',
      'jj.squash', 'jj.bookmark.create', 'jj.bookmark.set', 'jj.bookmark.move', 'jj.bookmark.delete', 'jj.undo', 'jj.redo',
      'jj.operation.restore', 'jj.workspace.add', 'jj.workspace.forget', 'jj.workspace.update_stale',
    ])
      assert.equal((await client.refused(operation, needed[operation] ?? {})).code, 'not_installed', operation);
    expectProblem(await daemon().get('/v2/segments/Alpha/jj/status?snapshot=false'), 501, 'not_installed');
    expectProblem(await daemon().post('/v2/segments/Alpha/jj/workspaces/update-stale', {}), 501, 'not_installed');
  });

  test('a path that is none is told before', async () => {
    daemon().write('Alpha/file', 'x');
    const client = await open();
    assert.equal((await client.refused('jj.status', { path: 'nowhere' })).code, 'file_not_found');
    assert.equal((await client.refused('jj.status', { path: 'file' })).code, 'not_folder');
    assert.equal((await client.refused('jj.log', { path: '../..' })).code, 'path_outside_segment');
    assert.equal((await client.refused('jj.log', { cursor: 'A' })).code, 'invalid_cursor');
  });

  test('v1 says as before that the repository is not supported', async () => {
    fs.mkdirSync(daemon().path('Alpha', 'pure/.jj/repo'), { recursive: true });
    expectProblem(await daemon().post('/api/vcs/status', { path: daemon().path('Alpha', 'pure') }), 400, 'unsupported_repository');
  });
});

describe('with a stand-in that prints transcripts', () => {
  const { folder, options } = tools();
  // What it prints the repository says in .answer and .error; what it got is in its messages.
  fs.writeFileSync(
    path.join(folder, 'jj'),
    `#!/bin/sh
here=\${0%/*}
for word; do case $word in --*) ;; *) break ;; esac; done
(: >.jj/written) 2>/dev/null
if [ -e .error ]; then cat "$here/$(cat .error)" >&2; exit "$(cat .code 2>/dev/null || echo 1)"; fi
case $word in
log | operation | bookmark | workspace | diff)
  case "$*" in
  *' --git'*) cat "$here/patch" ;;
  *endless*) while cat "$here/log"; do :; done ;;
  *--template=*) cat "$here/$(cat .answer)" ;;
  *) printf '%s\\n' "$@" >&2 ;;
  esac ;;
*) printf '%s\\n' "$@" "$JJ_USER" "$JJ_EMAIL" "$JJ_EDITOR" >&2 ;;
esac
`,
    { mode: 0o755 },
  );
  for (const file of fs.readdirSync(transcripts)) fs.writeFileSync(path.join(folder, path.parse(file).name), transcript(path.parse(file).name));
  const daemon = sharedDaemon({ before, after }, options, async (started) => {
    await started.session();
  });
  const open = async () => V2Socket.open(daemon().port, await daemon().session());
  const repository = (name: string, files: Record<string, string>): void => {
    fs.mkdirSync(daemon().path('Alpha', name, '.jj'), { recursive: true });
    for (const [file, text] of Object.entries(files)) daemon().write(`Alpha/${name}/${file}`, text);
  };

  test('status, of a snapshot and without one', async () => {
    repository('status', { '.answer': 'status' });
    const client = await open();
    const written = daemon().path('Alpha', 'status/.jj/written');
    const before = await client.call<Status>('jj.status', { path: 'status', snapshot: false });
    assert.equal(fs.existsSync(written), false, 'under the profile that writes nothing');
    assert.deepEqual(await client.call<Status>('jj.status', { path: 'status' }), before);
    assert.equal(fs.existsSync(written), true);
    assert.equal(before.commit.description, 'second\n');
    assert.deepEqual(before.changes.map((one) => one.status), ['modified', 'modified', 'removed', 'renamed', 'copied', 'added']);
    assert.deepEqual(before.conflicts, [{ path: 'file2', sides: 2 }]);
    assert.deepEqual(await client.call<Status>('jj.show', { path: 'status', revision: '@' }), before);
  });

  test('v1 gets the status of a repository without a Git one', async () => {
    repository('v1', { '.answer': 'status' });
    const answer = await daemon().post('/api/vcs/status', { path: daemon().path('Alpha', 'v1') });
    const status = expectOk(answer);
    assert.deepEqual([status['vcs_type'], status['branch'], status['deleted'], status['conflicted']], ['Jj', 'second', ['gone'], ['file2']]);
    daemon().write('Alpha/v1/.error', 'error_no_repository');
    expectProblem(await daemon().post('/api/vcs/status', { path: daemon().path('Alpha', 'v1') }), 400, 'unsupported_repository');
  });

  test('pages of the log, and an end that comes when enough is known', async () => {
    repository('log', { '.answer': 'log' });
    const client = await open();
    const first = await client.call<{ commits: Commit[]; cursor: string }>('jj.log', { path: 'log', limit: 2 });
    assert.deepEqual(first.commits.map((one) => one.description), ['second\n', 'first\n']);
    const second = await client.call<{ commits: Commit[]; cursor: null }>('jj.log', { path: 'log', limit: 2, cursor: first.cursor });
    assert.deepEqual([second.commits.map((one) => one.description), second.cursor], [[''], null]);
    assert.equal((await client.refused('jj.log', { path: 'log', cursor: 'aa.bb' })).code, 'invalid_cursor');
    const endless = await client.call<{ commits: Commit[] }>('jj.log', { path: 'log', revset: 'endless', limit: 5 });
    assert.equal(endless.commits.length, 5);
    await until('the program to be gone', () => withArgument('--revisions=endless').length === 0);
    const waiting = client.start('jj.log', { path: 'log', revset: 'endless', cursor: 'aa.bb' });
    await until('the program to run', () => withArgument('--revisions=endless').length > 0);
    await client.call('cancel', { request: waiting.stream.id });
    await assert.rejects(waiting.result, /cancelled/);
    await until('the program to be gone', () => withArgument('--revisions=endless').length === 0);
  });

  test('a diff: summary, counted, and as a patch', async () => {
    repository('diff', { '.answer': 'diff' });
    const client = await open();
    const changes = async (more: Fields) => client.call<{ changes: Change[]; added?: number; content?: string }>('jj.diff', { path: 'diff', ...more });
    assert.deepEqual((await changes({})).changes.map((one) => [one.path, one.from]), [['file2', undefined], ['file3', 'file1'], ['file4', 'file2']]);
    const counted = await changes({ format: 'stat', from: '@--' });
    assert.deepEqual([counted.added, counted.changes[0]?.added, counted.changes[0]?.removed, counted.changes[1]?.added], [1, 1, 2, 0]);
    assert.equal((await changes({ format: 'git', context: 1 })).content, transcript('patch'));
    assert.equal((await client.refused('jj.diff', { path: 'diff', format: 'colour' })).code, 'invalid_field');
    assert.equal((await client.refused('jj.diff', { path: 'diff', revision: '@', from: '@' })).code, 'invalid_field');
    repository('other', { '.answer': 'bookmarks' });
    assert.equal((await client.refused('jj.diff', { path: 'other' })).code, 'vcs_failed', 'what is not of the form is refused');
  });

  test('bookmarks, operations and workspaces', async () => {
    const client = await open();
    for (const [operation, list, count] of [['jj.bookmarks', 'bookmarks', 6], ['jj.operations', 'operations', 2], ['jj.workspaces', 'workspaces', 2]] as const) {
      repository(list, { '.answer': list });
      const answer = await client.call<Record<string, unknown[]>>(operation, { path: list });
      assert.equal(answer[list]?.length, count);
    }
  });

  test('a change is told word by word, with its author, and what the working copy is then', async () => {
    repository('change', { '.answer': 'status' });
    const client = await open();
    const told = async (operation: string, fields: Fields): Promise<string[]> => {
      const answer = await client.call<Changed>(operation, { path: 'change', ...fields });
      assert.equal(answer.working_copy?.change_id, 'kkmpptxzrspxrzommnulwmwkkqwworpl');
      return answer.messages.split('\n').slice(4, -1); // behind what every call has
    };
    assert.deepEqual(await told('jj.describe', { message: '--config=x', author: { name: 'Ada', email: 'ada@example.org' } }), [
      'describe', '--message=--config=x', 'Ada', 'ada@example.org', 'true',
    ]);
    assert.deepEqual(await told('jj.new', { parents: ['-R/', '@'] }), ['new', '--', '-R/', '@', '', '', 'true']);
    assert.deepEqual(await told('jj.bookmark.delete', { name: '*' }), ['bookmark', 'delete', '--', 'exact:"*"']);
    assert.deepEqual(await told('jj.workspace.add', { folder: 'second' }), ['workspace', 'add', '--', daemon().path('Alpha', 'second')]);
    for (const folder of ['../second', '/second', 'a/../../b'])
      assert.equal((await client.refused('jj.workspace.add', { folder })).code, 'path_outside_segment', folder);
    for (const author of [{ name: 'a\nb' }, { email: '<' }, { name: 1 }, { other: 'x' }])
      assert.equal((await client.refused('jj.new', { author })).code, 'invalid_field');
    assert.equal((await client.refused('jj.new', { parents: ['@'], insert_after: ['@'] })).code, 'invalid_field');
    assert.equal((await client.refused('jj.squash', { message: 'm', use_destination_message: true })).code, 'invalid_field');
  });

  test("a refusal is in jj's own words", async () => {
    const client = await open();
    const refused = async (error: string, code = '1') => {
      repository('broken', { '.error': error, '.code': code });
      return client.refused('jj.new', { path: 'broken' });
    };
    assert.equal((await refused('error_no_repository')).code, 'not_a_repository');
    const stale = await refused('error_stale');
    assert.deepEqual([stale.code, stale.problem['status']], ['vcs_failed', 409]);
    assert.match(String(stale.problem['detail']), /^Error: The working copy is stale/);
    assert.match(String((await refused('error_bad_option', '2')).problem['detail']), /0\.36 or newer/);
  });
});

describe('with a real jj', { skip: real === undefined && 'SKIPPED, NEVER RUN HERE: there is no jj in PATH' }, () => {
  const { folder, options } = tools();
  if (real !== undefined) fs.copyFileSync(real, path.join(folder, 'jj'));
  const daemon = sharedDaemon({ before, after }, options, async (started) => {
    await started.session();
  });
  const author = { name: 'Ada', email: 'ada@example.org' };
  const open = async () => V2Socket.open(daemon().port, await daemon().session());
  const outside = (where: string, ...args: string[]): string =>
    execFileSync(path.join(folder, 'jj'), ['--no-pager', ...args], {
      cwd: where, encoding: 'utf8', stdio: ['ignore', 'pipe', 'pipe'],
      env: { PATH: process.env['PATH'], HOME: daemon().folder, JJ_USER: 'Ada', JJ_EMAIL: 'ada@example.org' },
    });
  const repository = (name: string): string => {
    fs.mkdirSync(daemon().path('Alpha', name), { recursive: true });
    outside(daemon().path('Alpha', name), 'git', 'init', '--no-colocate');
    return name;
  };

  test('the life of a change', async () => {
    const at = repository('life');
    const client = await open();
    const call = async <T>(operation: string, fields: Fields = {}): Promise<T> => client.call<T>(operation, { path: at, ...fields });
    daemon().write('Alpha/life/a.txt', 'one\n');
    daemon().write('Alpha/life/odd "name"\n', 'x\n');
    assert.deepEqual((await call<Status>('jj.status', { snapshot: false })).changes, [], 'nothing was recorded yet');
    const status = await call<Status>('jj.status');
    assert.deepEqual(status.changes.map((one) => [one.path, one.status]), [['a.txt', 'added'], ['odd "name"\n', 'added']]);
    const described = await call<Changed>('jj.describe', { message: 'first\n\nwith a body', author });
    assert.equal(described.working_copy?.description, 'first\n\nwith a body\n');
    assert.equal(described.working_copy?.change_id, status.commit.change_id);

    const created = await call<Changed>('jj.new', { message: 'second', author });
    assert.equal(created.working_copy?.author.email, author.email);
    daemon().write('Alpha/life/a.txt', 'one\ntwo\n');
    const counted = await call<{ changes: Change[]; added: number }>('jj.diff', { format: 'stat' });
    assert.deepEqual([counted.added, counted.changes.length], [1, 1]);
    const patch = await call<{ content: string }>('jj.diff', { format: 'git', files: ['a.txt'] });
    assert.match(patch.content, /^diff --git a\/a\.txt b\/a\.txt\n[^]*\n\+two\n$/);
    const page = await call<{ commits: Commit[]; cursor: string }>('jj.log', { revset: '::@', limit: 1 });
    const rest = await call<{ commits: Commit[]; cursor: null }>('jj.log', { revset: '::@', cursor: page.cursor });
    assert.deepEqual([...page.commits, ...rest.commits].map((one) => one.description), ['second\n', 'first\n\nwith a body\n', '']);

    await call('jj.bookmark.create', { name: 'main', revision: '@-' });
    await call('jj.bookmark.set', { name: 'main', revision: '@' });
    assert.equal((await client.refused('jj.bookmark.set', { path: at, name: 'main', revision: '@-' })).code, 'vcs_failed');
    await call('jj.bookmark.move', { name: 'main', to: '@-', allow_backwards: true });
    const { bookmarks } = await call<{ bookmarks: { name: string; targets: string[] }[] }>('jj.bookmarks');
    assert.deepEqual(bookmarks.map((one) => [one.name, one.targets]), [['main', [rest.commits[0]?.commit_id]]]);
    await call('jj.bookmark.delete', { name: 'main' });

    await call('jj.squash', { author });
    assert.deepEqual((await call<Status>('jj.status')).changes, []);
    const { operations } = await call<{ operations: { operation: string; description: string }[] }>('jj.operations', { limit: 2 });
    assert.match(operations[0]?.description ?? '', /squash/);
    await call('jj.undo');
    assert.deepEqual((await call<Status>('jj.status')).changes.map((one) => one.path), ['a.txt']);
    await call('jj.redo');
    await call('jj.operation.restore', { operation: operations[1]?.operation });
    assert.deepEqual((await call<Status>('jj.status')).changes.map((one) => one.path), ['a.txt']);
    assert.match((await client.refused('jj.show', { path: at, revision: 'no_such' })).message, /no_such/);
    assert.equal((await client.refused('jj.show', { path: at, revision: '::@' })).code, 'vcs_failed');
  });

  test('workspaces, and one that another left behind', async () => {
    const at = repository('spaces');
    const client = await open();
    await client.call('jj.workspace.add', { path: at, folder: 'spaces-two', name: 'two', author });
    const { workspaces } = await client.call<{ workspaces: { name: string; current: boolean }[] }>('jj.workspaces', { path: at });
    assert.deepEqual(workspaces.map((one) => [one.name, one.current]), [['default', true], ['two', false]]);
    daemon().write('Alpha/spaces/a.txt', 'a\n');
    await client.call('jj.describe', { path: at, message: 'a', author });
    await client.call('jj.squash', { path: 'spaces-two', from: ['default@'], into: 'two@', author });
    const stale = await client.refused('jj.status', { path: at });
    assert.deepEqual([stale.code, /stale/.test(stale.message)], ['vcs_failed', true]);
    await client.call('jj.workspace.update_stale', { path: at });
    await client.call('jj.status', { path: at });
    await client.call('jj.workspace.forget', { path: at, name: 'two' });
  });

  test('v1, and what is no repository', async () => {
    repository('v1');
    daemon().write('Alpha/v1/new.txt', 'x');
    const status = expectOk(await daemon().post('/api/vcs/status', { path: daemon().path('Alpha', 'v1') }));
    assert.deepEqual([status['vcs_type'], status['branch'], status['added']], ['Jj', null, ['new.txt']]);
    fs.mkdirSync(daemon().path('Alpha', 'plain'));
    assert.equal((await (await open()).refused('jj.status', { path: 'plain' })).code, 'not_a_repository');
  });
});
