// The check of the documents finds what it is there for: each test breaks one thing in a copy of them.
import assert from 'node:assert/strict';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { after, describe, test } from 'node:test';

import { brokerServesIt, complaints } from '../tools/check.js';
import { connectionOperations, docs, Documents, generated, operations, type Json } from '../tools/documents.js';
import { generate } from '../tools/generate.js';

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'toren-documents-'));
after(() => fs.rmSync(folder, { recursive: true }));

async function broken(file: string, from: string, to: string): Promise<string> {
  for (const name of ['openapi.yaml', 'asyncapi.yaml', 'protocol-v2.md'])
    fs.copyFileSync(path.join(docs, name), path.join(folder, name));
  const whole = fs.readFileSync(path.join(folder, file), 'utf8');
  assert.ok(whole.includes(from), `${file} has no ${from}`);
  fs.writeFileSync(path.join(folder, file), whole.replace(from, to));
  return (await complaints(folder)).bad.join('\n');
}

describe('the check of the documents', () => {
  const faults: Record<string, [string, string, string, RegExp]> = {
    'a reference that leads nowhere': ['openapi.yaml', "schemas/FileContent'", "schemas/Nothere'", /leads nowhere/],
    'what is no OpenAPI': ['openapi.yaml', 'in: query', 'in: nowhere', /^openapi\.yaml: \[/m],
    'what is no AsyncAPI': ['asyncapi.yaml', 'action: receive', 'action: hear', /^asyncapi\.yaml\/operations/m],
    'an example of HTTP that does not fit': ['openapi.yaml', 'truncated: false', 'truncated: 0', /truncated/],
    'an example with a field that there is not': ['openapi.yaml', 'example: {deleted: 17}', 'example: {deleted: 17, more: 1}', /NOT have unevaluated/],
    'an example of the socket that does not fit': ['asyncapi.yaml', 'op: files.stat, segment: site, path: a.c', 'op: files.stat, path: a.c', /segment/],
    'a field that only one has': ['asyncapi.yaml', 'follow: {type: boolean', 'folow: {type: boolean', /files\.stat: only .* field folow/],
    'another default': ['asyncapi.yaml', 'follow: {type: boolean, default: true', 'follow: {type: boolean, default: false', /files\.stat: follow:/],
    'another role': ['openapi.yaml', 'x-need: admin', 'x-need: viewer', /segments\.create/],
    'an operation that the page lacks': ['protocol-v2.md', '| `files.stat` |', '| files.stat |', /no row for files\.stat/],
    'another path on the page': ['protocol-v2.md', 'GET …/files/stat', 'GET …/files/facts', /files\.stat: GET/],
    'a code that the page lacks': ['protocol-v2.md', '`cannot_start` |', '|', /no row has the code cannot_start/],
    'a code that the documents lack': ['protocol-v2.md', '`cannot_start` |', '`cannot_start`, `no_luck` |', /lacks no_luck/],
    'a parameter that the path lacks': ['openapi.yaml', '/v2/segments/{segment}/files/stat:', '/v2/segments/{x}/files/stat:', /files\.stat: the path has x/],
  };
  for (const [name, [file, from, to, expected]] of Object.entries(faults))
    test(`finds ${name}`, async () => assert.match(await broken(file, from, to), expected));

  test('finds nothing in them as they are', async () => assert.deepEqual((await complaints(docs)).bad, []));

  test('src/protocol.ts is what they generate', () =>
    assert.equal(fs.readFileSync(generated, 'utf8'), generate(new Documents())));
});

describe("the comparison with the broker's table", () => {
  // As print-operations would print it, from the documents themselves.
  const table = (): Array<Record<string, Json>> => {
    const types: Record<string, string> = { env: 'object', limits: 'object', terminal: 'object', retain: 'object', argv: 'texts', edits: 'objects' };
    const documents = new Documents();
    return operations(documents)
      .filter((one) => !connectionOperations.includes(one.name))
      .map((one) => ({
        name: one.name,
        method: one.method ?? null,
        path: one.path ?? null,
        need: one.need,
        over: one.over,
        raw_body: one.body === 'raw',
        fields: [...one.fields].map(([name, field]) => {
          const meant = documents.meaning(field.schema, field.document) as { type?: string };
          const plain = meant.type === 'string' ? 'text' : meant.type === 'array' ? 'texts' : (meant.type ?? 'text');
          return { name, type: field.path ? (plain === 'texts' ? 'paths' : 'path') : (types[name] ?? plain), required: field.required };
        }),
      }));
  };

  test('is silent where they agree', () => assert.deepEqual(brokerServesIt(new Documents(), table()), []));

  const faults: Record<string, [(rows: Array<Record<string, Json>>) => void, RegExp]> = {
    'a row that is missing': [(rows) => void rows.shift(), /segments\.list: described, but not in/],
    'a row too many': [(rows) => void rows.push({ name: 'files.shred' }), /files\.shred: served, but not/],
    'another method': [(rows) => void Object.assign(rows[0] ?? {}, { method: 'POST' }), /segments\.list: method/],
    'another role': [(rows) => void Object.assign(rows[0] ?? {}, { need: 'admin' }), /segments\.list: need/],
    'another type': [
      (rows) => void Object.assign(rows[1] ?? {}, { fields: [{ name: 'name', type: 'path', required: true }, { name: 'root', type: 'text', required: true }] }),
      /segments\.create: type of name/,
    ],
    'a field that is missing': [(rows) => void Object.assign(rows[1] ?? {}, { fields: [] }), /lacks the field root/],
    'an empty table': [(rows) => void rows.splice(0), /empty/],
  };
  for (const [name, [spoil, expected]] of Object.entries(faults))
    test(`finds ${name}`, () => {
      const rows = table();
      spoil(rows);
      assert.match(brokerServesIt(new Documents(), rows).join('\n'), expected);
    });
});
