// Fake: a daemon as far as a client sees one. A test says what each operation does.
import { once } from 'node:events';
import http from 'node:http';
import type { AddressInfo } from 'node:net';

import { WebSocketServer, type WebSocket } from 'ws';

export type Message = Record<string, unknown> & { op: string; id: number };

// One request's way back to the client.
export class Reply {
  constructor(
    readonly fake: Fake,
    readonly socket: WebSocket,
    readonly id: number,
  ) {}

  result(result: unknown): void {
    this.say({ id: this.id, result });
  }

  event(event: unknown): void {
    this.say({ id: this.id, event });
  }

  refuse(status: number, code: string, more: object = {}): void {
    this.say({ id: this.id, error: { type: 'about:blank', title: code, status, detail: code, code, ...more } });
  }

  output(position: number, text: string | Uint8Array, stream = 1): void {
    const header = Buffer.alloc(16);
    header.writeUInt32LE(this.id, 0);
    header.writeUInt8(stream, 4);
    header.writeBigUInt64LE(BigInt(position), 8);
    this.socket.send(Buffer.concat([header, Buffer.from(text)]));
  }

  say(message: object | string | Buffer): void {
    if (this.socket.readyState !== this.socket.OPEN) return;
    this.socket.send(typeof message === 'string' || Buffer.isBuffer(message) ? message : JSON.stringify(message));
  }

  // As a network that fails: without a word, but after what was sent.
  drop(): void {
    this.socket.close();
  }
}

export type Handler = (message: Message, reply: Reply) => void;
export type HttpHandler = (request: http.IncomingMessage, response: http.ServerResponse, body: Buffer) => void;

export class Fake {
  static readonly token = 'token-of-the-test';
  readonly messages: Message[] = [];
  readonly inputs: Array<{ id: number; bytes: Buffer }> = [];
  connections = 0;
  http: HttpHandler = (_, response) => problem(response, 404, 'not_found');
  readonly #handlers = new Map<string, Handler>();
  readonly #server = http.createServer((request, response) => {
    const parts: Buffer[] = [];
    request.on('data', (part: Buffer) => parts.push(part));
    request.on('error', () => undefined);
    request.on('end', () => this.http(request, response, Buffer.concat(parts)));
  });
  readonly #sockets = new WebSocketServer({ server: this.#server, path: '/v2/ws' });

  static async start(): Promise<Fake> {
    const fake = new Fake();
    fake.on('auth', (message, reply) =>
      message['token'] === Fake.token ? reply.result({ session_id: 's' }) : reply.refuse(401, 'unauthorized'),
    );
    fake.on('ping', (_, reply) => reply.result({}));
    fake.#sockets.on('connection', (socket) => fake.#serve(socket));
    fake.#server.listen(0, '127.0.0.1');
    await once(fake.#server, 'listening');
    return fake;
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  on(op: string, handler: Handler): this {
    this.#handlers.set(op, handler);
    return this;
  }

  // The messages of one operation that have come so far.
  of(op: string): Message[] {
    return this.messages.filter((message) => message.op === op);
  }

  dropAll(): void {
    for (const socket of this.#sockets.clients) socket.terminate();
  }

  async stop(): Promise<void> {
    this.dropAll();
    this.#server.closeAllConnections();
    this.#sockets.close();
    await new Promise((done) => this.#server.close(done));
  }

  #serve(socket: WebSocket): void {
    this.connections += 1;
    socket.on('error', () => undefined);
    socket.on('message', (data: Buffer, binary) => {
      if (binary) {
        this.inputs.push({ id: data.readUInt32LE(0), bytes: data.subarray(16) });
        this.#handlers.get('input')?.({ op: 'input', id: data.readUInt32LE(0), bytes: data.subarray(16) }, new Reply(this, socket, data.readUInt32LE(0)));
        return;
      }
      const message = JSON.parse(data.toString()) as Message;
      this.messages.push(message);
      const reply = new Reply(this, socket, message.id);
      const handler = this.#handlers.get(message.op);
      if (handler) handler(message, reply);
      else if (message.op === 'cancel') {
        new Reply(this, socket, Number(message['request'])).refuse(499, 'cancelled');
        reply.result({});
      } else if (message.op !== 'ack') reply.refuse(404, 'not_found');
    });
  }
}

export function problem(response: http.ServerResponse, status: number, code: string, more: object = {}): void {
  response.writeHead(status, { 'Content-Type': 'application/problem+json' });
  response.end(JSON.stringify({ type: 'about:blank', title: code, status, detail: code, code, ...more }));
}

export const running = {
  process: 'p1', segment: 'site', argv: ['make'], cwd: '.', profile: 'workspace-write', terminal: false,
  state: 'running', started_ns: '1760000001000000000', output: { from: 0, to: 0, retained: 'memory' },
};

export const ended = {
  ...running,
  state: 'ended',
  exit: { code: 0, cpu_us: 1, peak_memory: 2, wall_us: 3, ended_ns: '1760000002000000000' },
};

export const facts = { kind: 'file', size: 5, mode: 420, modified_ns: '1760000000000000000', version: 'v1' };

export async function until(what: string, done: () => boolean): Promise<void> {
  for (const end = Date.now() + 5000; !done(); ) {
    if (Date.now() > end) throw new Error(`${what}: did not happen`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
