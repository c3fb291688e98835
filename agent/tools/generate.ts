// generate [--check]: writes src/protocol.ts from docs/openapi.yaml and docs/asyncapi.yaml; with --check only says
// whether it is what would be written.
import fs from 'node:fs';
import { fileURLToPath } from 'node:url';

import {
  connectionOperations, Documents, generated, isObject, list, object, operations, text,
  type Field, type Fields, type Json, type Operation,
  isPaths,
} from './documents.js';

const quote = (value: string): string => `'${value.replaceAll('\\', '\\\\').replaceAll("'", "\\'")}'`;
const key = (name: string): string => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : quote(name));
const comment = (schema: Json, indent: string): string =>
  isObject(schema) && text(schema['description'])
    ? `${indent}// ${text(schema['description']).replaceAll('\n', ' ')}\n`
    : '';

// Exactly one of several fields: `oneOf: [{required: [a]}, {required: [b]}]`.
function alternatives(schema: Fields): string[] {
  return list(schema['oneOf']).map((branch) => (isObject(branch) ? text(list(branch['required'])[0]) : ''));
}

function isAlternatives(schema: Fields): boolean {
  return schema['properties'] !== undefined && Array.isArray(schema['oneOf']);
}

// A schema as a TypeScript type.
export function typeOf(schema: Json, indent = ''): string {
  if (!isObject(schema)) return 'unknown';
  if (typeof schema['$ref'] === 'string') return schema['$ref'].split('/').at(-1) ?? 'unknown';
  if (schema['const'] !== undefined) return literal(schema['const']);
  if (Array.isArray(schema['enum'])) return schema['enum'].map(literal).join(' | ');
  if (Array.isArray(schema['allOf'])) return schema['allOf'].map((part) => typeOf(part, indent)).join(' & ');
  if (Array.isArray(schema['oneOf']) && !isAlternatives(schema))
    return schema['oneOf'].map((part) => typeOf(part, indent)).join(' | ');
  if (Array.isArray(schema['type']))
    return schema['type'].map((type) => typeOf({ ...schema, type }, indent)).join(' | ');
  switch (schema['type']) {
    case 'string': return 'string';
    case 'boolean': return 'boolean';
    case 'integer':
    case 'number': return 'number';
    case 'null': return 'null';
    case 'array': {
      const item = typeOf(schema['items'] ?? null, indent);
      if (schema['minItems'] !== undefined && schema['minItems'] === schema['maxItems'])
        return `[${Array.from({ length: Number(schema['minItems']) }, () => item).join(', ')}]`;
      return /[ |&]/.test(item) && !item.startsWith('[') ? `Array<${item}>` : `${item}[]`;
    }
    case 'object': return objectType(schema, indent);
    default: return 'unknown';
  }
}

function literal(value: Json): string {
  return typeof value === 'string' ? quote(value) : JSON.stringify(value);
}

function objectType(schema: Fields, indent: string): string {
  const properties = object(schema['properties'] ?? {}, 'properties');
  if (isObject(schema['additionalProperties'])) return `Record<string, ${typeOf(schema['additionalProperties'])}>`;
  const required = list(schema['required']);
  const either = isAlternatives(schema) ? alternatives(schema) : [];
  const line = (name: string, always: boolean): string =>
    `${comment(properties[name] ?? null, `${indent}  `)}${indent}  ${key(name)}${always ? '' : '?'}: ` +
    `${typeOf(properties[name] ?? null, `${indent}  `)};\n`;
  const plain = Object.keys(properties).filter((name) => !either.includes(name));
  const common = plain.map((name) => line(name, required.includes(name))).join('');
  const body = common === '' ? 'Record<never, never>' : `{\n${common}${indent}}`;
  if (either.length === 0) return body;
  return `${body} & OneOf<{\n${either.map((name) => line(name, true)).join('')}${indent}}>`;
}

function fieldsType(operation: Operation): string {
  const parts: string[] = [];
  const plain: string[] = operation.segment ? ['segment: SegmentName'] : [];
  const one = (field: Field): string => typeOf(field.schema, '      ');
  for (const [name, field] of operation.fields) {
    if (operation.either.some((names) => names.includes(name))) continue;
    if (field.path && field.required) parts.push(`OneOf<{ ${name}: Path; ${name}_bytes: Base64 }>`);
    else if (field.path && isPaths(field.schema)) plain.push(`${name}?: Paths`, `${name}_bytes?: PathsBytes`);
    else if (field.path) plain.push(`${name}?: Path`, `${name}_bytes?: Base64`);
    else plain.push(`${name}${field.required ? '' : '?'}: ${one(field)}`);
  }
  for (const names of operation.either)
    parts.push(
      `OneOf<{ ${names.map((name) => `${name}: ${one(operation.fields.get(name) as Field)}`).join('; ')} }>`,
    );
  const own = plain.length > 0 ? `{ ${plain.join('; ')} }` : parts.length === 0 ? 'Record<never, never>' : '';
  return [own, ...parts].filter(Boolean).join(' & ');
}

// Schemas that say what an answer must look like, without what is for people.
function shape(schema: Json): Json {
  if (Array.isArray(schema)) return schema.map(shape);
  if (!isObject(schema)) return schema;
  if (typeof schema['$ref'] === 'string') return { $ref: schema['$ref'].split('/').at(-1) ?? '' };
  const kept = ['type', 'enum', 'const', 'required', 'allOf', 'oneOf', 'items', 'minItems', 'maxItems'];
  const out: Fields = {};
  for (const [name, value] of Object.entries(schema)) {
    if (kept.includes(name)) out[name] = shape(value);
    if (name === 'properties')
      out[name] = Object.fromEntries(Object.entries(object(value, name)).map(([n, s]) => [n, shape(s)]));
  }
  return out;
}

function reachable(documents: Documents, names: string[]): string[] {
  const seen = new Set<string>();
  const visit = (value: Json | undefined): void => {
    if (Array.isArray(value)) value.forEach(visit);
    if (!isObject(value)) return;
    if (typeof value['$ref'] === 'string') enter(value['$ref'].split('/').at(-1) ?? '');
    Object.values(value).forEach(visit);
  };
  const enter = (name: string): void => {
    if (seen.has(name)) return;
    seen.add(name);
    visit(documents.schemas[name]);
  };
  names.forEach(enter);
  return Object.keys(documents.schemas).filter((name) => seen.has(name));
}

export function generate(documents: Documents): string {
  const all = operations(documents);
  const answers = [...all.flatMap((one) => [one.answer ?? '', ...one.events]), 'Health', 'Paired'].filter(Boolean);
  const shapes = reachable(documents, answers);
  const named = reachable(documents, Object.keys(documents.schemas)).filter((name) => !name.endsWith('Body'));

  let out = `// Generated from docs/openapi.yaml and docs/asyncapi.yaml by tools/generate.ts: do not edit, \`npm run generate\`.

// Exactly one of these fields.
export type OneOf<T> = {
  [K in keyof T]: Pick<T, K> & { [L in Exclude<keyof T, K>]?: never };
}[keyof T];
`;
  for (const name of named) {
    const schema = documents.schemas[name] ?? null;
    const type = typeOf(schema);
    out += `\n${comment(schema, '')}`;
    out += isObject(schema) && schema['properties'] && !schema['oneOf'] && type.startsWith('{')
      ? `export interface ${name} ${type}\n`
      : `export type ${name} = ${type};\n`;
  }

  out += '\n// What each operation takes, answers and, before that, tells.\nexport interface Operations {\n';
  for (const one of all)
    out +=
      `  // ${one.summary}.\n  ${quote(one.name)}: {\n    fields: ${fieldsType(one)};\n` +
      `    result: ${one.answer ?? 'never'};\n    event: ${one.events.join(' | ') || 'never'};\n  };\n`;
  out += '}\n\nexport type OperationName = keyof Operations;\n';

  out += `
// How an operation travels. \`query\` and \`body\` name its fields; those of \`path\` stand in the URL. A field of
// \`paths\` may come as NAME_bytes. \`answer\` is what an answer must look like; null: bytes.
export interface Row {
  readonly need: string;
  readonly socket: boolean;
  readonly method: string | null;
  readonly path: string | null;
  readonly query: readonly string[];
  readonly body: 'none' | 'json' | 'raw';
  readonly paths: readonly string[];
  readonly answer: ShapeName | null;
}

export const table = {
`;
  for (const one of all) {
    const of = (accept: (field: Field) => boolean): string =>
      `[${[...one.fields].filter(([, field]) => accept(field)).map(([name]) => quote(name)).join(', ')}]`;
    out +=
      `  ${quote(one.name)}: {\n    need: ${quote(one.need)}, socket: ${one.over !== 'http'}, ` +
      `method: ${one.method ? quote(one.method) : null}, path: ${one.path ? quote(one.path) : null},\n` +
      `    query: ${of((field) => field.place === 'query')}, body: ${quote(one.body)}, ` +
      `paths: ${of((field) => field.path)}, answer: ${one.answer ? quote(one.answer) : null},\n  },\n`;
  }
  out += '} as const satisfies Record<OperationName, Row>;\n';

  const over = (accept: (one: Operation) => boolean): string =>
    all.filter(accept).map((one) => quote(one.name)).join(' | ');
  const answeredOnce = (one: Operation): boolean => one.events.length === 0 && one.answer !== undefined;
  out += `
// Called with one JSON object and answered with one, over HTTP.
export type HttpName = ${over((one) => one.over !== 'socket' && one.answer !== undefined && one.body !== 'raw')};

// Called over the WebSocket, and answered once.
export type SocketName = ${over((one) => one.over !== 'http' && answeredOnce(one) && !connectionOperations.includes(one.name))};
`;

  out += '\n// What has a shape can be checked when it arrives: see parse.ts.\nexport interface Shapes {\n';
  for (const name of shapes) out += `  ${name}: ${name};\n`;
  out += '}\n\nexport type ShapeName = keyof Shapes;\n\nexport const shapes: Record<ShapeName, object> = {\n';
  for (const name of shapes) out += `  ${name}: ${JSON.stringify(shape(documents.schemas[name] ?? null))},\n`;
  return `${out}};\n`;
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const made = generate(new Documents());
  if (process.argv.includes('--check')) {
    if (fs.readFileSync(generated, 'utf8') !== made) {
      console.error('src/protocol.ts is not what the documents say: npm run generate');
      process.exit(1);
    }
  } else fs.writeFileSync(generated, made);
}
