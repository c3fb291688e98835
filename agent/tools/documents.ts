// The two documents as data: read, references followed, and every operation in one form, whichever document says it.
import fs from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { parse } from 'yaml';

export type Json = null | boolean | number | string | Json[] | { [key: string]: Json };
export type Fields = { [key: string]: Json };

export const docs = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../../docs');
export const generated = path.join(path.dirname(fileURLToPath(import.meta.url)), '../../src/protocol.ts');

export function isObject(value: Json | undefined): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

export function object(value: Json | undefined, what: string): Fields {
  if (!isObject(value)) throw new Error(`${what}: an object was expected`);
  return value;
}

export function list(value: Json | undefined): Json[] {
  return Array.isArray(value) ? value : [];
}

export function text(value: Json | undefined): string {
  return typeof value === 'string' ? value : '';
}

// What comes out of a YAML parser, once it is known to be JSON and nothing more.
function json(value: unknown, where: string): Json {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number' && Number.isFinite(value)) return value;
  if (Array.isArray(value)) return value.map((item, i) => json(item, `${where}/${i}`));
  if (typeof value === 'object' && Object.getPrototypeOf(value) === Object.prototype)
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, json(item, `${where}/${key}`)]));
  throw new Error(`${where}: no JSON`);
}

export class Documents {
  readonly openapi: Fields;
  readonly asyncapi: Fields;

  constructor(folder = docs) {
    const read = (file: string): Fields =>
      object(json(parse(fs.readFileSync(path.join(folder, file), 'utf8')), file), file);
    this.openapi = read('openapi.yaml');
    this.asyncapi = read('asyncapi.yaml');
  }

  // What a reference names, and the document in which references within it are to be followed.
  target(reference: string, from: Fields): { value: Json; document: Fields } {
    const [file, pointer] = reference.split('#');
    const document = file === '' ? from : file === './openapi.yaml' ? this.openapi : undefined;
    if (!document || pointer === undefined) throw new Error(`${reference}: leads nowhere`);
    let value: Json | undefined = document;
    for (const part of pointer.split('/').slice(1)) {
      const key = part.replaceAll('~1', '/').replaceAll('~0', '~');
      value = isObject(value) ? value[key] : undefined;
      if (value === undefined) throw new Error(`${reference}: leads nowhere`);
    }
    return { value, document };
  }

  // One step: the object itself, or the one that its $ref names, with what stands beside the reference laid over it.
  follow(value: Json | undefined, from: Fields): { value: Fields; document: Fields } {
    const here = object(value, 'a schema');
    const { $ref: reference, ...beside } = here;
    if (typeof reference !== 'string') return { value: here, document: from };
    const found = this.target(reference, from);
    const next = this.follow(found.value, found.document);
    return { value: { ...next.value, ...beside }, document: next.document };
  }

  // All references followed, and what is for people left out: two that are equal mean the same.
  meaning(value: Json | undefined, from: Fields): Json {
    if (Array.isArray(value)) return value.map((item) => this.meaning(item, from));
    if (!isObject(value)) return value ?? null;
    const { value: here, document } = this.follow(value, from);
    return Object.fromEntries(
      Object.entries(here)
        .filter(([key]) => !['description', 'examples', 'example'].includes(key))
        .map(([key, item]): [string, Json] => [
          key,
          key === 'properties'
            ? Object.fromEntries(Object.entries(object(item, key)).map(([n, s]) => [n, this.meaning(s, document)]))
            : this.meaning(item, document),
        ])
        .sort(([a], [b]) => (a < b ? -1 : 1)),
    );
  }

  get schemas(): Fields {
    return object(object(this.openapi['components'], 'components')['schemas'], 'schemas');
  }
}

export interface Field {
  schema: Json;
  document: Fields;
  path: boolean; // may come as NAME_bytes too
  required: boolean;
  place: 'path' | 'query' | 'body' | 'message';
}

export interface Operation {
  name: string;
  summary: string;
  need: string;
  over: 'both' | 'http' | 'socket';
  method?: string;
  path?: string;
  segment: boolean;
  fields: Map<string, Field>;
  either: string[][]; // of each of these lists exactly one field is needed
  body: 'none' | 'json' | 'raw';
  answer: string | undefined; // a schema's name; undefined: raw bytes, or no answer at all
  events: string[];
  output: boolean; // sends binary messages
}

// A path, or a list of them.
export const isPaths = (schema: Json): boolean => isObject(schema) && text(schema['$ref']).endsWith('/schemas/Paths');
const isPath = (schema: Json): boolean =>
  isPaths(schema) || (isObject(schema) && text(schema['$ref']).endsWith('/schemas/Path'));

const schemaName = (schema: Json | undefined): string => {
  const name = isObject(schema) ? text(schema['$ref']).split('/').at(-1) : undefined;
  if (!name) throw new Error(`an answer must have a named schema, and not ${JSON.stringify(schema)}`);
  return name;
};

// The fields of a closed object; `either` gets the lists of alternatives that are no path.
function objectFields(
  schema: Fields,
  document: Fields,
  place: Field['place'],
  skip: string[],
  operation: Operation,
): void {
  const required = new Set(list(schema['required']).map(text));
  const alternatives = [schema, ...list(schema['allOf']).filter(isObject)]
    .map((one) => list(one['oneOf']).filter(isObject).map((branch) => text(list(branch['required'])[0])))
    .filter((names) => names.length > 0);
  if (schema['additionalProperties'] !== false) throw new Error(`${operation.name}: unknown fields must be refused`);
  const properties = object(schema['properties'] ?? {}, operation.name);
  const paths = Object.keys(properties).filter((name) => isPath(properties[name] ?? null));
  for (const name of paths)
    if (!properties[`${name}_bytes`]) throw new Error(`${operation.name}: ${name} without ${name}_bytes`);
  for (const [name, field] of Object.entries(properties)) {
    if (skip.includes(name) || paths.some((one) => name === `${one}_bytes`)) continue;
    operation.fields.set(name, {
      schema: field,
      document,
      path: paths.includes(name),
      required: required.has(name) || alternatives.some((names) => names.includes(`${name}_bytes`)),
      place,
    });
  }
  operation.either = alternatives.filter((names) => !names.some((name) => name.endsWith('_bytes')));
}

export const methods = ['get', 'head', 'post', 'put', 'patch', 'delete'];

// The operations of /v2 in openapi.yaml; what else is there (/health, /pair, HEAD) is no row of the broker's table.
export function httpOperations(documents: Documents): Operation[] {
  const found: Operation[] = [];
  for (const [where, item] of Object.entries(object(documents.openapi['paths'], 'paths'))) {
    for (const [method, described] of Object.entries(object(item, where))) {
      if (!where.startsWith('/v2/') || method === 'head' || !methods.includes(method)) continue;
      const one = object(described, where);
      const operation: Operation = {
        name: text(one['operationId']),
        summary: text(one['summary']),
        need: text(one['x-need']),
        over: one['x-over'] === 'both' ? 'both' : 'http',
        method: method.toUpperCase(),
        path: where,
        segment: false,
        fields: new Map(),
        either: [],
        body: 'none',
        answer: undefined,
        events: [],
        output: false,
      };
      const body = isObject(one['requestBody']) ? object(one['requestBody']['content'], 'content') : {};
      const bodySchema = isObject(body['application/json']) ? body['application/json']['schema'] : undefined;
      operation.body = bodySchema !== undefined ? 'json' : Object.keys(body).length > 0 ? 'raw' : 'none';
      if (bodySchema !== undefined) {
        const { value, document } = documents.follow(bodySchema, documents.openapi);
        objectFields(value, document, 'body', [], operation);
      }
      for (const parameter of list(one['parameters'])) {
        const { value, document } = documents.follow(parameter, documents.openapi);
        const name = text(value['name']);
        if (value['in'] === 'header') continue;
        if (name === 'segment') operation.segment = true;
        else
          operation.fields.set(name, {
            schema: value['schema'] ?? null,
            document,
            path: isPath(value['schema'] ?? null),
            required: value['required'] === true,
            place: value['in'] === 'path' ? 'path' : 'query',
          });
      }
      const ok = documents.follow(object(one['responses'], 'responses')['200'], documents.openapi).value;
      const content = isObject(ok['content']) ? ok['content']['application/json'] : undefined;
      if (isObject(content)) operation.answer = schemaName(content['schema']);
      found.push(operation);
    }
  }
  return found;
}

// The operations of asyncapi.yaml; `input` is a binary message and none of them.
export function socketOperations(documents: Documents): Operation[] {
  const document = documents.asyncapi;
  const found: Operation[] = [];
  for (const [name, described] of Object.entries(object(document['operations'], 'operations'))) {
    if (name === 'input') continue;
    const one = object(described, name);
    const message = documents.follow(list(one['messages'])[0], document).value;
    const payload = documents.follow(message['payload'], document).value;
    const properties = object(payload['properties'], name);
    if (object(properties['op'], `${name}: op`)['const'] !== name) throw new Error(`${name}: another op`);
    const operation: Operation = {
      name,
      summary: text(one['summary']),
      need: text(one['x-need']),
      over: 'socket',
      segment: properties['segment'] !== undefined,
      fields: new Map(),
      either: [],
      body: 'none',
      answer: undefined,
      events: [],
      output: false,
    };
    objectFields(payload, document, 'message', ['id', 'op', 'segment'], operation);
    const reply = isObject(one['reply']) ? list(one['reply']['messages']) : [];
    for (const reference of reply) {
      const { value } = documents.follow(reference, document);
      if (value['contentType'] === 'application/octet-stream') {
        operation.output = true;
        continue;
      }
      const parts = object(object(value['payload'], name)['properties'], name);
      if (parts['result']) operation.answer = schemaName(parts['result']);
      if (isObject(parts['event']))
        operation.events = Array.isArray(parts['event']['oneOf'])
          ? parts['event']['oneOf'].map(schemaName)
          : [schemaName(parts['event'])];
    }
    found.push(operation);
  }
  return found;
}

// Requests of the connection itself, which are no rows of the broker's table.
export const connectionOperations = ['auth', 'cancel', 'ack', 'ping'];

// Each operation once.
export function operations(documents: Documents): Operation[] {
  const http = httpOperations(documents);
  const names = new Set(http.map((operation) => operation.name));
  return [...http, ...socketOperations(documents).filter((operation) => !names.has(operation.name))];
}
