// What narrows a command beyond the cage that all of them have: profiles, limits, guards; over the real daemon.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import fs from 'node:fs';
import { after, before, describe, test } from 'node:test';

import { delegated, sharedDaemon } from './daemon.js';
import { withArgument } from './processes.js';
import { expectOk, expectProblem } from './rest.js';
import type { Wire } from './wire.js';

const kSecret = 'TOKEN=of-the-operator';
let wire: Wire;
const daemon = sharedDaemon(
  { before, after },
  {
    segments: ['Alpha'],
    env: { BUILD_NUMBER: '42', NOT_PASSED: 'no' },
    tables: `
[confinement]
profile = "build"
[limits]
tmp_bytes = 16777216
[profiles.build]
environment = ["BUILD_NUMBER", "NOT_SET"]
hidden = ["drafts"]
[profiles.review]
base = "read-only"
hidden = ["plans.txt"]
[profiles.short]
seconds = 1
[profiles.slow]
cpu_seconds = 1
[profiles.small]
memory_bytes = 67108864
[profiles.quiet]
output_bytes = 65536
[profiles.flat]
file_bytes = 65536
`,
  },
  async (started) => {
    started.write('Alpha/drafts/one.txt', 'a draft');
    started.write('Alpha/plans.txt', 'plans\n');
    started.write('Alpha/.env', kSecret);
    started.write('Alpha/.env.example', 'TOKEN=');
    started.write('Alpha/deploy/server.pem', kSecret);
    const git = (...args: string[]): string =>
      execFileSync('git', ['-C', started.path('Alpha'), '-c', 'user.name=A', '-c', 'user.email=a@example', ...args], { encoding: 'utf8' });
    git('init', '--quiet');
    git('config', 'user.name', 'A');
    git('config', 'user.email', 'a@example');
    git('add', 'plans.txt');
    git('commit', '--quiet', '-m', 'one');
    wire = await started.open();
  },
);
const alpha = (...parts: string[]): string => daemon().path('Alpha', ...parts);
const shell: Wire['shell'] = (script, more) => wire.shell(script, more);

describe('profiles', () => {
  test('a command may ask for less: read-only leaves it its private folders', async () => {
    const script = 'cat plans.txt; touch made; touch $PWD/made; echo x >plans.txt; chmod 600 plans.txt; touch /tmp/own ~/own && echo private';
    const { stdout, stderr } = await shell(script, { profile: 'read-only' });
    assert.deepEqual(stdout, ['plans', 'private']);
    assert.equal(stderr.length, 4, stderr.join('\n'));
    for (const line of stderr) assert.match(line, /Read-only file system|cannot create/);
    assert.ok(!fs.existsSync(alpha('made')));
    assert.equal(fs.readFileSync(alpha('plans.txt'), 'utf8'), 'plans\n');
  });
  test('the same script writes under the segment\'s own profile', async () => {
    assert.equal((await shell('touch written && echo yes')).text, 'yes');
    assert.ok(fs.existsSync(alpha('written')));
  });
  test('a profile hides further paths', async () => {
    assert.equal((await shell('cat plans.txt')).text, 'plans');
    const { stdout, stderr } = await shell('cat plans.txt; cat ./././plans.txt; rm -f plans.txt; mv plans.txt p; echo end', { profile: 'review' });
    assert.deepEqual(stdout, ['end']);
    assert.match(stderr.join('\n'), /Permission denied/);
  });
  test("the segment's own profile hides for every profile, and for the file service", async () => {
    for (const profile of ['build', 'read-only', 'workspace-write', 'review', 'short'])
      assert.notEqual((await shell('cat drafts/one.txt', { profile })).exit?.code, 0, profile);
    const answer = await daemon().post('/api/fs/read', { path: alpha('drafts/one.txt') });
    assert.notEqual(answer.status, 200);
  });
  test('variables that the profile names are passed, and no other', async () => {
    assert.equal((await shell('echo "$BUILD_NUMBER|$NOT_PASSED|${NOT_SET-unset}"')).text, '42||unset');
  });
  test('an unknown profile is an error', async () => {
    const { error, exit } = await shell('true', { profile: 'nonesuch' });
    assert.equal(exit, undefined);
    assert.match(error ?? '', /profile/);
  });
});

describe('limits: the exit says which one ended the command', () => {
  test('the log says who holds them', () => {
    assert.match(daemon().log, delegated === undefined ? /limits are held by / : /limits are held by cgroup v2 in .*toren-e2e-/);
  });
  const ended = async (profile: string, script: string): Promise<string | undefined> => {
    const { exit } = await shell(script, { profile });
    assert.equal(exit?.code, -1, JSON.stringify(exit));
    return exit.limit as string | undefined;
  };
  test('time', async () => assert.equal(await ended('short', 'sleep 1000'), 'time'));
  test('processor time of the whole tree', async () => assert.equal(await ended('slow', 'while :; do :; done & while :; do :; done'), 'cpu'));
  test('memory of the whole tree, which ends with it', async () => {
    const argument = `${700_000_000 + process.pid}`;
    assert.equal(await ended('small', `setsid sleep ${argument} & perl -e '$x = "a" x 300_000_000; sleep 60'`), 'memory');
    assert.deepEqual(withArgument(argument), []);
  });
  test('memory that many share', async () =>
    assert.equal(await ended('small', `for i in 1 2 3 4 5; do perl -e '$x = "a" x 20_000_000; sleep 60' & done; wait`), 'memory'));
  test('output', async () => assert.equal(await ended('quiet', `yes ${'y'.repeat(1000)}`), 'output'));
  test('the size of a file', async () => {
    const { exit } = await wire.run({ command: 'dd', args: ['if=/dev/zero', 'of=big', 'bs=1k', 'count=1000'], profile: 'flat' });
    assert.deepEqual([exit?.code, exit?.limit], [-1, 'file_size']);
    assert.equal(fs.statSync(alpha('big')).size, 65536);
  });
  test('a private folder is as large as it is', async () => {
    const { stderr } = await shell('head -c 40000000 /dev/zero >/tmp/fill; rm -f /tmp/fill');
    assert.match(stderr.join('\n'), /No space left/);
  });
  test('and what stays within them is left alone', async () => {
    for (const profile of ['short', 'slow', 'small', 'quiet', 'flat'])
      assert.deepEqual((await shell('echo fine', { profile })).exit, { type: 'Exit', code: 0 }, profile);
  });
});

describe('guards', () => {
  test('secrets are there and cannot be read, by commands and by the file service', async () => {
    const { stdout, stderr } = await shell('cat .env deploy/server.pem; cat .env.example');
    assert.deepEqual(stdout, ['TOKEN=']);
    assert.equal(stderr.filter((line) => line.includes('Permission denied')).length, 2, stderr.join('\n'));
    for (const file of ['.env', 'deploy/server.pem']) {
      const answer = await daemon().post('/api/fs/read', { path: alpha(file) });
      assert.doesNotMatch(answer.text, /of-the-operator/);
    }
  });
  test('a secret that appears later is hidden from the next command', async () => {
    fs.writeFileSync(alpha('later.pem'), kSecret);
    assert.doesNotMatch((await shell('cat later.pem 2>&1')).text, /of-the-operator/);
    fs.writeFileSync(alpha('.env.new'), kSecret);
    fs.renameSync(alpha('.env.new'), alpha('.env'));
    assert.doesNotMatch((await shell('cat .env 2>&1')).text, /of-the-operator/);
  });
  test('hooks and configuration are read-only, and work goes on', async () => {
    const { stdout } = await shell(
      'for f in .git/hooks/pre-commit .git/config .git/config.worktree; do (echo x >>$f) 2>/dev/null && echo wrote $f; done; ' +
        'mv .git/hooks aside 2>/dev/null && echo moved hooks; mv .git aside 2>/dev/null && echo moved; ' +
        'git config core.hooksPath x 2>/dev/null && echo configured; ' +
        'echo more >>plans.txt; git commit --quiet -am two && git log --format=%s -1',
    );
    assert.deepEqual(stdout, ['two']);
  });
  test('the file service keeps to them too', async () => {
    const answer = await daemon().post('/api/fs/write', { path: alpha('.git/hooks/post-checkout'), content: '#!/bin/sh\n' });
    expectProblem(answer, 400, 'permission_denied');
    expectProblem(await daemon().post('/api/fs/write', { path: alpha('.git/config'), content: '' }), 400, 'permission_denied');
    assert.ok(!fs.existsSync(alpha('.git/hooks/post-checkout')));
  });
  test('status and diff go on beside a tracked secret, which they do not show', async () => {
    const git = (...args: string[]): string => execFileSync('git', ['-C', alpha(), ...args], { encoding: 'utf8' });
    git('add', '--force', '.env');
    git('commit', '--quiet', '-m', 'a secret that should not be here');
    fs.writeFileSync(alpha('.env'), 'TOKEN=of-the-operator-changed');
    fs.writeFileSync(alpha('plans.txt'), 'changed\n');
    expectOk(await daemon().post('/api/vcs/status', { path: alpha() }));
    const diff = String(expectOk(await daemon().post('/api/vcs/diff', { path: alpha() }))['diff']);
    assert.match(diff, /\+changed/);
    assert.match(diff, /may not be read: \.env/);
    assert.doesNotMatch(diff, /operator-changed/);
  });
  test('names that tools obey later are held, though nothing was there', async () => {
    const { stdout } = await shell('for f in .mcp.json .envrc; do (echo x >$f) 2>/dev/null && echo wrote $f; done; mkdir -p .vscode && echo x >.vscode/tasks.json && echo wrote; git status --porcelain | grep -E "mcp|envrc|vscode"');
    assert.deepEqual(stdout, []);
  });
});

describe('violations', () => {
  test('a process that the filter ended says so', async () => {
    const { exit } = await shell('kill -SYS $$');
    assert.deepEqual(exit, { type: 'Exit', code: -1, signal: 31, refused: 'seccomp' });
  });
});
