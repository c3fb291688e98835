// Daemon: `toren serve` in folders of its own, from the programs in TOREN_BIN; ends with the test process at the latest.
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import fs from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { fileURLToPath } from 'node:url';

import { allProcesses, descendants, isAlive, programOf, type Process } from './processes.js';
import { expectOk, request, type Answer } from './rest.js';
import { until, within } from './wait.js';
import { Wire } from './wire.js';

const here = path.dirname(fileURLToPath(import.meta.url));
export const programs = path.resolve(process.env['TOREN_BIN'] ?? path.join(here, '../../../build/dev/bin'));

// A delegated cgroup v2 subtree, without processes of its own: each daemon starts in a group of its own below it, as a
// service manager would have it. Without one, a daemon measures.
export const delegated = process.env['TOREN_E2E_CGROUP'];

export interface DaemonOptions {
  segments?: string[]; // folders made under projects/, each one a segment
  top?: string; // TOML above the first table
  tables?: string; // TOML after [segments]
  env?: Record<string, string>;
}

const running = new Set<ChildProcess>();
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM'] as const) process.on(signal, () => process.exit(1));

// What runs the daemon must not be where its secrets come from: it starts with these variables and no more.
function environment(home: string, more: Record<string, string>): Record<string, string> {
  return {
    PATH: '/usr/local/bin:/usr/bin:/bin',
    HOME: home,
    LANG: 'C.UTF-8',
    ...(process.env['UBSAN_OPTIONS'] === undefined ? {} : { UBSAN_OPTIONS: process.env['UBSAN_OPTIONS'] }),
    ...more,
  };
}

export class Daemon {
  readonly folder: string;
  readonly projects: string;
  readonly state: string;
  readonly config: string;
  port = 0;
  pin = '';
  stdout = '';
  log = '';
  private child: ChildProcess | undefined;
  private token: Promise<string> | undefined;

  private constructor(private readonly options: DaemonOptions) {
    this.folder = fs.realpathSync(fs.mkdtempSync(path.join(os.tmpdir(), 'toren-e2e-')));
    this.projects = path.join(this.folder, 'projects');
    this.state = path.join(this.folder, 'state');
    this.config = path.join(this.folder, 'toren.toml');
    fs.mkdirSync(path.join(this.folder, 'home'));
    const names = options.segments ?? ['Alpha'];
    for (const name of names) fs.mkdirSync(this.path(name), { recursive: true });
    const quoted = names.map((name) => JSON.stringify(this.path(name)));
    fs.writeFileSync(
      this.config,
      `${options.top ?? ''}\n[segments]\npaths = [${quoted.join(', ')}]\n` +
        `roots = [${JSON.stringify(this.projects)}]\n${options.tables ?? ''}\n`,
    );
  }

  static async start(options: DaemonOptions = {}): Promise<Daemon> {
    const daemon = new Daemon(options);
    await daemon.launch();
    return daemon;
  }

  // Folders and a configuration, and nothing that runs.
  static prepare(options: DaemonOptions = {}): Daemon {
    return new Daemon(options);
  }

  async launch(): Promise<void> {
    this.stdout = this.log = '';
    const child = this.spawn();
    const ready = until('the daemon to print its two lines', () => {
      const port = /^Listening on http:\/\/127\.0\.0\.1:(\d+)$/m.exec(this.stdout)?.[1];
      const pin = /^Pairing token: (\d{6})$/m.exec(this.stdout)?.[1];
      return port !== undefined && pin !== undefined ? { port: Number(port), pin } : undefined;
    });
    const ended = once(child, 'exit').then(() => {
      throw new Error('the daemon ended');
    });
    ended.catch(() => undefined);
    try {
      ({ port: this.port, pin: this.pin } = await Promise.race([ready, ended]));
    } catch (error) {
      await this.stop();
      throw new Error(`${(error as Error).message}; its log:\n${this.log}`);
    }
  }

  // Starts it and does not wait for anything.
  spawn(args: string[] = ['--listen', '127.0.0.1:0']): ChildProcess {
    let command = [path.join(programs, 'toren'), 'serve', '--config', this.config, '--state', this.state, ...args];
    if (delegated !== undefined) {
      const group = fs.mkdtempSync(path.join(delegated, 'toren-e2e-'));
      command = ['/bin/sh', '-c', 'echo $$ >"$0/cgroup.procs" && exec "$@"', group, ...command];
    }
    const child = spawn(command[0] ?? '', command.slice(1), {
      cwd: this.folder,
      env: environment(path.join(this.folder, 'home'), this.options.env ?? {}),
      stdio: ['pipe', 'pipe', 'pipe'],
    });
    running.add(child);
    child.once('exit', () => running.delete(child));
    child.stdout.setEncoding('utf8').on('data', (text: string) => (this.stdout += text));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      this.log += text;
      if (process.env['TOREN_E2E_LOG']) process.stderr.write(text);
    });
    this.child = child;
    return child;
  }

  get pid(): number {
    if (this.child?.pid === undefined) throw new Error('the daemon does not run');
    return this.child.pid;
  }

  // Resolves with the exit status once the process has ended.
  async exited(): Promise<{ code: number | null; signal: NodeJS.Signals | null }> {
    const child = this.child;
    if (!child) throw new Error('the daemon does not run');
    if (child.exitCode === null && child.signalCode === null) await within('the daemon to end', once(child, 'exit'));
    return { code: child.exitCode, signal: child.signalCode };
  }

  // A path beneath the projects: "Alpha/file.txt".
  path(...parts: string[]): string {
    return path.join(this.projects, ...parts);
  }

  write(relative: string, content: string | Buffer): string {
    const file = this.path(relative);
    fs.mkdirSync(path.dirname(file), { recursive: true });
    fs.writeFileSync(file, content);
    return file;
  }

  read(relative: string): string {
    return fs.readFileSync(this.path(relative), 'utf8');
  }

  // --- as a client

  // The token of the one device that this daemon's PIN pairs.
  session(): Promise<string> {
    this.token ??= this.send('POST', '/pair', { pairing_token: this.pin }, null).then((answer) =>
      String(expectOk(answer)['session_token']),
    );
    return this.token;
  }

  // JSON in; token undefined: the paired one, null: none.
  async send(
    method: string,
    where: string,
    body?: unknown,
    token?: string | null,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const bearer = token === undefined ? await this.session() : token;
    return request({
      port: this.port,
      method,
      path: where,
      ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      headers: {
        ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
        ...(bearer === null ? {} : { Authorization: `Bearer ${bearer}` }),
        ...headers,
      },
    });
  }

  async post(where: string, body: unknown): Promise<Answer> {
    return this.send('POST', where, body);
  }

  async get(where: string): Promise<Answer> {
    return this.send('GET', where);
  }

  get webSocketUrl(): string {
    return `ws://127.0.0.1:${this.port}/ws`;
  }

  // A socket that has not said who it is.
  async wire(): Promise<Wire> {
    return Wire.open(this.webSocketUrl);
  }

  // A socket at work in a segment; null: authenticated and nothing more.
  async open(segment: string | null = 'Alpha'): Promise<Wire> {
    const wire = await this.wire();
    // The ancillary's id is what registers it, and one segment takes one ancillary: commands need the segment alone.
    await wire.auth(await this.session(), segment === null ? {} : { segment });
    return wire;
  }

  // --- as whoever looks at the host's processes

  processes(): Process[] {
    return descendants(this.pid);
  }

  private only(what: string, found: Process[]): Process {
    if (found.length !== 1 || !found[0]) throw new Error(`${found.length} processes instead of one ${what}`);
    return found[0];
  }

  broker(): Process {
    return this.only('broker', this.processes().filter((p) => p.parent === this.pid && programOf(p) === 'toren-broker'));
  }

  spawners(): Process[] {
    return this.processes().filter((p) => p.parent === this.pid && programOf(p) === 'toren-spawner');
  }

  spawner(): Process {
    return this.only('spawner', this.spawners());
  }

  service(name: 'toren-files-worker' | 'toren-vcs-worker'): Process {
    return this.only(name, this.processes().filter((p) => programOf(p) === name));
  }

  // --- its end

  async stop(): Promise<void> {
    const child = this.child;
    if (child && child.exitCode === null && child.signalCode === null) {
      const all = this.processes();
      child.kill('SIGKILL');
      await within('the daemon to end', once(child, 'exit'));
      // Its processes end with it; what holds on to the folders must not be there when they are removed.
      await until('its processes to end', () => !all.some(isAlive)).catch(() => undefined);
      for (const left of allProcesses().filter((p) => all.some((q) => q.pid === p.pid && q.started === p.started)))
        if (left.state !== 'Z') process.kill(left.pid, 'SIGKILL');
    }
    fs.rmSync(this.folder, { recursive: true, force: true });
  }
}

// A daemon for the tests of one file: started and prepared before them, stopped after them.
// One hook for all of it: node starts a file's top-level hooks at once, none waits for the one before.
export function sharedDaemon(
  hooks: { before: (run: () => Promise<void>) => void; after: (run: () => Promise<void>) => void },
  options: DaemonOptions = {},
  prepare: (daemon: Daemon) => void | Promise<void> = () => undefined,
): () => Daemon {
  let daemon: Daemon | undefined;
  hooks.before(async () => {
    daemon = await Daemon.start(options);
    await prepare(daemon);
  });
  hooks.after(async () => daemon?.stop());
  return () => {
    if (!daemon) throw new Error('the daemon has not started');
    return daemon;
  };
}
