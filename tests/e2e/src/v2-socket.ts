// A v2 client on the WebSocket, as docs/protocol-v2.md has it: calls, streams, acks. It checks what every client relies
// on: positions without a hole, one answer a request.
import assert from 'node:assert/strict';
import { once } from 'node:events';

import WebSocket from 'ws';

import { within } from './wait.js';

export interface Exit {
  code?: number;
  signal?: number;
  limit?: string;
  cpu_us: number;
  peak_memory: number;
  wall_us: number;
}
export interface ProcessInfo {
  process: string;
  state: 'running' | 'ended';
  argv: string[];
  terminal: boolean;
  output: { from: number; to: number };
  exit?: Exit;
}
export class Refused extends Error {
  constructor(
    readonly code: string,
    readonly problem: Record<string, unknown>,
  ) {
    super(`${code}: ${String(problem['detail'])}`);
  }
}

interface Output {
  stream: number;
  position: number;
  bytes: Buffer;
}
interface Open {
  resolve: (result: unknown) => void;
  reject: (error: Error) => void;
  output: (output: Output) => void;
  event: (event: Record<string, unknown>) => void;
}

// What one stream has brought; `position` is where it goes on.
export class Stream {
  readonly parts: Buffer[] = [];
  readonly errors: Buffer[] = [];
  readonly events: Record<string, unknown>[] = [];
  readonly gaps: { from: number; to: number }[] = [];
  received: (() => void) | undefined;
  constructor(
    readonly id: number,
    public position: number,
  ) {}
  get text(): string {
    return Buffer.concat(this.parts).toString();
  }
}

export class V2Socket {
  acks = true; // false: a client that does not acknowledge
  #next = 1;
  readonly #open = new Map<number, Open>();
  private constructor(
    readonly socket: WebSocket,
    readonly segment: string,
  ) {}

  static async open(port: number, token: string | undefined, segment = 'Alpha'): Promise<V2Socket> {
    const headers = token === undefined ? {} : { Authorization: `Bearer ${token}` };
    const socket = new WebSocket(`ws://127.0.0.1:${port}/v2/ws`, { headers, perMessageDeflate: false });
    const client = new V2Socket(socket, segment);
    socket.on('message', (data: Buffer, binary: boolean) => client.#take(data, binary));
    socket.on('error', () => undefined);
    socket.on('close', () => {
      for (const one of client.#open.values()) one.reject(new Error('the connection broke'));
      client.#open.clear();
    });
    await within('the WebSocket to open', once(socket, 'open'), 10_000);
    return client;
  }

  #take(data: Buffer, binary: boolean): void {
    if (binary) {
      const id = data.readUInt32LE(0);
      const open = this.#open.get(id);
      const position = Number(data.readBigUInt64LE(8));
      open?.output({ stream: data[4] ?? 0, position, bytes: data.subarray(16) });
      if (data[5] === 1 && this.acks) this.ack(id, position + data.length - 16);
      return;
    }
    const message = JSON.parse(data.toString()) as { id: number | null; result?: unknown; error?: Record<string, unknown>; event?: Record<string, unknown> };
    const open = message.id === null ? undefined : this.#open.get(message.id);
    if (!open) return;
    if (message.event) return open.event(message.event);
    this.#open.delete(message.id ?? 0);
    if (message.error) open.reject(new Refused(String(message.error['code']), message.error));
    else open.resolve(message.result);
  }

  send(message: unknown): void {
    this.socket.send(JSON.stringify(message));
  }
  ack(request: number, position: number): void {
    this.send({ op: 'ack', request, position });
  }
  input(id: number, bytes: string | Buffer): void {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(id, 0);
    this.socket.send(Buffer.concat([header, Buffer.from(bytes)]));
  }

  async call<T = ProcessInfo>(op: string, fields: Record<string, unknown> = {}): Promise<T> {
    return (await this.start(op, fields).result) as T;
  }

  // A stream from `from` on: what comes is checked to follow without a hole, but for gaps that are told.
  start(op: string, fields: Record<string, unknown> = {}): { stream: Stream; result: Promise<unknown> } {
    const stream = new Stream(this.#next++, typeof fields['from'] === 'number' ? fields['from'] : 0);
    const result = new Promise<unknown>((resolve, reject) => {
      this.#open.set(stream.id, {
        resolve,
        reject,
        event: (event) => {
          stream.events.push(event);
          const gap = event['gap'] as { from: number; to: number } | undefined;
          if (!gap) return;
          stream.gaps.push(gap);
          if (gap.from !== stream.position) reject(new Error(`a gap from ${gap.from}, expected ${stream.position}`));
          stream.position = gap.to;
        },
        output: (output) => {
          if (output.position !== stream.position && fields['stream'] === undefined)
            reject(new Error(`output at ${output.position}, expected ${stream.position}`));
          stream.position = output.position + output.bytes.length;
          (output.stream === 2 ? stream.errors : stream.parts).push(Buffer.from(output.bytes));
          stream.received?.();
        },
      });
    });
    result.catch(() => undefined);
    this.send({ id: stream.id, op, ...(op.includes('.') ? { segment: this.segment } : {}), ...fields });
    return { stream, result };
  }

  async refused(op: string, fields: Record<string, unknown> = {}): Promise<Refused> {
    const error = await this.call(op, fields).then(
      () => undefined,
      (reason: unknown) => reason,
    );
    assert.ok(error instanceof Refused, `${op} was not refused`);
    return error;
  }

  async close(): Promise<void> {
    if (this.socket.readyState === WebSocket.CLOSED) return;
    const closed = once(this.socket, 'close');
    this.socket.close();
    await within('the WebSocket to close', closed, 10_000);
  }
}
