// The PIN and the tokens it gives (legacy flaws 2, 10 and 11).
import assert from 'node:assert/strict';
import fs from 'node:fs';
import path from 'node:path';
import { describe, test } from 'node:test';

import { Daemon } from './daemon.js';
import { isAlive } from './processes.js';
import { expectOk, expectProblem, type Answer } from './rest.js';
import { until } from './wait.js';

const pair = (daemon: Daemon, pin: unknown): Promise<Answer> =>
  daemon.send('POST', '/pair', { pairing_token: pin }, null);

// Six digits that are not the PIN.
const wrong = (daemon: Daemon, nth = 1): string =>
  String((Number(daemon.pin) + nth) % 1_000_000).padStart(6, '0');

async function killBroker(daemon: Daemon): Promise<void> {
  const broker = daemon.broker();
  process.kill(broker.pid, 'SIGKILL');
  await until('the broker to die', () => !isAlive(broker));
}

describe('pairing', () => {
  test('gives a token of 256 random bits and an id that is not the token', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    const body = expectOk(await pair(daemon, daemon.pin));
    assert.match(String(body['session_token']), /^[0-9a-f]{64}$/);
    assert.equal(typeof body['session_id'], 'string');
    assert.notEqual(body['session_id'], '');
    assert.ok(!String(body['session_token']).includes(String(body['session_id'])));
    const wire = await daemon.wire();
    const success = await wire.auth(String(body['session_token']));
    assert.equal(success.session_id, body['session_id']);
  });

  test('takes a device name', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    expectOk(await daemon.send('POST', '/pair', { pairing_token: daemon.pin, name: 'My phone' }, null));
  });

  test('works once with one PIN', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    expectOk(await pair(daemon, daemon.pin));
    expectProblem(await pair(daemon, daemon.pin), 401, 'pairing_refused');
  });

  test('works as often as security.pairing_uses says, with a token of its own each time', async (t) => {
    const daemon = await Daemon.start({ tables: '[security]\npairing_uses = 2' });
    t.after(() => daemon.stop());
    const first = expectOk(await pair(daemon, daemon.pin))['session_token'];
    const second = expectOk(await pair(daemon, daemon.pin))['session_token'];
    assert.notEqual(first, second);
    expectProblem(await pair(daemon, daemon.pin), 401, 'pairing_refused');
    for (const token of [first, second])
      expectOk(await daemon.send('GET', '/api/segments/list', undefined, String(token)));
  });

  test('only one of many simultaneous requests wins a single-use PIN', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    const answers = await Promise.all(Array.from({ length: 20 }, () => pair(daemon, daemon.pin)));
    assert.equal(answers.filter((answer) => answer.status === 200).length, 1);
    assert.equal(answers.filter((answer) => answer.status === 401).length, 19);
  });

  test('refuses a wrong, an empty, a shorter and a longer PIN, and takes the right one then', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    for (const pin of [wrong(daemon), '', daemon.pin.slice(0, 5), `${daemon.pin}0`])
      expectProblem(await pair(daemon, pin), 401, 'pairing_refused');
    expectOk(await pair(daemon, daemon.pin));
  });

  test('five wrong tries kill the PIN', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    for (let nth = 1; nth <= 5; ++nth)
      expectProblem(await pair(daemon, wrong(daemon, nth)), 401, 'pairing_refused');
    expectProblem(await pair(daemon, daemon.pin), 401, 'pairing_refused');
  });

  test('wrong tries are remembered when the broker dies', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    for (let nth = 1; nth <= 3; ++nth)
      expectProblem(await pair(daemon, wrong(daemon, nth)), 401, 'pairing_refused');
    await killBroker(daemon);
    for (let nth = 4; nth <= 5; ++nth)
      expectProblem(await pair(daemon, wrong(daemon, nth)), 401, 'pairing_refused');
    expectProblem(await pair(daemon, daemon.pin), 401, 'pairing_refused');
  });

  test('a used PIN stays used when the broker dies', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    expectOk(await pair(daemon, daemon.pin));
    await killBroker(daemon);
    expectProblem(await pair(daemon, daemon.pin), 401, 'pairing_refused');
  });

  test('a field that is missing or no string is named', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    for (const body of [{}, { pairing_token: 123456 }, { pairing_token: null }, { pairing_token: ['1'] }]) {
      const detail = expectProblem(await daemon.send('POST', '/pair', body, null), 422, 'invalid_field');
      assert.match(detail, /pairing_token/);
    }
    expectOk(await pair(daemon, daemon.pin)); // they were no tries
  });

  test('each start has a PIN of its own', async (t) => {
    const pins = new Set<string>();
    for (let start = 0; start < 3; ++start) {
      const daemon = await Daemon.start();
      t.after(() => daemon.stop());
      pins.add(daemon.pin);
    }
    assert.ok(pins.size > 1, `three starts, and always ${[...pins].join()}`);
  });

  test('PAIRING_TOKEN fixes the PIN', async (t) => {
    const daemon = await Daemon.start({ env: { PAIRING_TOKEN: '424242' } });
    t.after(() => daemon.stop());
    assert.equal(daemon.pin, '424242');
    expectOk(await pair(daemon, '424242'));
  });

  for (const fixed of ['12345', '1234567', 'abcdef', '12 456'])
    test(`PAIRING_TOKEN='${fixed}' is refused at start`, async (t) => {
      const daemon = Daemon.prepare({ env: { PAIRING_TOKEN: fixed } });
      t.after(() => daemon.stop());
      daemon.spawn();
      assert.notEqual((await daemon.exited()).code, 0);
      assert.match(daemon.log, /PAIRING_TOKEN/);
    });

  test('an empty PAIRING_TOKEN is as none: the PIN is random', async (t) => {
    const daemon = await Daemon.start({ env: { PAIRING_TOKEN: '' } });
    t.after(() => daemon.stop());
    expectProblem(await pair(daemon, ''), 401, 'pairing_refused');
    expectOk(await pair(daemon, daemon.pin));
  });
});

describe('session tokens', () => {
  test('outlive the daemon, and the state folder holds no trace of them', async (t) => {
    const daemon = await Daemon.start();
    t.after(() => daemon.stop());
    const token = await daemon.session();
    process.kill(daemon.pid, 'SIGTERM');
    await daemon.exited();

    const bytes = [Buffer.from(token), Buffer.from(token, 'hex')];
    let files = 0;
    for (const name of fs.readdirSync(daemon.state, { recursive: true }) as string[]) {
      const file = path.join(daemon.state, name);
      const about = fs.lstatSync(file);
      assert.equal(about.mode & 0o077, 0, `${name}: others may open it`);
      if (!about.isFile()) continue;
      ++files;
      const content = fs.readFileSync(file);
      for (const secret of bytes) assert.ok(!content.includes(secret), `${name} holds the token`);
    }
    assert.ok(files > 0, 'the state folder is empty');

    await daemon.launch();
    expectOk(await daemon.send('GET', '/api/segments/list', undefined, token));
    await (await daemon.wire()).auth(token);
  });

  test('end after security.session_timeout', async (t) => {
    const daemon = await Daemon.start({ tables: '[security]\nsession_timeout = 1' });
    t.after(() => daemon.stop());
    const token = await daemon.session();
    const answer = await until('the token to end', async () => {
      const last = await daemon.get('/api/segments/list');
      return last.status === 200 ? undefined : last;
    });
    expectProblem(answer, 401, 'unauthorized');
    const wire = await daemon.wire();
    wire.send({ type: 'Auth', token });
    assert.equal((await wire.takeType('AuthFailure')).reason, 'Invalid token');
  });
});
