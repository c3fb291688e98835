// check [--table FILE]: what CI asks of docs/openapi.yaml and docs/asyncapi.yaml. Each complaint is one line; none: 0.
//   1. each is a valid document of its kind, and its references lead somewhere
//   2. each example fits its schema
//   3. what is served over both is described alike in both, and docs/protocol-v2.md names the same operations and codes
//   4. src/protocol.ts is what they generate
//   5. the broker serves what they say: FILE is what build/dev/bin/print-operations prints. Without it this is skipped,
//      and said so on the last line
import fs from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { fileURLToPath } from 'node:url';

import { Validator } from '@seriousme/openapi-schema-validator';
import { Ajv, type ValidateFunction } from 'ajv';
import { Ajv2020 } from 'ajv/dist/2020.js';
import formats from 'ajv-formats';

import {
  connectionOperations, docs, Documents, generated, httpOperations, isObject, list, methods, object, operations,
  socketOperations, text, type Field, type Fields, type Json, type Operation,
  isPaths,
} from './documents.js';
import { generate } from './generate.js';

const addFormats = formats as unknown as (ajv: Ajv) => void; // its types do not know how Node imports it

// --- 1. the kinds

const openapiSchema = new Validator(); // keeps what it compiled

async function openapiIsValid(documents: Documents): Promise<string[]> {
  const result = await openapiSchema.validate(structuredClone(documents.openapi));
  return result.valid ? [] : [`openapi.yaml: ${JSON.stringify(result.errors)}`];
}

let asyncapiSchema: ValidateFunction | undefined; // large: compiled once

// The published schema says of a violation in a part only that none of many forms fits: what is told is the deepest.
function asyncapiIsValid(documents: Documents): string[] {
  if (!asyncapiSchema) {
    const require = createRequire(import.meta.url);
    const ajv = new Ajv({ strict: false });
    addFormats(ajv);
    asyncapiSchema = ajv.compile(require('@asyncapi/specs/schemas/3.0.0-without-$id.json') as object);
  }
  if (asyncapiSchema(documents.asyncapi)) return [];
  const worst = [...(asyncapiSchema.errors ?? [])].sort((x, y) => y.instancePath.length - x.instancePath.length)[0];
  return [`asyncapi.yaml${worst?.instancePath}: ${worst?.message} ${JSON.stringify(worst?.params)}`];
}

function referencesLead(documents: Documents, document: Fields, name: string): string[] {
  const bad: string[] = [];
  const visit = (value: Json): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isObject(value)) return;
    if (typeof value['$ref'] === 'string') {
      try {
        documents.target(value['$ref'], document);
      } catch (error) {
        bad.push(`${name}: ${(error as Error).message}`);
      }
    }
    Object.values(value).forEach(visit);
  };
  visit(document);
  return bad;
}

function openapiIsConsistent(documents: Documents): string[] {
  const bad: string[] = [];
  const seen = new Set<string>();
  for (const [where, item] of Object.entries(object(documents.openapi['paths'], 'paths'))) {
    for (const method of methods) {
      const one = object(item, where)[method];
      if (!isObject(one)) continue;
      const id = text(one['operationId']);
      if (seen.has(id)) bad.push(`openapi.yaml: operationId ${id} stands there twice`);
      seen.add(id);
      const declared = list(one['parameters'])
        .map((parameter) => documents.follow(parameter, documents.openapi).value)
        .filter((parameter) => parameter['in'] === 'path')
        .map((parameter) => text(parameter['name']));
      const used = [...where.matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');
      if (used.sort().join() !== declared.sort().join())
        bad.push(`openapi.yaml: ${id}: the path has ${used.join()}, its parameters are ${declared.join()}`);
    }
  }
  return bad;
}

function asyncapiIsConsistent(documents: Documents): string[] {
  const used = JSON.stringify(documents.asyncapi['operations']);
  const channel = object(object(documents.asyncapi['channels'], 'channels')['socket'], 'socket');
  return Object.keys(object(channel['messages'], 'messages'))
    .filter((name) => !used.includes(`"#/channels/socket/messages/${name}"`))
    .map((name) => `asyncapi.yaml: no operation has the message ${name}`);
}

// --- 2. the examples

// An answer may have more fields than its schema; an example may not, or a typing mistake in one would pass. Closes
// every object at the place where a value stands: not the parts of allOf and oneOf, which each see the whole.
function closed(schema: Json, part = false): Json {
  if (!isObject(schema)) return schema;
  const out: Fields = { ...schema };
  if (isObject(schema['properties']))
    out['properties'] = Object.fromEntries(Object.entries(schema['properties']).map(([n, s]) => [n, closed(s)]));
  if (isObject(schema['items'])) out['items'] = closed(schema['items']);
  for (const key of ['allOf', 'oneOf'])
    if (Array.isArray(schema[key])) out[key] = schema[key].map((item) => closed(item, true));
  // What a reference names is closed by whoever refers to it, where that is a place for a value.
  const holds = ['properties', 'allOf', 'oneOf', '$ref'].some((key) => schema[key] !== undefined);
  if (!part && holds && schema['additionalProperties'] === undefined) out['unevaluatedProperties'] = false;
  return out;
}

class Examples {
  readonly bad: string[] = [];
  checked = 0;
  readonly #ajv = new Ajv2020({ strict: false, allErrors: true });

  constructor(private readonly documents: Documents) {
    const schemas = Object.fromEntries(
      Object.entries(documents.schemas).map(([name, schema]) => [name, closed(schema, true)]),
    );
    addFormats(this.#ajv);
    this.#ajv.addSchema({ $id: 'toren:/openapi.yaml', components: { schemas } });
  }

  check(schema: Json | undefined, example: Json, where: string): void {
    const absolute = JSON.parse(
      JSON.stringify(closed(schema ?? null))
        .replaceAll('"./openapi.yaml#/', '"toren:/openapi.yaml#/')
        .replaceAll('"$ref":"#/', '"$ref":"toren:/openapi.yaml#/'),
    ) as object;
    let validate: ValidateFunction;
    try {
      validate = this.#ajv.compile(absolute);
    } catch (error) {
      this.bad.push(`${where}: ${(error as Error).message}`);
      return;
    }
    this.checked += 1;
    if (!validate(example))
      this.bad.push(`${where}: ${this.#ajv.errorsText(validate.errors, { dataVar: JSON.stringify(example) })}`);
  }

  // Wherever in openapi.yaml a schema has an example beside or in it.
  openapi(value: Json, where: string): void {
    if (Array.isArray(value)) value.forEach((item, i) => this.openapi(item, `${where}/${i}`));
    if (!isObject(value)) return;
    if (isObject(value['schema'])) {
      if (value['example'] !== undefined) this.check(value['schema'], value['example'], where);
      for (const [name, one] of Object.entries(isObject(value['examples']) ? value['examples'] : {}))
        this.check(value['schema'], object(one, name)['value'] ?? null, `${where}/${name}`);
    }
    for (const [key, item] of Object.entries(value))
      if (key !== 'example' && key !== 'examples') this.openapi(item, `${where}/${key}`);
  }

  schemas(): void {
    for (const [name, schema] of Object.entries(this.documents.schemas))
      for (const example of list(isObject(schema) ? schema['examples'] : []))
        this.check({ $ref: `#/components/schemas/${name}` }, example, `openapi.yaml: ${name}`);
  }

  asyncapi(): void {
    const channel = object(object(this.documents.asyncapi['channels'], 'channels')['socket'], 'socket');
    for (const [name, message] of Object.entries(object(channel['messages'], 'messages'))) {
      const { payload, contentType, examples } = object(message, name);
      if (contentType === 'application/octet-stream') continue;
      if (list(examples).length === 0) this.bad.push(`asyncapi.yaml: ${name} has no example`);
      for (const example of list(examples))
        this.check(payload, object(example, name)['payload'] ?? null, `asyncapi.yaml: ${name}`);
    }
  }
}

// --- 3. one against the other, and against the page

function meaning(documents: Documents, field: Field): string {
  return JSON.stringify(documents.meaning(field.schema, field.document));
}

function sameInBoth(documents: Documents): string[] {
  const bad: string[] = [];
  const http = new Map(httpOperations(documents).map((one) => [one.name, one]));
  const socket = new Map(socketOperations(documents).map((one) => [one.name, one]));
  for (const [name, one] of http) {
    const other = socket.get(name);
    if ((one.over === 'both') !== (other !== undefined))
      bad.push(`${name}: x-over is ${one.over}, and asyncapi.yaml ${other ? 'has' : 'does not have'} it`);
    if (!other) continue;
    const names = new Set([...one.fields.keys(), ...other.fields.keys()]);
    for (const field of names) {
      const here = one.fields.get(field);
      const there = other.fields.get(field);
      if (!here || !there) bad.push(`${name}: only ${here ? 'openapi.yaml' : 'asyncapi.yaml'} has the field ${field}`);
      else if (here.required !== there.required || here.path !== there.path)
        bad.push(`${name}: ${field} is needed in one document and not in the other`);
      else if (meaning(documents, here) !== meaning(documents, there))
        bad.push(`${name}: ${field}: ${meaning(documents, here)} and ${meaning(documents, there)}`);
    }
    const facts = (operation: Operation): string =>
      JSON.stringify([operation.need, operation.answer, operation.either, operation.segment, operation.summary]);
    if (facts(one) !== facts(other)) bad.push(`${name}: ${facts(one)} and ${facts(other)}`);
  }
  return bad;
}

function pageSaysTheSame(documents: Documents, folder: string): string[] {
  const page = fs.readFileSync(path.join(folder, 'protocol-v2.md'), 'utf8');
  const bad: string[] = [];
  const rows = new Map<string, string[]>();
  for (const match of page.matchAll(/^\| `(\w+(?:\.\w+)+)` \| ([^|]*) \| (\w+) \| ([^|]*) \|$/gm))
    rows.set(match[1] ?? '', match.slice(2).map((cell) => cell.replaceAll('`', '').trim()));
  const described = operations(documents).filter((one) => !connectionOperations.includes(one.name));
  for (const one of described) {
    const row = rows.get(one.name);
    if (!row) {
      bad.push(`protocol-v2.md: no row for ${one.name}`);
      continue;
    }
    const method = one.method === undefined ? '–' : one.name === 'files.download' ? 'GET, HEAD' : one.method;
    const where = one.path === undefined ? '' : ` ${one.path.replace('/v2/segments/{segment}', '…')}`;
    if (row[0] !== method + where) bad.push(`protocol-v2.md: ${one.name}: ${row[0]} and not ${method}${where}`);
    if (row[1] !== one.need) bad.push(`protocol-v2.md: ${one.name}: ${row[1]} and not ${one.need}`);
    if ((row[2] === '–') !== (one.over === 'http')) bad.push(`protocol-v2.md: ${one.name}: WebSocket: ${row[2]}`);
  }
  for (const name of rows.keys())
    if (!described.some((one) => one.name === name)) bad.push(`${name}: protocol-v2.md has it, the documents have not`);

  const known = new Set(list(object(documents.schemas['ProblemCode'], 'ProblemCode')['enum']).map(text));
  const codes = new Set<string>();
  for (const match of page.matchAll(/^\| \d{3} \| ([^|]*) \|/gm))
    for (const code of (match[1] ?? '').matchAll(/`(\w+)`/g)) codes.add(code[1] ?? '');
  for (const code of codes) if (!known.has(code)) bad.push(`openapi.yaml: ProblemCode lacks ${code}`);
  for (const code of known) if (!codes.has(code)) bad.push(`protocol-v2.md: no row has the code ${code}`);
  return bad;
}

// --- 5. the broker's table

// The field types of broker/operation.h. What is a text or a number may be either there.
function fieldTypes(documents: Documents, field: Field): string[] {
  if (field.path) return [isPaths(field.schema) ? 'paths' : 'path'];
  const one = (schema: Json): string[] => {
    const { value, document } = documents.follow(schema, field.document);
    if (Array.isArray(value['oneOf'])) return value['oneOf'].flatMap(one);
    if (value['type'] === 'array') {
      const item = documents.follow(value['items'], document).value['type'];
      return [item === 'string' ? 'texts' : 'objects'];
    }
    return [value['type'] === 'string' ? 'text' : text(value['type'])];
  };
  return one(field.schema);
}

// "kBoth", "Both" and "both" are one.
const plain = (value: Json | undefined): string => text(value).replace(/^k(?=[A-Z])/, '').toLowerCase();

export function brokerServesIt(documents: Documents, table: Json): string[] {
  const bad: string[] = [];
  const rows = Array.isArray(table) ? table : isObject(table) ? list(table['operations']) : [];
  if (rows.length === 0) return ['the broker\'s table is empty'];
  const served = new Map(rows.map((row) => [text(object(row, 'a row')['name']), object(row, 'a row')]));
  const described = operations(documents).filter((one) => !connectionOperations.includes(one.name));
  for (const one of described) {
    const row = served.get(one.name);
    if (!row) {
      bad.push(`${one.name}: described, but not in the broker's table`);
      continue;
    }
    const differs = (what: string, theirs: string, ours: string): void => {
      if (theirs !== ours)
        bad.push(`${one.name}: ${what} is ${theirs} in the broker's table, ${ours} in the documents`);
    };
    if (one.over !== 'socket') {
      differs('method', text(row['method']).split(/[ ,]+/)[0] ?? '', one.method ?? '');
      differs('path', text(row['path']), one.path ?? '');
    } else if (text(row['path'])) differs('path', text(row['path']), 'none');
    differs('need', plain(row['need']), one.need);
    differs('over', plain(row['over']), one.over);
    differs('raw_body', String(row['raw_body']), String(one.body === 'raw'));
    const theirFields = list(row['fields']).map((field) => object(field, one.name));
    const fields = new Map(theirFields.map((field) => [text(field['name']), field]));
    for (const [name, field] of one.fields) {
      const theirs = fields.get(name);
      if (!theirs) {
        if (field.place !== 'path') bad.push(`${one.name}: the broker's table lacks the field ${name}`);
        continue;
      }
      const types = fieldTypes(documents, field);
      if (!types.includes(plain(theirs['type']))) differs(`type of ${name}`, plain(theirs['type']), types.join(' or '));
      differs(`required of ${name}`, String(theirs['required'] === true), String(field.required));
    }
    for (const name of fields.keys())
      if (!one.fields.has(name) && name !== 'segment') bad.push(`${one.name}: the documents lack the field ${name}`);
  }
  for (const name of served.keys())
    if (!described.some((one) => one.name === name) && !connectionOperations.includes(name))
      bad.push(`${name}: served, but not described`);
  return bad;
}

// ---

export async function complaints(folder: string, table?: Json): Promise<{ bad: string[]; examples: number }> {
  const documents = new Documents(folder);
  const dangling = [
    ...referencesLead(documents, documents.openapi, 'openapi.yaml'),
    ...referencesLead(documents, documents.asyncapi, 'asyncapi.yaml'),
  ];
  if (dangling.length > 0) return { bad: dangling, examples: 0 };
  const examples = new Examples(documents);
  examples.openapi(documents.openapi, 'openapi.yaml');
  examples.schemas();
  examples.asyncapi();
  const bad = [
    ...(await openapiIsValid(documents)),
    ...asyncapiIsValid(documents),
    ...openapiIsConsistent(documents),
    ...asyncapiIsConsistent(documents),
    ...examples.bad,
    ...sameInBoth(documents),
    ...pageSaysTheSame(documents, folder),
    ...(table === undefined ? [] : brokerServesIt(documents, table)),
  ];
  return { bad, examples: examples.checked };
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const { table } = parseArgs({ options: { table: { type: 'string' } } }).values;
  const served = table === undefined ? undefined : (JSON.parse(fs.readFileSync(table, 'utf8')) as Json);
  const { bad, examples } = await complaints(docs, served);
  if (fs.readFileSync(generated, 'utf8') !== generate(new Documents()))
    bad.push('agent/src/protocol.ts is not what the documents say: npm run generate');
  bad.forEach((line) => console.error(line));
  console.log(`${operations(new Documents()).length} operations, ${examples} examples, ${bad.length} complaints`);
  if (served === undefined) console.log("SKIPPED: no --table FILE, so the broker's table was not compared");
  process.exit(bad.length > 0 ? 1 : 0);
}
