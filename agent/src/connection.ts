// Connection: one WebSocket from its opening to its end. It numbers requests, and gives each what comes for it. What it
// cannot make sense of ends it: a daemon that breaks the protocol is not guessed at.
import { TorenError } from './errors.js';
import { inputFrame, parse, parseMessage, type Frame, type ServerMessage } from './parse.js';

// What `ws` and a browser's WebSocket have in common.
export interface WebSocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  send(data: string | Uint8Array<ArrayBuffer>): void;
  close(code?: number, reason?: string): void;
  addEventListener(type: string, listener: (event: unknown) => void): void;
}

export type WebSocketConstructor = new (url: string) => WebSocketLike;

// The global one; before Node 22 the package `ws`. Its name is no literal: a bundler for browsers leaves it out.
export async function webSocketConstructor(): Promise<WebSocketConstructor> {
  const { WebSocket: own } = globalThis as { WebSocket?: WebSocketConstructor };
  if (own) return own;
  const name = 'ws';
  const { WebSocket: package_ } = (await import(name)) as { WebSocket?: WebSocketConstructor };
  if (!package_) throw new Error('this Node has no WebSocket: install the package ws');
  return package_;
}

export interface Request {
  readonly id: number;
  readonly result: Promise<unknown>;
}

export interface Listener {
  event?: (event: unknown) => void;
  output?: (frame: Frame) => void;
}

interface Open extends Listener {
  resolve: (result: unknown) => void;
  reject: (error: unknown) => void;
}

const largestId = 0xffffffff;
const largestBuffer = 1 << 20;

export class Connection {
  readonly #socket: WebSocketLike;
  readonly #open = new Map<number, Open>();
  #lastId = 0;
  #heard = true;
  #ended: TorenError | undefined;
  #heartbeat: ReturnType<typeof setInterval> | undefined;

  private constructor(socket: WebSocketLike) {
    this.#socket = socket;
  }

  // Resolves once the daemon has accepted the token.
  static async open(
    constructor: WebSocketConstructor,
    url: string,
    token: string | undefined,
    limits: { openMilliseconds: number; heartbeatMilliseconds: number },
  ): Promise<Connection> {
    const socket = new constructor(url);
    socket.binaryType = 'arraybuffer';
    const connection = new Connection(socket);
    const silent = TorenError.ours('connection_lost', 'the daemon does not answer');
    const slow = setTimeout(() => connection.end(silent), limits.openMilliseconds);
    try {
      await new Promise<void>((resolve, reject) => {
        const lost = (event: unknown): void => {
          const why = (event as { error?: unknown }).error;
          connection.end(TorenError.ours('connection_lost', 'the connection ended', why));
          reject(connection.#ended);
        };
        socket.addEventListener('open', () => resolve());
        socket.addEventListener('error', lost);
        socket.addEventListener('close', lost);
        socket.addEventListener('message', (event) => connection.#receive((event as { data?: unknown }).data));
        connection.#failed = reject;
      });
      if (token !== undefined) parse('Session', await connection.request('auth', { token }).result);
    } catch (error) {
      connection.end(TorenError.ours('connection_lost', 'the connection could not be made'));
      throw error;
    } finally {
      clearTimeout(slow);
    }
    connection.#heartbeat = setInterval(() => connection.#beat(), limits.heartbeatMilliseconds);
    return connection;
  }

  #failed: (error: unknown) => void = () => undefined;

  get ended(): boolean {
    return this.#ended !== undefined;
  }

  request(op: string, fields: object, listener: Listener = {}): Request {
    const id = this.#newId();
    const result = new Promise<unknown>((resolve, reject) => {
      if (this.#ended) return reject(this.#ended);
      this.#open.set(id, { ...listener, resolve, reject });
      this.#send(JSON.stringify({ ...fields, id, op }));
    });
    return { id, result };
  }

  // The answer to the request itself says how it ended.
  cancel(id: number): void {
    if (this.#open.has(id)) this.request('cancel', { request: id }).result.catch(() => undefined);
  }

  ack(id: number, position: number): void {
    if (this.#open.has(id)) this.#send(JSON.stringify({ op: 'ack', request: id, position }));
  }

  // Resolves once it is on its way: the daemon stops reading where a process does not take its input.
  async input(id: number, bytes: Uint8Array): Promise<void> {
    while (!this.#ended && this.#socket.bufferedAmount > largestBuffer)
      await new Promise((done) => setTimeout(done, 10)); // a WebSocket has no event for it
    if (this.#ended) throw this.#ended;
    if (!this.#open.has(id)) throw new TorenError({ code: 'ended', status: 409, detail: 'the stream has ended' });
    this.#send(inputFrame(id, bytes) as Uint8Array<ArrayBuffer>);
  }

  // Everything that is open fails with it.
  end(error: TorenError): void {
    if (this.#ended) return;
    this.#ended = error;
    clearInterval(this.#heartbeat);
    this.#failed(error);
    const open = [...this.#open.values()];
    this.#open.clear();
    for (const request of open) request.reject(error);
    this.#socket.close();
  }

  #newId(): number {
    do this.#lastId = this.#lastId >= largestId ? 1 : this.#lastId + 1;
    while (this.#open.has(this.#lastId));
    return this.#lastId;
  }

  #send(data: string | Uint8Array<ArrayBuffer>): void {
    try {
      this.#socket.send(data);
    } catch (error) {
      this.end(TorenError.ours('connection_lost', 'the connection ended', error));
    }
  }

  #receive(data: unknown): void {
    if (this.#ended) return;
    this.#heard = true;
    try {
      this.#deliver(parseMessage(data));
    } catch (error) {
      const known = error instanceof TorenError ? error : TorenError.ours('malformed_answer', 'a message', error);
      this.end(known);
    }
  }

  #deliver(message: ServerMessage): void {
    if (message.id === 0 && message.type === 'error') throw new TorenError(message.error);
    const open = this.#open.get(message.id);
    if (!open) throw TorenError.ours('malformed_answer', `a message for request ${message.id}, which is not open`);
    switch (message.type) {
      case 'result':
        this.#open.delete(message.id);
        return open.resolve(message.result);
      case 'error':
        this.#open.delete(message.id);
        return open.reject(new TorenError(message.error));
      case 'event':
        if (!open.event) throw TorenError.ours('malformed_answer', 'an event of a request that is no stream');
        return open.event(message.event);
      case 'output':
        if (!open.output) throw TorenError.ours('malformed_answer', 'output of a request that has none');
        return open.output(message);
    }
  }

  // Half-open connections look alive until somebody asks: one beat without a word asks, the next one ends it.
  #asked = false;
  #beat(): void {
    if (this.#heard) {
      this.#heard = false;
      this.#asked = false;
    } else if (!this.#asked) {
      this.#asked = true;
      this.request('ping', {}).result.catch(() => undefined);
    } else this.end(TorenError.ours('connection_lost', 'the daemon has gone silent'));
  }
}
