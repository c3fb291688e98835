// Client: the v2 protocol over HTTP. Typed calls, and files of any size in both directions.
import { isLost, TorenError } from './errors.js';
import { parse, parseProblem } from './parse.js';
import { table, type Facts, type Health, type HttpName, type Operations, type Paired, type Row } from './protocol.js';

export interface ClientOptions {
  url: string; // "http://127.0.0.1:8787"
  token?: string;
  fetch?: typeof globalThis.fetch;
  retries?: number; // of a transfer that makes no progress; default 5
  retryMilliseconds?: number; // before the first of them, doubled each time; default 200
}

// What can be uploaded: any part of it, and again if need be.
export interface Source {
  readonly size: number;
  read(offset: number, bytes: number): Promise<Uint8Array>;
}

export interface Download extends AsyncIterable<Uint8Array> {
  readonly version: string;
  readonly size: number;
}

type Fields = Record<string, unknown>;
type Waitable = { signal?: AbortSignal | undefined };

const pause = (milliseconds: number): Promise<void> => new Promise((done) => setTimeout(done, milliseconds));

const percent = (bytes: Iterable<number>): string =>
  [...bytes].map((byte) => `%${byte.toString(16).padStart(2, '0')}`).join('');

export class Client {
  readonly url: string;
  readonly token: string | undefined;
  readonly #fetch: typeof globalThis.fetch;
  readonly #retries: number;
  readonly #retryMilliseconds: number;

  constructor(options: ClientOptions) {
    this.url = options.url.replace(/\/+$/, '');
    this.token = options.token;
    this.#fetch = options.fetch ?? globalThis.fetch.bind(globalThis);
    this.#retries = options.retries ?? 5;
    this.#retryMilliseconds = options.retryMilliseconds ?? 200;
  }

  // Trades the daemon's PIN for a token, and is the client that has it.
  static async pair(options: Omit<ClientOptions, 'token'>, pin: string, name?: string): Promise<Client> {
    const stranger = new Client(options);
    const response = await stranger.#send('POST', '/pair', {
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify({ pairing_token: pin, name }),
    });
    const paired: Paired = parse('Paired', await json(response));
    return new Client({ ...options, token: paired.session_token });
  }

  async health(): Promise<Health> {
    return parse('Health', await json(await this.#send('GET', '/health', {})));
  }

  // One operation. Sent once: what is lost on the way is `connection_lost`, and the caller knows whether it is safe to
  // repeat.
  async call<N extends HttpName>(
    name: N,
    fields: Operations[N]['fields'],
    options: Waitable = {},
  ): Promise<Operations[N]['result']> {
    const row: Row = table[name];
    const given = fields as Fields;
    const answer = await this.#send(row.method ?? 'GET', address(row, given), {
      ...(row.body === 'json'
        ? { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(bodyOf(row, given)) }
        : {}),
      signal: options.signal ?? null,
    });
    return parse(table[name].answer, await json(answer)) as Operations[N]['result'];
  }

  // A file's bytes from `offset` on, as they come. A connection that breaks is taken up where it broke, as long as the
  // file is the same one; else it ends with `changed`.
  async download(
    fields: Operations['files.download']['fields'],
    options: Waitable & { offset?: number } = {},
  ): Promise<Download> {
    const where = address(table['files.download'], fields as Fields);
    const ask = async (offset: number, version?: string): Promise<Response> =>
      this.#send('GET', where, {
        headers: {
          ...(offset > 0 ? { Range: `bytes=${offset}-` } : {}),
          ...(version === undefined ? {} : { 'If-Match': `"${version}"` }),
        },
        signal: options.signal ?? null,
      });
    const start = options.offset ?? 0;
    const first = await ask(start);
    const version = /^"(.*)"$/.exec(first.headers.get('ETag') ?? '')?.[1];
    const size = sizeOf(first, start);
    if (version === undefined || size === undefined) {
      await first.body?.cancel();
      throw TorenError.ours('malformed_answer', 'a download without ETag and length');
    }
    const bytes = this.#bytes(first, start, size, (offset) => ask(offset, version), options.signal);
    return { version, size, [Symbol.asyncIterator]: () => bytes };
  }

  async *#bytes(
    first: Response,
    start: number,
    size: number,
    again: (offset: number) => Promise<Response>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Uint8Array, void, undefined> {
    let response: Response | undefined = first;
    let at = start;
    let failures = 0;
    while (response || at < size) {
      try {
        if (!response) {
          response = await again(at);
          if (sizeOf(response, at) !== size)
            throw TorenError.ours('malformed_answer', 'a range that is not the one that was asked for');
        }
        const reader = response.body?.getReader();
        try {
          for (;;) {
            const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
            if (done) break;
            at += value.byteLength;
            failures = 0;
            yield value;
          }
        } finally {
          await reader?.cancel().catch(() => undefined);
        }
        if (at < size) throw TorenError.ours('connection_lost', `the download ended at ${at} of ${size} bytes`);
        return;
      } catch (error) {
        response = undefined;
        const mayPass = !(error instanceof TorenError) || isLost(error);
        if (signal?.aborted || !mayPass || failures >= this.#retries)
          throw error instanceof TorenError ? error : TorenError.ours('connection_lost', 'the download broke', error);
        await pause(this.#retryMilliseconds * 2 ** failures++);
      }
    }
  }

  // An archive of a folder, as it comes. It cannot be resumed.
  async archive(
    fields: Operations['files.archive']['fields'],
    options: Waitable = {},
  ): Promise<ReadableStream<Uint8Array>> {
    const response = await this.#send('GET', address(table['files.archive'], fields as Fields), {
      signal: options.signal ?? null,
    });
    if (!response.body) throw TorenError.ours('malformed_answer', 'an archive without a body');
    return response.body;
  }

  // Writes a file of any size. What fits one piece goes in one request, sent once; what does not goes in pieces, and
  // where a connection breaks the daemon is asked how much it has.
  async upload(
    fields: Operations['files.upload']['fields'],
    content: Uint8Array | Blob | Source,
    options: Waitable & { piece?: number } = {},
  ): Promise<Facts> {
    const source = asSource(content);
    const piece = options.piece ?? 8 << 20;
    if (source.size > piece) return this.#uploadPieces(fields, source, piece, options.signal);
    const response = await this.#send('PUT', address(table['files.upload'], fields as Fields), {
      headers: { 'Content-Type': 'application/octet-stream' },
      body: bodyBytes(await source.read(0, source.size)),
      signal: options.signal ?? null,
    });
    return parse('Facts', await json(response));
  }

  async #uploadPieces(
    fields: Operations['files.upload']['fields'],
    source: Source,
    piece: number,
    signal: AbortSignal | undefined,
  ): Promise<Facts> {
    const { if_version, create_parents, mode, ...where } = fields;
    const create = { ...where, ...(create_parents === undefined ? {} : { create_parents }) };
    const { upload } = await this.call('uploads.create', create, { signal });
    const named = { ...where, upload };
    let offset = 0;
    let failures = 0;
    try {
      while (offset < source.size) {
        try {
          const response = await this.#send('PATCH', address(table['uploads.append'], { ...named, offset }), {
            headers: { 'Content-Type': 'application/octet-stream' },
            body: bodyBytes(await source.read(offset, Math.min(piece, source.size - offset))),
            signal: signal ?? null,
          });
          offset = parse('Upload', await json(response)).offset;
          failures = 0;
        } catch (error) {
          // Bytes of a request that was lost may still have arrived after the daemon was asked.
          const wrong = error instanceof TorenError && error.code === 'wrong_offset';
          const elsewhere = wrong ? error.problem.offset : undefined;
          if (signal?.aborted || !(isLost(error) || elsewhere !== undefined) || failures >= this.#retries) throw error;
          await pause(this.#retryMilliseconds * 2 ** failures++);
          offset = elsewhere ?? (await this.#uploaded(named, signal)) ?? offset;
        }
      }
      return await this.call(
        'uploads.finish',
        {
          ...named,
          size: source.size,
          ...(if_version === undefined ? {} : { if_version }),
          ...(mode === undefined ? {} : { mode }),
        },
        { signal },
      );
    } catch (error) {
      // Of a finish that was lost nobody knows whether it was done; then there is nothing to abort, or a day does it.
      if (!isLost(error)) await this.call('uploads.abort', named).catch(() => undefined);
      throw error;
    }
  }

  // How much of an upload is there; undefined where the daemon cannot be asked: the next piece finds out.
  async #uploaded(
    named: Operations['uploads.get']['fields'],
    signal: AbortSignal | undefined,
  ): Promise<number | undefined> {
    try {
      return (await this.call('uploads.get', named, { signal })).offset;
    } catch (error) {
      if (signal?.aborted || !isLost(error)) throw error;
      return undefined;
    }
  }

  // One request; a refusal is a TorenError.
  async #send(method: string, where: string, init: RequestInit): Promise<Response> {
    let response: Response;
    try {
      response = await this.#fetch(this.url + where, {
        ...init,
        method,
        headers: { ...init.headers, ...(this.token === undefined ? {} : { Authorization: `Bearer ${this.token}` }) },
        redirect: 'error',
      });
    } catch (error) {
      if (init.signal?.aborted) throw TorenError.cancelled();
      throw TorenError.ours('connection_lost', `${method} ${where}: no answer`, error);
    }
    if (response.ok) return response;
    const problem = parseProblem(await json(response).catch(() => undefined));
    if (problem) throw new TorenError(problem);
    throw TorenError.ours('malformed_answer', `${method} ${where}: status ${response.status} without a problem`);
  }
}

async function json(response: Response): Promise<unknown> {
  let text: string;
  try {
    text = await response.text();
  } catch (error) {
    throw TorenError.ours('connection_lost', 'the answer broke off', error);
  }
  try {
    return JSON.parse(text);
  } catch {
    throw TorenError.ours('malformed_answer', 'an answer that is no JSON');
  }
}

// The size of the whole file, where the answer begins at `offset` of it.
function sizeOf(response: Response, offset: number): number | undefined {
  if (response.status === 206) {
    const range = /^bytes (\d+)-\d+\/(\d+)$/.exec(response.headers.get('Content-Range') ?? '');
    return Number(range?.[1]) === offset ? Number(range?.[2]) : undefined;
  }
  const length = response.headers.get('Content-Length');
  return offset === 0 && length !== null ? Number(length) : undefined;
}

// The URL's path and query. A NAME_bytes goes into the query as the bytes themselves.
function address(row: Row, fields: Fields): string {
  const where = (row.path ?? '').replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(String(fields[name])));
  const query: string[] = [];
  for (const name of row.query) {
    const bytes = row.paths.includes(name) ? fields[`${name}_bytes`] : undefined;
    for (const one of [bytes].flat())
      if (one !== undefined) query.push(`${name}=${percent(Uint8Array.from(atob(String(one)), (c) => c.charCodeAt(0)))}`);
    for (const value of [fields[name]].flat())
      if (value !== undefined) query.push(`${name}=${encodeURIComponent(String(value))}`);
  }
  refuseOthers(row, fields);
  return where + (query.length > 0 ? `?${query.join('&')}` : '');
}

// Without types a mistake in a GET's field would simply not be sent; the daemon would never see and refuse it.
function refuseOthers(row: Row, fields: Fields): void {
  if (row.body === 'json') return;
  const known = [...row.query, ...row.paths.map((name) => `${name}_bytes`), ...namesIn(row)];
  for (const name of Object.keys(fields))
    if (!known.includes(name))
      throw new TorenError({ code: 'unknown_field', status: 422, detail: `${name}: no such field` });
}

const namesIn = (row: Row): string[] => [...(row.path ?? '').matchAll(/\{(\w+)\}/g)].map((match) => match[1] ?? '');

function bodyOf(row: Row, fields: Fields): Fields {
  const names = namesIn(row);
  return Object.fromEntries(Object.entries(fields).filter(([name]) => !names.includes(name)));
}

// The DOM's types take no view of memory that might be shared; fetch copies it either way.
const bodyBytes = (bytes: Uint8Array): Uint8Array<ArrayBuffer> => bytes as Uint8Array<ArrayBuffer>;

function asSource(content: Uint8Array | Blob | Source): Source {
  if (content instanceof Uint8Array)
    return { size: content.byteLength, read: async (offset, bytes) => content.subarray(offset, offset + bytes) };
  if ('read' in content) return content;
  return {
    size: content.size,
    read: async (offset, bytes) => new Uint8Array(await content.slice(offset, offset + bytes).arrayBuffer()),
  };
}
