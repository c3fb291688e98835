// REST requests as a client makes them, raw ones as no client should, and what a correct answer looks like.
import assert from 'node:assert/strict';
import http from 'node:http';
import net from 'node:net';

import { fieldsOf } from './messages.js';
import { within } from './wait.js';

export interface Answer {
  status: number;
  headers: http.IncomingHttpHeaders;
  text: string;
}

export interface RestRequest {
  port: number;
  method: string;
  path: string;
  body?: string | Buffer;
  headers?: http.OutgoingHttpHeaders;
  ms?: number;
}

// One request on a connection of its own.
export async function request({ port, method, path, body, headers = {}, ms = 15_000 }: RestRequest): Promise<Answer> {
  return within(
    `${method} ${path}`,
    new Promise((resolve, reject) => {
      const sent = http.request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
        const parts: Buffer[] = [];
        response.on('data', (part: Buffer) => parts.push(part));
        response.on('error', reject);
        response.on('end', () =>
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            text: Buffer.concat(parts).toString('utf8'),
          }),
        );
      });
      sent.on('error', reject);
      sent.end(body);
    }),
    ms,
  );
}

export function json(answer: Answer): Record<string, unknown> {
  assert.match(answer.headers['content-type'] ?? '', /^application\/json\b/, `content type of ${answer.text}`);
  return fieldsOf(JSON.parse(answer.text) as unknown, 'answer');
}

export function expectOk(answer: Answer): Record<string, unknown> {
  assert.equal(answer.status, 200, answer.text);
  return json(answer);
}

// A problem document (RFC 9457) with one of these codes; returns its detail.
export function expectProblem(answer: Answer, status: number, ...codes: string[]): string {
  assert.equal(answer.status, status, `status of ${answer.text.slice(0, 300)}`);
  return problem(answer, ...codes);
}

export function problem(answer: Answer, ...codes: string[]): string {
  assert.match(answer.headers['content-type'] ?? '', /^application\/problem\+json\b/, answer.text.slice(0, 300));
  const fields = fieldsOf(JSON.parse(answer.text) as unknown, 'problem');
  assert.equal(fields['type'], 'about:blank');
  assert.equal(typeof fields['title'], 'string');
  assert.notEqual(fields['title'], '');
  assert.equal(fields['status'], answer.status);
  assert.equal(typeof fields['detail'], 'string');
  assert.ok(codes.includes(String(fields['code'])), `code ${codes.join(' or ')} expected: ${answer.text.slice(0, 300)}`);
  return String(fields['detail']);
}

// Bytes as they are over a socket, and everything that came back until the other side closed or `enough` is content.
export async function raw(
  port: number,
  bytes: string | Buffer,
  { enough = () => false, ms = 15_000 }: { enough?: (text: string) => boolean; ms?: number } = {},
): Promise<{ text: string; closed: boolean }> {
  const socket = net.connect({ host: '127.0.0.1', port });
  let text = '';
  try {
    return await within(
      `an answer to raw bytes (so far: ${JSON.stringify(text)})`,
      new Promise((resolve) => {
        socket.on('data', (part) => {
          text += part.toString('latin1');
          if (enough(text)) resolve({ text, closed: false });
        });
        socket.on('error', () => undefined); // a reset: 'close' follows
        socket.on('close', () => resolve({ text, closed: true }));
        socket.write(bytes);
      }),
      ms,
    );
  } finally {
    socket.destroy();
  }
}

// Whether the text is one whole response with a Content-Length.
export function wholeResponse(text: string): boolean {
  const head = text.indexOf('\r\n\r\n');
  const length = /^content-length: *(\d+)/im.exec(text);
  return head >= 0 && length !== null && text.length >= head + 4 + Number(length[1]);
}

// The response in raw text as an Answer; fails where there is none.
export function parseResponse(text: string): Answer {
  const head = text.indexOf('\r\n\r\n');
  assert.ok(head >= 0, `a response was expected, not ${JSON.stringify(text.slice(0, 200))}`);
  const [first = '', ...lines] = text.slice(0, head).split('\r\n');
  const headers: http.IncomingHttpHeaders = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    headers[line.slice(0, colon).toLowerCase()] = line.slice(colon + 1).trim();
  }
  const length = Number(headers['content-length'] ?? text.length);
  return { status: Number(first.split(' ')[1]), headers, text: text.slice(head + 4, head + 4 + length) };
}
