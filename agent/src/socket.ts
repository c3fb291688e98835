// Socket: the v2 protocol over one WebSocket, which it opens when somebody needs it and again when it was lost.
//   call()    one operation
//   follow()  a process's output; a connection that breaks is taken up where it broke, each byte arrives once
//   run()     starts a process and follows it
//   watch()   what changes in a folder
import { Channel } from './channel.js';
import { Connection, webSocketConstructor, type Listener, type WebSocketConstructor } from './connection.js';
import { isLost, TorenError } from './errors.js';
import { parse, type Frame } from './parse.js';
import { table, type Changes, type Operations, type Process, type SocketName, type Stream } from './protocol.js';

export interface SocketOptions {
  url: string; // "http://127.0.0.1:8787"
  token?: string;
  webSocket?: WebSocketConstructor;
  patienceMilliseconds?: number; // how long a daemon that is away is waited for; default a minute, as it waits for us
  retryMilliseconds?: number; // before the second try, then doubled up to 5 s; default 100
  openMilliseconds?: number; // for one connection to open; default 15 s
  heartbeatMilliseconds?: number; // default 20 s
}

export type Waitable = { signal?: AbortSignal | undefined };

export interface OutputItem {
  type: 'output';
  stream: Stream;
  position: number;
  bytes: Uint8Array;
}

// Output that is no longer to be had: from one position up to, but without, the other.
export interface GapItem {
  type: 'gap';
  from: number;
  to: number;
}

export type Item = OutputItem | GapItem;

export interface Collected {
  process: Process;
  stdout: Uint8Array;
  stderr: Uint8Array;
  gaps: GapItem[];
}

const defaultWindow = 1 << 20;
const longestPause = 5000;
const shortLife = 1000;

type FollowFields = Operations['processes.follow']['fields'];
type RunFields = Operations['processes.run']['fields'];
type WatchFields = Operations['files.watch']['fields'];

export class Socket {
  readonly #options: SocketOptions;
  #connection: Connection | undefined;
  #connecting: Promise<Connection> | undefined;
  #openedAt = 0;
  #wait = 0; // before the next try
  #closed = false;
  #wake: (() => void) | undefined;

  constructor(options: SocketOptions) {
    this.#options = options;
  }

  // One operation. Sent once: where the connection breaks before its answer, it is `connection_lost`.
  async call<N extends SocketName>(
    name: N,
    fields: Operations[N]['fields'],
    options: Waitable = {},
  ): Promise<Operations[N]['result']> {
    const connection = await this.connected(options.signal);
    const result = await exchange(connection, name, fields, {}, options.signal);
    return parse(table[name].answer, result) as Operations[N]['result'];
  }

  // Must be read: the daemon sends no more than a window beyond what was taken out of it.
  follow(fields: FollowFields, options: Waitable = {}): Output {
    return new Output(this, { op: 'processes.follow', fields }, options.signal);
  }

  // The process ends with the connection and is forgotten with its result, as the protocol has it. With `keep` neither:
  // it is followed on over a broken connection, and remains until somebody removes it.
  run(fields: RunFields, options: Waitable = {}): Output {
    return new Output(this, { op: 'processes.run', fields }, options.signal);
  }

  // Batches of changes, without end. Where the connection was lost, so may events have been: `overflow` says so.
  async *watch(fields: WatchFields, options: Waitable = {}): AsyncGenerator<Changes, void, undefined> {
    for (let first = true; ; first = false) {
      const connection = await this.connected(options.signal);
      const batches = new Channel<Changes>();
      const stop = new AbortController();
      const listener = { event: (event: unknown) => batches.push(parse('Changes', event)) };
      const over = exchange(connection, 'files.watch', fields, listener, options.signal, stop.signal).then(
        () => batches.end(),
        (error: unknown) => batches.end({ error }),
      );
      try {
        if (!first) yield { overflow: true };
        for (;;) {
          const { done, value } = await batches.next();
          if (done) return;
          yield value;
        }
      } catch (error) {
        if (!isLost(error) || this.#closed) throw error;
      } finally {
        stop.abort();
        void over;
      }
    }
  }

  close(): void {
    this.#closed = true;
    this.#wake?.();
    this.#connection?.end(closedError());
  }

  get closed(): boolean {
    return this.#closed;
  }

  // The connection that is there, or a new one: tried again until patience is over, but not against a refusal.
  async connected(signal?: AbortSignal): Promise<Connection> {
    if (signal?.aborted) throw TorenError.cancelled();
    if (this.#closed) throw closedError();
    if (this.#connection && !this.#connection.ended) return this.#connection;
    this.#connecting ??= this.#connect().finally(() => (this.#connecting = undefined));
    return unless(signal, this.#connecting);
  }

  async #connect(): Promise<Connection> {
    const { url, token, webSocket, patienceMilliseconds = 60_000, retryMilliseconds = 100 } = this.#options;
    const constructor = webSocket ?? (await webSocketConstructor());
    const where = `${url.replace(/^http/, 'ws').replace(/\/+$/, '')}/v2/ws`;
    const until = Date.now() + patienceMilliseconds;
    const later = (): number => Math.min(Math.max(this.#wait * 2, retryMilliseconds), longestPause);
    // A connection that broke at once was no success: the next one is not made at once.
    this.#wait = Date.now() - this.#openedAt < shortLife ? later() : 0;
    for (;;) {
      // Not all clients of a daemon that comes back come back in the same instant.
      if (this.#wait > 0) await this.#pause(this.#wait * (0.5 + Math.random() / 2));
      if (this.#closed) throw closedError();
      try {
        const connection = await Connection.open(constructor, where, token, {
          openMilliseconds: this.#options.openMilliseconds ?? 15_000,
          heartbeatMilliseconds: this.#options.heartbeatMilliseconds ?? 20_000,
        });
        this.#connection = connection;
        this.#openedAt = Date.now();
        if (this.#closed) connection.end(closedError());
        return connection;
      } catch (error) {
        this.#wait = later();
        if (!isLost(error) || Date.now() + this.#wait > until) throw error;
      }
    }
  }

  async #pause(milliseconds: number): Promise<void> {
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, milliseconds);
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }
}

type Begin = { op: 'processes.follow'; fields: FollowFields } | { op: 'processes.run'; fields: RunFields };

// Output: what a process writes, in order, each byte once, over as many connections as it takes.
export class Output implements AsyncIterable<Item> {
  // The process's id, once it has one.
  readonly started: Promise<string>;
  // The process with its exit; after all output was taken.
  readonly result: Promise<Process>;

  readonly #socket: Socket;
  readonly #begin: Begin;
  readonly #items = new Channel<Item>();
  readonly #stop = new AbortController();
  readonly #filtered: boolean;
  #tellOpened: () => void = () => undefined;
  readonly #opened = new Promise<void>((resolve) => (this.#tellOpened = resolve));
  #placed = false;
  readonly #window: number;
  #open: { connection: Connection; id: number } | undefined;
  #process: string | undefined;
  #next = 0; // the position after what has arrived
  #taken = 0; // the position after what the reader has taken
  #acked = 0;
  #wanted = 0; // the position after the last message that the daemon wants acknowledged
  #tellStarted: (process: string) => void = () => undefined;
  #failStarted: (error: unknown) => void = () => undefined;

  constructor(socket: Socket, begin: Begin, signal?: AbortSignal) {
    this.#socket = socket;
    this.#begin = begin;
    this.#window = begin.fields.window ?? defaultWindow;
    this.#filtered = begin.op === 'processes.follow' && begin.fields.stream !== undefined;
    this.#process = begin.op === 'processes.follow' ? begin.fields.process : undefined;
    this.started = new Promise((resolve, reject) => {
      this.#tellStarted = resolve;
      this.#failStarted = reject;
    });
    this.started.catch(() => undefined);
    if (begin.op === 'processes.follow') this.#tellStarted(begin.fields.process);
    const cancel = (): void => this.cancel();
    if (signal?.aborted) cancel();
    signal?.addEventListener('abort', cancel);
    this.result = this.#pump().finally(() => signal?.removeEventListener('abort', cancel));
    this.result.then(
      () => this.#items.end(),
      (error: unknown) => {
        this.#failStarted(error);
        this.#items.end({ error });
      },
    );
  }

  // Ends it: a process of run() is killed, one of follow() only left alone.
  cancel(): void {
    this.#stop.abort();
  }

  // Bytes for its standard input. What was on its way when the connection broke is `connection_lost`: nobody knows how
  // much of it the process has read, so nothing is sent twice.
  async write(bytes: Uint8Array | string): Promise<void> {
    const content = typeof bytes === 'string' ? new TextEncoder().encode(bytes) : bytes;
    if (content.byteLength > 0) await this.#input(content);
  }

  async closeInput(): Promise<void> {
    await this.#input(new Uint8Array(0));
  }

  // Everything that it writes, in memory.
  async collect(): Promise<Collected> {
    const parts: Record<Stream, Uint8Array[]> = { stdout: [], stderr: [] };
    const gaps: GapItem[] = [];
    for await (const item of this) {
      if (item.type === 'gap') gaps.push(item);
      else parts[item.stream].push(item.bytes);
    }
    return { process: await this.result, stdout: joined(parts.stdout), stderr: joined(parts.stderr), gaps };
  }

  // One reader. It that leaves early (`break`) cancels.
  async *[Symbol.asyncIterator](): AsyncGenerator<Item, void, undefined> {
    let ended = false;
    try {
      for (;;) {
        const { done, value } = await this.#items.next();
        if (done) {
          ended = true;
          return;
        }
        yield value;
        // The reader has come back for more: it has done with this one.
        this.#taken = value.type === 'gap' ? value.to : value.position + value.bytes.byteLength;
        this.#ackIfWanted();
      }
    } catch (error) {
      ended = true;
      throw error;
    } finally {
      if (!ended) {
        this.result.catch(() => undefined);
        this.cancel();
      }
    }
  }

  // The daemon says what it wants acknowledged; for its window half of it is often enough in any case.
  #ackIfWanted(): void {
    const wanted = this.#wanted > this.#acked && this.#taken >= this.#wanted;
    if (wanted || this.#taken - this.#acked >= this.#window / 2) this.#ack();
  }

  #ack(): void {
    this.#acked = this.#taken;
    this.#open?.connection.ack(this.#open.id, this.#taken);
  }

  async #input(bytes: Uint8Array): Promise<void> {
    await Promise.race([this.#opened, this.result]);
    if (!this.#open) throw TorenError.ours('connection_lost', 'the process is not being followed now');
    await this.#open.connection.input(this.#open.id, bytes);
  }

  async #pump(): Promise<Process> {
    const fields: Record<string, unknown> = { ...this.#begin.fields };
    const survives = this.#begin.op === 'processes.follow' || this.#begin.fields.keep === true;
    // Where the connection breaks before the daemon has said which process it is, the same text finds it again.
    if (this.#begin.op === 'processes.run' && survives) fields['request'] ??= uniqueText();
    for (;;) {
      const connection = await this.#socket.connected(this.#stop.signal);
      try {
        return this.#process === undefined
          ? await this.#exchange(connection, 'processes.run', fields)
          : await this.#exchange(connection, 'processes.follow', await this.#followFields(connection, this.#process));
      } catch (error) {
        if (!isLost(error)) throw error;
        if (this.#stop.signal.aborted) throw TorenError.cancelled();
        if (!survives || this.#socket.closed) throw error;
      } finally {
        this.#open = undefined;
      }
    }
  }

  async #followFields(connection: Connection, process: string): Promise<FollowFields> {
    const { segment } = this.#begin.fields;
    if (this.#begin.op === 'processes.run') return { segment, process, from: this.#next, window: this.#window };
    const { from = 0 } = this.#begin.fields;
    if (!this.#placed) {
      let position = from;
      if (from < 0) {
        // "That much before the end" must stay one place, however often it is asked for.
        const found = await exchange(connection, 'processes.get', { segment, process }, {}, this.#stop.signal);
        const { output } = parse('Process', found);
        position = Math.max(output.from, output.to + from);
      }
      this.#placed = true;
      this.#next = this.#taken = position;
    }
    return { ...this.#begin.fields, from: this.#next };
  }

  async #exchange(connection: Connection, op: Begin['op'], fields: object): Promise<Process> {
    this.#acked = this.#next; // the daemon counts from where this stream begins
    const listener = {
      opened: (id: number) => {
        this.#open = { connection, id };
        this.#tellOpened();
      },
      event: (event: unknown) => this.#event(event),
      output: (frame: Frame) => this.#output(frame),
    };
    return parse('Process', await exchange(connection, op, fields, listener, this.#stop.signal));
  }

  #event(event: unknown): void {
    if (typeof event === 'object' && event !== null && 'process' in event) {
      const { process } = parse('ProcessEvent', event);
      this.#process = process.process;
      this.#tellStarted(process.process);
      return;
    }
    const { gap } = parse('GapEvent', event);
    if (gap.to < gap.from) throw TorenError.ours('malformed_answer', `a gap from ${gap.from} to ${gap.to}`);
    this.#gap(Math.max(gap.from, this.#next), gap.to);
  }

  #gap(from: number, to: number): void {
    if (to <= from) return;
    this.#next = to;
    this.#items.push({ type: 'gap', from, to });
  }

  #output({ stream, position, ackWanted, bytes }: Frame): void {
    if (ackWanted) this.#wanted = Math.max(this.#wanted, position + bytes.byteLength);
    // With both streams there are no holes but gaps. One that was not told is one all the same.
    if (position > this.#next && !this.#filtered) this.#gap(this.#next, position);
    const known = Math.max(this.#next - position, 0);
    if (known >= bytes.byteLength) return this.#ackIfWanted();
    this.#next = position + bytes.byteLength;
    this.#items.push({ type: 'output', stream, position: position + known, bytes: bytes.subarray(known) });
  }
}

// A request until its answer; an aborted signal cancels it, and its answer says whether that came in time.
async function exchange(
  connection: Connection,
  op: string,
  fields: object,
  listener: Listener & { opened?: (id: number) => void },
  ...signals: Array<AbortSignal | undefined>
): Promise<unknown> {
  if (signals.some((signal) => signal?.aborted)) throw TorenError.cancelled();
  const { id, result } = connection.request(op, fields, listener);
  listener.opened?.(id);
  const cancel = (): void => connection.cancel(id);
  for (const signal of signals) signal?.addEventListener('abort', cancel);
  try {
    return await result;
  } finally {
    for (const signal of signals) signal?.removeEventListener('abort', cancel);
  }
}

const closedError = (): TorenError => TorenError.ours('closed', 'the socket was closed');

// The promise's outcome, unless the signal comes first; the promise goes on for others.
function unless<T>(signal: AbortSignal | undefined, promise: Promise<T>): Promise<T> {
  if (!signal) return promise;
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(TorenError.cancelled());
    signal.addEventListener('abort', abort);
    promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

function joined(parts: Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((size, part) => size + part.byteLength, 0));
  let at = 0;
  for (const part of parts) {
    whole.set(part, at);
    at += part.byteLength;
  }
  return whole;
}

const uniqueText = (): string =>
  `agent-${Date.now().toString(36)}-${Math.random().toString(36).slice(2)}${Math.random().toString(36).slice(2)}`;
