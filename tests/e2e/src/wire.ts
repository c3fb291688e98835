// Wire: one WebSocket to the daemon's /ws. Messages are kept in the order in which they came until somebody takes them.
import { WebSocket } from 'ws';

import { parseMessage, type MessageOf, type Output, type ServerMessage } from './messages.js';
import { within } from './wait.js';

export interface CommandRequest {
  command: string;
  args: string[];
  cwd?: string;
  env?: Record<string, string>;
  timeout?: number;
  profile?: string;
}

export interface Finished {
  stdout: string[];
  stderr: string[];
  exit?: Extract<Output, { type: 'Exit' }>;
  error?: string; // a CommandOutput Error came instead of an Exit
}

interface Waiter {
  wanted: (message: ServerMessage) => boolean;
  resolve: (message: ServerMessage) => void;
  reject: (error: Error) => void;
}

export class Wire {
  readonly closed: Promise<{ code: number; reason: string }>;
  readonly socket: WebSocket;
  private readonly unread: ServerMessage[] = [];
  private readonly waiters: Waiter[] = [];
  private failure: Error | undefined;
  private lastId = 0;

  private constructor(socket: WebSocket) {
    this.socket = socket;
    socket.on('message', (data, isBinary) => {
      try {
        if (isBinary) throw new Error('a binary frame came');
        this.arrived(parseMessage((data as Buffer).toString('utf8')));
      } catch (error) {
        this.fail(error as Error);
      }
    });
    this.closed = new Promise((resolve) => {
      socket.on('close', (code, reason) => {
        this.fail(new Error(`the socket closed: ${code} ${reason.toString()}`));
        resolve({ code, reason: reason.toString() });
      });
    });
  }

  // Rejects with "Unexpected server response: 403" and the like when the upgrade is refused.
  static async open(url: string, headers: Record<string, string> = {}): Promise<Wire> {
    const socket = new WebSocket(url, { headers, perMessageDeflate: false });
    const wire = new Wire(socket);
    await within(
      `a WebSocket to ${url}`,
      new Promise<void>((resolve, reject) => {
        socket.once('open', resolve);
        socket.once('error', reject);
      }),
    );
    socket.on('error', () => undefined); // 'close' follows and tells
    return wire;
  }

  send(message: object): void {
    this.socket.send(JSON.stringify(message));
  }

  sendText(text: string): void {
    this.socket.send(text);
  }

  newId(): string {
    return `request-${++this.lastId}`;
  }

  // Takes the first message, come or yet to come, that is wanted; others stay for whoever asks for them.
  async take(what: string, wanted: (message: ServerMessage) => boolean, ms = 15_000): Promise<ServerMessage> {
    const index = this.unread.findIndex(wanted);
    if (index >= 0) return this.unread.splice(index, 1)[0] as ServerMessage;
    if (this.failure) throw new Error(`${what}: ${this.failure.message}`);
    let waiter: Waiter | undefined;
    const arrived = new Promise<ServerMessage>((resolve, reject) => {
      waiter = { wanted, resolve, reject: (error) => reject(new Error(`${what}: ${error.message}`)) };
      this.waiters.push(waiter);
    });
    try {
      return await within(what, arrived, ms);
    } finally {
      const left = this.waiters.findIndex((candidate) => candidate === waiter);
      if (left >= 0) this.waiters.splice(left, 1);
    }
  }

  async takeType<Type extends ServerMessage['type']>(type: Type, requestId?: string): Promise<MessageOf<Type>> {
    const message = await this.take(
      `${type}${requestId === undefined ? '' : ` for ${requestId}`}`,
      (candidate) => candidate.type === type && (requestId === undefined || candidate.requestId === requestId),
    );
    return message as MessageOf<Type>;
  }

  // The next message in the order of arrival, whatever it is.
  async next(ms = 15_000): Promise<ServerMessage> {
    return this.take('the next message', () => true, ms);
  }

  pending(): readonly ServerMessage[] {
    return this.unread;
  }

  async auth(token: string, more: object = {}): Promise<MessageOf<'AuthSuccess'>> {
    this.send({ type: 'Auth', token, ...more });
    const answer = await this.take('the answer to Auth', (m) => m.type === 'AuthSuccess' || m.type === 'AuthFailure');
    if (answer.type !== 'AuthSuccess') throw new Error(`Auth: ${JSON.stringify(answer)}`);
    return answer;
  }

  // Starts a command without waiting for anything. requestId null: as a legacy client, with none.
  start(request: CommandRequest, requestId: string | null = this.newId()): string | undefined {
    this.send({ type: 'Command', ...(requestId === null ? {} : { requestId }), request });
    return requestId ?? undefined;
  }

  // The next output of the command with this id (undefined: of those without).
  async output(requestId: string | undefined, ms = 15_000): Promise<Output> {
    const message = await this.take(
      `output of ${requestId ?? 'a command'}`,
      (m) => m.type === 'CommandOutput' && m.requestId === requestId,
      ms,
    );
    return (message as MessageOf<'CommandOutput'>).output;
  }

  // Everything up to its Exit, or the CommandOutput Error that stands for it.
  async finish(requestId: string | undefined, ms = 15_000): Promise<Finished> {
    const finished: Finished = { stdout: [], stderr: [] };
    for (;;) {
      const output = await this.output(requestId, ms);
      if (output.type === 'Stdout') finished.stdout.push(output.line);
      else if (output.type === 'Stderr') finished.stderr.push(output.line);
      else if (output.type === 'Exit') return { ...finished, exit: output };
      else return { ...finished, error: output.message };
    }
  }

  async run(request: CommandRequest, ms = 15_000): Promise<Finished> {
    return this.finish(this.start(request), ms);
  }

  // A shell script; its standard output as one text.
  async shell(script: string, more: Partial<CommandRequest> = {}): Promise<Finished & { text: string }> {
    const finished = await this.run({ command: 'sh', args: ['-c', script], ...more });
    return { ...finished, text: finished.stdout.join('\n') };
  }

  // Proves that the daemon has read everything sent before: messages of a socket are taken in order.
  async roundTrip(): Promise<void> {
    const requestId = this.newId();
    this.send({ type: 'NoSuchType', requestId });
    await this.take('the round trip', (m) => m.type === 'Error' && m.requestId === requestId);
  }

  async close(): Promise<void> {
    this.socket.close();
    await within('the socket to close', this.closed);
  }

  private arrived(message: ServerMessage): void {
    const index = this.waiters.findIndex((waiter) => waiter.wanted(message));
    if (index < 0) this.unread.push(message);
    else this.waiters.splice(index, 1)[0]?.resolve(message);
  }

  private fail(error: Error): void {
    this.failure ??= error;
    for (const waiter of this.waiters.splice(0)) waiter.reject(error);
  }
}
