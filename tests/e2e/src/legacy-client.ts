// LegacyClient: what the original daemon's TypeScript client does, written from docs of its protocol alone. It must
// stay as naive as that one: it knows no codes, no problem documents, no cancel, and no ids on commands.
import { WebSocket } from 'ws';

interface Message {
  type: string;
  requestId?: string;
  reason?: string;
  message?: string;
  content?: string;
  session_id?: string;
  working_dir?: string;
  status?: unknown;
  output?: { type: string; line?: string; code?: number; message?: string };
}

export interface LegacyResult {
  stdout: string;
  stderr: string;
  exitCode: number;
}

export interface LegacyOptions {
  url: string; // SHIP_URL: ws://HOST:PORT
  token: string; // SESSION_TOKEN
  ancillaryId?: string;
  segment?: string;
}

const kRequestTimeout = 10_000;
const kReconnects = 5;

export class LegacyClient {
  sessionId: string | undefined;
  workingDir: string | undefined;
  private socket: WebSocket | undefined;
  private readonly handlers = new Set<(message: Message) => void>();
  private requests = 0;
  private leaving = false;

  constructor(private readonly options: LegacyOptions) {}

  // Opens the socket and sends Auth; settles with its answer.
  async connect(): Promise<void> {
    const socket = new WebSocket(`${this.options.url}/ws`);
    this.socket = socket;
    await new Promise<void>((resolve, reject) => {
      socket.on('open', () =>
        this.send({
          type: 'Auth',
          token: this.options.token,
          ...(this.options.ancillaryId === undefined ? {} : { ancillary_id: this.options.ancillaryId }),
          ...(this.options.segment === undefined ? {} : { segment: this.options.segment }),
        }),
      );
      socket.on('message', (data) => {
        const message = JSON.parse(String(data as Buffer)) as Message;
        if (message.type === 'AuthSuccess') {
          this.sessionId = message.session_id;
          this.workingDir = message.working_dir;
          resolve();
        } else if (message.type === 'AuthFailure') {
          reject(new Error(`Authentication failed: ${message.reason}`));
        }
        for (const handler of [...this.handlers]) handler(message);
      });
      socket.on('error', reject);
      socket.on('close', () => reject(new Error('closed')));
    });
    socket.on('close', () => {
      if (!this.leaving) void this.reconnect();
    });
  }

  reconnected: Promise<void> | undefined;

  private reconnect(): Promise<void> {
    this.reconnected = (async () => {
      for (let attempt = 1; attempt <= kReconnects; ++attempt) {
        await new Promise((resolve) => setTimeout(resolve, 200 * attempt));
        try {
          return await this.connect();
        } catch {
          // the next attempt
        }
      }
      throw new Error('could not reconnect');
    })();
    this.reconnected.catch(() => undefined);
    return this.reconnected;
  }

  // Ends on a CommandOutput of type Exit or Error and on nothing else: a top-level Error leaves it waiting for ever.
  executeCommand(command: string, args: string[], cwd?: string): Promise<LegacyResult> {
    return new Promise((resolve, reject) => {
      let stdout = '';
      let stderr = '';
      const handler = (message: Message): void => {
        if (message.type !== 'CommandOutput' || !message.output) return;
        const { type, line, code, message: text } = message.output;
        if (type === 'Stdout') stdout += `${line}\n`;
        else if (type === 'Stderr') stderr += `${line}\n`;
        else if (type === 'Exit') {
          this.handlers.delete(handler);
          resolve({ stdout, stderr, exitCode: code ?? 0 });
        } else if (type === 'Error') {
          this.handlers.delete(handler);
          reject(new Error(text));
        }
      };
      this.handlers.add(handler);
      this.send({ type: 'Command', request: { command, args, ...(cwd === undefined ? {} : { cwd }) } });
    });
  }

  async readFile(path: string): Promise<string> {
    return (await this.request({ type: 'FileRead', path }, 'FileContent')).content ?? '';
  }

  async getVcsStatus(path: string): Promise<unknown> {
    return (await this.request({ type: 'VcsStatus', path }, 'VcsStatus')).status;
  }

  disconnect(): void {
    this.leaving = true;
    this.socket?.close();
  }

  // Resolved by the answer with its requestId, or not at all within ten seconds.
  private request(request: { type: string; path: string }, wanted: string): Promise<Message> {
    const requestId = `req_${++this.requests}`;
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.handlers.delete(handler);
        reject(new Error('Request timeout'));
      }, kRequestTimeout);
      const handler = (message: Message): void => {
        if (message.requestId !== requestId) return;
        clearTimeout(timer);
        this.handlers.delete(handler);
        if (message.type === wanted) resolve(message);
        else reject(new Error(message.message));
      };
      this.handlers.add(handler);
      this.send({ ...request, requestId });
    });
  }

  private send(message: object): void {
    this.socket?.send(JSON.stringify(message));
  }
}
