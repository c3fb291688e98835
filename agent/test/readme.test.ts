// The README's examples: each is compiled as strictly as the client, and says what the README says that it says.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import fs from 'node:fs';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

import ts from 'typescript';

import { ended, facts, Fake, problem, running } from './fake.js';

const top = path.join(path.dirname(fileURLToPath(import.meta.url)), '../..');
const folder = path.join(top, 'dist/readme');
const readme = fs.readFileSync(path.join(top, 'README.md'), 'utf8');
const examples = [...readme.matchAll(/```ts\n(.*?)```\n\n```text\n(.*?)```/gs)].map((match) => ({
  source: match[1] ?? '',
  output: match[2] ?? '',
}));

let fake: Fake;
before(async () => {
  fake = await Fake.start();
  let broken = false;
  fake.http = (request, response) => {
    const say = (value: object): void => void response.end(JSON.stringify(value));
    if (request.url?.includes('/files/read'))
      return say({ content: 'int main() {}\n', encoding: 'utf-8', version: 'v1', size: 14, offset: 0, bytes: 14, more: false });
    if (request.url?.includes('/files/write')) return problem(response, 412, 'changed', { version: 'v2' });
    if (request.method === 'PUT') return say(facts);
    const from = request.headers.range ? 4 : 0;
    response.writeHead(from ? 206 : 200, { ETag: '"v1"', 'Content-Length': 8 - from, 'Content-Range': `bytes ${from}-7/8` });
    if (broken) return void response.end('12345678'.slice(from));
    broken = true;
    response.write('1234', () => request.socket.end());
  };
  fake.on('processes.run', (_, reply) => {
    reply.event({ process: running });
    reply.output(0, 'cc hello.c');
    reply.drop();
  });
  fake.on('processes.follow', (message, reply) => {
    reply.output(Number(message['from']), 'a warning', 2);
    reply.result(ended);
  });
  fake.on('processes.remove', (_, reply) => reply.result({}));
});
after(() => fake.stop());

test('the README has examples', () => assert.equal(examples.length, 3));

test('the examples of the README are well typed', () => {
  fs.mkdirSync(folder, { recursive: true });
  const files = examples.map(({ source }, i) => {
    const file = path.join(folder, `example-${i + 1}.ts`);
    fs.writeFileSync(file, source);
    return file;
  });
  const { config } = ts.readConfigFile(path.join(top, 'tsconfig.json'), (file) => fs.readFileSync(file, 'utf8'));
  const { options } = ts.convertCompilerOptionsFromJson((config as { compilerOptions: object }).compilerOptions, top);
  // Wherever the tests are started.
  const typeRoots = [path.join(top, 'node_modules/@types')];
  const program = ts.createProgram(files, { ...options, typeRoots, rootDir: folder, outDir: folder, declaration: false });
  const { diagnostics } = program.emit();
  assert.equal(ts.formatDiagnostics([...ts.getPreEmitDiagnostics(program), ...diagnostics], {
    getCanonicalFileName: (name) => name,
    getCurrentDirectory: () => top,
    getNewLine: () => '\n',
  }), '');
});

for (const [i, { output }] of examples.entries())
  test(`example ${i + 1} of the README does what it says`, async () => {
    const { stdout } = await promisify(execFile)(process.execPath, [path.join(folder, `example-${i + 1}.js`)], {
      env: { ...process.env, TOREN_URL: fake.url, TOREN_TOKEN: Fake.token },
      timeout: 20_000,
    });
    assert.equal(stdout, output);
  });
