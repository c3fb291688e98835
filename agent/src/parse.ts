// What comes from the daemon is unknown until it went through here.
import { TorenError, type AnyProblem } from './errors.js';
import { shapes, type ShapeName, type Shapes, type Stream } from './protocol.js';

const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

interface Shape {
  $ref?: ShapeName;
  type?: string | string[];
  enum?: unknown[];
  const?: unknown;
  required?: string[];
  properties?: Record<string, Shape>;
  items?: Shape;
  minItems?: number;
  maxItems?: number;
  allOf?: Shape[];
  oneOf?: Shape[];
}

function isType(type: string, value: unknown): boolean {
  switch (type) {
    case 'string':
    case 'boolean':
      return typeof value === type;
    case 'number':
      return typeof value === 'number';
    case 'integer':
      return Number.isSafeInteger(value);
    case 'null':
      return value === null;
    case 'array':
      return Array.isArray(value);
    default:
      return isRecord(value);
  }
}

// Where the value does not fit, and undefined where it does. Further fields are ignored.
function misfit(shape: Shape, value: unknown, where: string): string | undefined {
  if (shape.$ref !== undefined) return misfit(shapes[shape.$ref] as Shape, value, where);
  if (shape.const !== undefined && value !== shape.const) return where;
  if (shape.enum && !shape.enum.includes(value)) return where;
  if (shape.type !== undefined && ![shape.type].flat().some((type) => isType(type, value))) return where;
  for (const part of shape.allOf ?? []) {
    const bad = misfit(part, value, where);
    if (bad !== undefined) return bad;
  }
  if (shape.oneOf && !shape.oneOf.some((part) => misfit(part, value, where) === undefined)) return where;
  if (Array.isArray(value)) {
    if (value.length < (shape.minItems ?? 0) || value.length > (shape.maxItems ?? Infinity)) return where;
    for (const [i, item] of shape.items ? value.entries() : []) {
      const bad = misfit(shape.items as Shape, item, `${where}[${i}]`);
      if (bad !== undefined) return bad;
    }
  }
  if (isRecord(value)) {
    for (const name of shape.required ?? []) if (!Object.hasOwn(value, name)) return `${where}.${name}`;
    for (const [name, part] of Object.entries(shape.properties ?? {})) {
      if (!Object.hasOwn(value, name)) continue;
      const bad = misfit(part, value[name], `${where}.${name}`);
      if (bad !== undefined) return bad;
    }
  }
  return undefined;
}

export function parse<N extends ShapeName>(name: N, value: unknown): Shapes[N] {
  const bad = misfit({ $ref: name }, value, name);
  if (bad !== undefined) throw TorenError.ours('malformed_answer', `${bad} is missing or not what the protocol says`);
  return value as Shapes[N];
}

export function parseProblem(value: unknown): AnyProblem | undefined {
  if (!isRecord(value) || typeof value['code'] !== 'string' || !Number.isSafeInteger(value['status'])) return undefined;
  const detail = typeof value['detail'] === 'string' ? value['detail'] : value['code'];
  return { ...value, code: value['code'], status: Number(value['status']), detail };
}

export type ServerMessage =
  | { type: 'result'; id: number; result: unknown }
  | { type: 'error'; id: number; error: AnyProblem }
  | { type: 'event'; id: number; event: unknown }
  | ({ type: 'output' } & Frame);

export interface Frame {
  id: number;
  stream: Stream;
  position: number;
  ackWanted: boolean;
  bytes: Uint8Array;
}

const malformed = (why: string): TorenError => TorenError.ours('malformed_answer', why);
const headerBytes = 16;

// A binary message of the daemon: a header and output. `bytes` is a view, no copy.
export function parseFrame(message: ArrayBuffer): Frame {
  if (message.byteLength < headerBytes) throw malformed(`a binary message of ${message.byteLength} bytes`);
  const header = new DataView(message, 0, headerBytes);
  const id = header.getUint32(0, true);
  const stream = header.getUint8(4);
  if (id === 0) throw malformed('a binary message for no request');
  if (stream !== 1 && stream !== 2) throw malformed(`a binary message of stream ${stream}`);
  if (header.getUint8(5) > 1 || header.getUint16(6, true) !== 0)
    throw malformed('a binary message with an unknown header');
  const position = header.getBigUint64(8, true);
  if (position > BigInt(Number.MAX_SAFE_INTEGER)) throw malformed(`output at position ${position}`);
  return {
    id,
    stream: stream === 1 ? 'stdout' : 'stderr',
    position: Number(position),
    ackWanted: header.getUint8(5) === 1,
    bytes: new Uint8Array(message, headerBytes),
  };
}

// A binary message of ours: bytes for the standard input of the process that request `id` follows; none close it.
export function inputFrame(id: number, bytes: Uint8Array): Uint8Array {
  const frame = new Uint8Array(headerBytes + bytes.byteLength);
  new DataView(frame.buffer).setUint32(0, id, true);
  frame.set(bytes, headerBytes);
  return frame;
}

// Whatever a WebSocket's message event holds.
export function parseMessage(data: unknown): ServerMessage {
  if (data instanceof ArrayBuffer) return { type: 'output', ...parseFrame(data) };
  if (typeof data !== 'string') throw malformed('a message that is neither text nor an ArrayBuffer');
  let message: unknown;
  try {
    message = JSON.parse(data);
  } catch {
    throw malformed('a message that is no JSON');
  }
  if (!isRecord(message)) throw malformed('a message that is no object');
  const id = message['id'];
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > 0xffffffff)
    throw malformed('a message without an id');
  if (Object.hasOwn(message, 'error')) {
    const error = parseProblem(message['error']);
    if (!error) throw malformed('an error that is no problem');
    return { type: 'error', id, error };
  }
  if (Object.hasOwn(message, 'result')) return { type: 'result', id, result: message['result'] };
  if (Object.hasOwn(message, 'event')) return { type: 'event', id, event: message['event'] };
  throw malformed('a message that is neither result nor error nor event');
}
