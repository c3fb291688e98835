// The v1 protocol's server messages. What comes off the socket is unknown until parseMessage has made it one of these;
// a message of any other shape fails the test that received it.
export type Output =
  | { type: 'Stdout'; line: string }
  | { type: 'Stderr'; line: string }
  | { type: 'Exit'; code: number; signal?: number; limit?: string; refused?: string }
  | { type: 'Error'; message: string };

export interface Status {
  vcs_type: 'Git' | 'Jj' | 'None';
  branch: string | null;
  modified: string[];
  added: string[];
  deleted: string[];
  untracked: string[];
  renamed: { from: string; to: string }[];
  conflicted: string[];
}

export type ServerMessage = { requestId?: string } & (
  | { type: 'AuthSuccess'; session_id: string; working_dir?: string }
  | { type: 'AuthFailure'; reason: string }
  | { type: 'FileContent'; content: string }
  | { type: 'VcsStatus'; status: Status }
  | { type: 'Error'; message: string; code: string }
  | { type: 'CommandOutput'; output: Output }
);

export type MessageOf<Type extends ServerMessage['type']> = Extract<ServerMessage, { type: Type }>;

type Fields = Record<string, unknown>;

export function fieldsOf(value: unknown, what: string): Fields {
  if (typeof value !== 'object' || value === null || Array.isArray(value))
    throw new Error(`${what}: expected an object, got ${JSON.stringify(value)}`);
  return value as Fields;
}

function text(fields: Fields, name: string): string {
  const value = fields[name];
  if (typeof value !== 'string') throw new Error(`field ${name}: expected a string in ${JSON.stringify(fields)}`);
  return value;
}

function number(fields: Fields, name: string): number {
  const value = fields[name];
  if (typeof value !== 'number') throw new Error(`field ${name}: expected a number in ${JSON.stringify(fields)}`);
  return value;
}

export function listOf<T>(value: unknown, what: string, item: (value: unknown) => T): T[] {
  if (!Array.isArray(value)) throw new Error(`${what}: expected a list, got ${JSON.stringify(value)}`);
  return value.map(item);
}

function texts(fields: Fields, name: string): string[] {
  return listOf(fields[name], name, (value) => {
    if (typeof value !== 'string') throw new Error(`${name}: expected strings, got ${JSON.stringify(value)}`);
    return value;
  });
}

export function parseStatus(value: unknown): Status {
  const fields = fieldsOf(value, 'status');
  const kind = fields['vcs_type'];
  if (kind !== 'Git' && kind !== 'Jj' && kind !== 'None') throw new Error(`vcs_type ${JSON.stringify(kind)}`);
  return {
    vcs_type: kind,
    branch: fields['branch'] === null ? null : text(fields, 'branch'),
    modified: texts(fields, 'modified'),
    added: texts(fields, 'added'),
    deleted: texts(fields, 'deleted'),
    untracked: texts(fields, 'untracked'),
    renamed: listOf(fields['renamed'], 'renamed', (entry) => {
      const names = fieldsOf(entry, 'renamed');
      return { from: text(names, 'from'), to: text(names, 'to') };
    }),
    conflicted: texts(fields, 'conflicted'),
  };
}

function parseOutput(value: unknown): Output {
  const fields = fieldsOf(value, 'output');
  switch (fields['type']) {
    case 'Stdout':
    case 'Stderr':
      return { type: fields['type'], line: text(fields, 'line') };
    case 'Exit':
      return {
        type: 'Exit',
        code: number(fields, 'code'),
        ...(fields['signal'] === undefined ? {} : { signal: number(fields, 'signal') }),
        ...(fields['limit'] === undefined ? {} : { limit: text(fields, 'limit') }),
        ...(fields['refused'] === undefined ? {} : { refused: text(fields, 'refused') }),
      };
    case 'Error':
      return { type: 'Error', message: text(fields, 'message') };
    default:
      throw new Error(`output of an unknown type: ${JSON.stringify(value)}`);
  }
}

export function parseMessage(data: string): ServerMessage {
  const fields = fieldsOf(JSON.parse(data) as unknown, 'message');
  const id = fields['requestId'] === undefined ? {} : { requestId: text(fields, 'requestId') };
  switch (fields['type']) {
    case 'AuthSuccess':
      return {
        ...id,
        type: 'AuthSuccess',
        session_id: text(fields, 'session_id'),
        ...(fields['working_dir'] === undefined ? {} : { working_dir: text(fields, 'working_dir') }),
      };
    case 'AuthFailure':
      return { ...id, type: 'AuthFailure', reason: text(fields, 'reason') };
    case 'FileContent':
      return { ...id, type: 'FileContent', content: text(fields, 'content') };
    case 'VcsStatus':
      return { ...id, type: 'VcsStatus', status: parseStatus(fields['status']) };
    case 'Error':
      return { ...id, type: 'Error', message: text(fields, 'message'), code: text(fields, 'code') };
    case 'CommandOutput':
      return { ...id, type: 'CommandOutput', output: parseOutput(fields['output']) };
    default:
      throw new Error(`message of an unknown type: ${data.slice(0, 200)}`);
  }
}
