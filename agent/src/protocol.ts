// Generated from docs/openapi.yaml and docs/asyncapi.yaml by tools/generate.ts: do not edit, `npm run generate`.

// Exactly one of these fields.
export type OneOf<T> = {
  [K in keyof T]: Pick<T, K> & { [L in Exclude<keyof T, K>]?: never };
}[keyof T];

// A segment's name.
export type SegmentName = string;

// Relative to the segment; at most 4096 bytes. In a query string %FF is the byte itself.
export type Path = string;

// Bytes that are no UTF-8; its name less `_bytes` is the field whose place it takes, or whose bytes it tells.
export type Base64 = string;

// How `content` carries bytes.
export type Encoding = 'utf-8' | 'base64';

// Names a file's content. Opaque, compared whole.
export type VersionTag = string;

// Make the change only where the file still has this version tag; "" only where there is no file. Else `changed`.
export type IfVersion = string;

// Opaque: where a listing goes on.
export type Cursor = string;

// Ask again with it; null at the end.
export type NextCursor = string | null;

// The most entries of one page.
export type Limit = number;

// A count of bytes.
export type Bytes = number;

// A count of bytes since the beginning of a process's output.
export type Position = number;

// Since the epoch, in decimal: too large for a JSON number.
export type Nanoseconds = string;

// A duration.
export type Microseconds = number;

// The permission bits.
export type Mode = number;

// Of the client's choice; no open request has it.
export type RequestId = number;

// Done; there is nothing to tell.
export type Nothing = Record<never, never>;

// A project folder.
export interface Segment {
  name: SegmentName;
  // Where it is on the machine.
  path: string;
  source: 'glob' | 'path' | 'root';
}

export interface Segments {
  segments: Segment[];
  // Where `segments.create` may make one.
  roots: string[];
}

export type Kind = 'file' | 'folder' | 'symlink' | 'other';

// Of one name.
export interface Facts {
  kind: Kind;
  size: Bytes;
  mode: Mode;
  modified_ns: Nanoseconds;
  // null for what is no file.
  version: string | null;
  // A symlink's text.
  target?: string;
  target_bytes?: Base64;
}

// Facts and the name that they are of.
export type Entry = Facts & {
  path: Path;
  path_bytes?: Base64;
};

// In the order of names as bytes; folders are entered right after they are named.
export interface Listing {
  entries: Entry[];
  cursor: NextCursor;
}

export interface FileContent {
  content: string;
  encoding: Encoding;
  version: VersionTag;
  // Of the whole file.
  size: Bytes;
  // Of the first byte of `content`.
  offset: Bytes;
  // In `content`, decoded.
  bytes: Bytes;
  from_line?: number;
  lines?: number;
  // Whether the file goes on after `content`.
  more: boolean;
}

// One replacement, in what those before it have made.
export interface Edit {
  // Must occur exactly once, or with `all` at least once.
  old: string;
  new: string;
  all?: boolean;
}

// Facts, and what was done.
export type Edited = Facts & {
  // Unified.
  diff: string;
};

// Facts, and what was left out.
export type Copied = Facts & {
  // FIFOs, sockets and devices.
  skipped?: number;
};

export interface Deleted {
  // How many names.
  deleted: number;
}

export type Case = 'smart' | 'sensitive' | 'insensitive';

export interface Match {
  path: Path;
  path_bytes?: Base64;
  // Of the match's first line.
  line: number;
  // The matched lines, or `text_bytes` where they are no UTF-8.
  text?: string;
  text_bytes?: Base64;
  // Of the text's first byte in the file.
  offset: Bytes;
  // [from, to] in the bytes of the text.
  spans: [number, number][];
  // A line was cut at 4096 bytes.
  cut?: boolean;
  before?: ContextLine[];
  after?: ContextLine[];
}

// A line around a match.
export interface ContextLine {
  line: number;
  text?: string;
  text_bytes?: Base64;
  cut?: boolean;
}

export interface Found {
  matches: Match[];
  // There are more than `limit`, or the time was over.
  truncated: boolean;
  // Where it was not truncated.
  files_searched?: number;
}

export interface Upload {
  // Its id.
  upload: string;
  // How much is there; the next bytes go here.
  offset: Bytes;
}

// What happened to one name.
export interface Change {
  event: 'created' | 'changed' | 'deleted' | 'moved';
  path: Path;
  path_bytes?: Base64;
  // Of `moved`: where it was.
  from?: Path;
  from_bytes?: Base64;
  kind: Kind;
}

// One batch, each name at most once; or that events were lost, and the client must list again.
export type Changes = {
  events: Change[];
} | {
  overflow: true;
};

// Lives as long as its process's output is kept.
export type ProcessId = string;

// They only narrow the profile's.
export interface Limits {
  seconds?: number;
  cpu_seconds?: number;
  memory_bytes?: number;
  output_bytes?: number;
  file_bytes?: number;
  processes?: number;
  open_files?: number;
}

export interface TerminalSize {
  rows: number;
  columns: number;
}

// How much of the output is kept.
export interface Retain {
  // A power of two; `limits.output_ring_bytes` by default.
  bytes?: number;
  // Everything is kept, up to `limits.spool_bytes`.
  disk?: boolean;
}

// Over the cell's own.
export type Environment = Record<string, string>;

export type State = 'running' | 'ended';

// A terminal has stdout alone.
export type Stream = 'stdout' | 'stderr';

// A name, or a number as text.
export type Signal = string;

// How a process ended: by itself with a code, or by a signal.
export type Exit = {
  // What else ended it; `killed` is `processes.kill`.
  limit?: 'time' | 'cpu' | 'memory' | 'output' | 'file_size' | 'killed';
  cpu_us: Microseconds;
  peak_memory: Bytes;
  wall_us: Microseconds;
  ended_ns: Nanoseconds;
} & OneOf<{
  code: number;
  // The number of the signal that ended it.
  signal: number;
}>;

// What is still to be had of the output.
export interface Retained {
  from: Position;
  to: Position;
  retained: 'memory' | 'disk';
}

// `exit` is there once it has ended.
export interface Process {
  process: ProcessId;
  segment: SegmentName;
  argv: string[];
  cwd: Path;
  cwd_bytes?: Base64;
  name?: string;
  profile: string;
  terminal: boolean;
  state: State;
  started_ns: Nanoseconds;
  output: Retained;
  exit?: Exit;
}

// In the order in which they were started.
export interface Processes {
  processes: Process[];
  cursor: NextCursor;
}

// Output that is no longer retained: from the first position up to, but without, the second.
export interface Gap {
  from: Position;
  to: Position;
}

export interface Chunk {
  position: Position;
  stream: Stream;
  content: string;
  encoding: Encoding;
}

export interface Output {
  chunks: Chunk[];
  // Where to go on.
  next: Position;
  gap?: Gap;
  // There will be no more after `next`.
  ended: boolean;
}

export interface GapEvent {
  gap: Gap;
}

export interface ProcessEvent {
  process: Process;
}

export interface Session {
  // Public; says nothing.
  session_id: string;
}

export interface Health {
  status: 'ok';
  version: string;
  // Layers of the cage that are missing.
  degraded?: string[];
}

export interface Pairing {
  // The PIN.
  pairing_token: string;
  // Of the device.
  name?: string;
}

export interface Paired {
  // The bearer token.
  session_token: string;
  session_id: string;
}

// No other checkpoint of the segment gets it.
export type CheckpointNumber = number;

export type Paths = Path[];

export type PathsBytes = Base64[];

export interface Checkpoint {
  checkpoint: CheckpointNumber;
  created_ns: Nanoseconds;
  reason: 'request' | 'turn' | 'restore';
  label: string;
  ignored: boolean;
  files: number;
  bytes: Bytes;
  // What it does not hold, by why; `unsettled` files changed while they were read and are held.
  skipped: {
    unreadable: number;
    too_large: number;
    special: number;
    long_path: number;
    unsettled: number;
  };
}

// The checkpoint, new or, where nothing has changed, the last one.
export type CheckpointMade = Checkpoint & {
  created: boolean;
  bytes_written: Bytes;
  // Files since the last one with the same `ignored`.
  changed: {
    added: number;
    modified: number;
    deleted: number;
  };
  // The first thousand.
  skipped_files: Array<{
    path: Path;
    path_bytes?: Base64;
    why: 'unreadable' | 'too_large' | 'special' | 'long_path' | 'unsettled';
    size: Bytes;
  }>;
};

export interface Checkpoints {
  checkpoints: Checkpoint[];
  cursor: NextCursor;
}

// What a name was or is.
export interface CheckpointSide {
  kind: 'file' | 'folder' | 'symlink';
  size: Bytes;
  mode: number;
}

// null where it is not there.
export type CheckpointSideOrNull = CheckpointSide | null;

// In the order of paths. A folder only where it is empty or has another mode.
export interface CheckpointChanges {
  entries: Array<{
    path: Path;
    path_bytes?: Base64;
    change: 'added' | 'modified' | 'deleted' | 'type_changed' | 'mode_changed';
    old: CheckpointSideOrNull;
    new: CheckpointSideOrNull;
  }>;
  cursor: NextCursor;
}

// A symlink's content is its target.
export interface CheckpointContent {
  path: Path;
  path_bytes?: Base64;
  content: string;
  encoding: Encoding;
  kind: 'file' | 'symlink';
  size: Bytes;
  offset: Bytes;
  bytes: Bytes;
  more: boolean;
}

// Empty where `binary` is true.
export interface CheckpointDiff {
  path: Path;
  path_bytes?: Base64;
  diff: string;
  diff_bytes?: Base64;
  // A NUL byte is in one of the two.
  binary: boolean;
  old: CheckpointSideOrNull;
  new: CheckpointSideOrNull;
}

export interface CheckpointRestored {
  restored: CheckpointNumber;
  // The checkpoint of the tree as it was before.
  undo: number;
  written: number;
  removed: number;
  not_restored: number;
  // The first thousand.
  not_restored_files: Array<{
    path: Path;
    path_bytes?: Base64;
    why: string;
  }>;
}

// Stable: programs act on it. 400: malformed_http, malformed_json; 401: unauthorized, pairing_refused; 403: host_not_allowed, origin_not_allowed, forbidden, permission_denied, path_outside_segment; 404: not_found, unknown_segment, unknown_root, unknown_process, unknown_upload, file_not_found; 405: method_not_allowed; 409: exists, not_empty, is_folder, not_folder, not_regular_file, running, ended, input_closed, wrong_offset, no_match, ambiguous_match; 412: changed; 413: body_too_large, file_too_large, output_too_large; 414: name_too_long; 415: unsupported_media_type; 416: range_not_satisfiable; 422: invalid_field, invalid_name, unknown_field, not_utf8, invalid_cursor, invalid_pattern, malformed_diff, cannot_start; 429: too_many_requests, too_many_processes; 431: header_too_large; 499: cancelled; 500: internal; 501: not_installed; 502: worker_died; 503: no_cell, no_worker, no_slot, too_many_connections; 504: timeout; 507: no_space.
export type ProblemCode = 'malformed_http' | 'malformed_json' | 'unauthorized' | 'pairing_refused' | 'host_not_allowed' | 'origin_not_allowed' | 'forbidden' | 'permission_denied' | 'path_outside_segment' | 'not_found' | 'unknown_segment' | 'unknown_root' | 'unknown_process' | 'unknown_upload' | 'unknown_checkpoint' | 'file_not_found' | 'method_not_allowed' | 'exists' | 'not_empty' | 'is_folder' | 'not_folder' | 'not_regular_file' | 'running' | 'ended' | 'input_closed' | 'wrong_offset' | 'no_match' | 'ambiguous_match' | 'changed' | 'body_too_large' | 'file_too_large' | 'output_too_large' | 'name_too_long' | 'unsupported_media_type' | 'range_not_satisfiable' | 'invalid_field' | 'invalid_name' | 'unknown_field' | 'not_utf8' | 'invalid_cursor' | 'invalid_pattern' | 'malformed_diff' | 'cannot_start' | 'too_many_requests' | 'too_many_processes' | 'header_too_large' | 'cancelled' | 'internal' | 'not_installed' | 'worker_died' | 'no_cell' | 'no_worker' | 'no_slot' | 'too_many_connections' | 'timeout' | 'no_space';

// RFC 9457 problem details.
export interface Problem {
  type: 'about:blank';
  title: string;
  status: number;
  // For people.
  detail: string;
  code: ProblemCode;
  // Of `changed`: what was found; null: no file.
  version?: string | null;
  // Of `no_match`, `ambiguous_match`: which of `edits`, from 0 on.
  edit?: number;
  // Of `ambiguous_match`, `no_match`: how often `old` occurs.
  matches?: number;
  // Of `no_match`: which hunk of `diff`, from 0 on.
  hunk?: number;
  // Of `wrong_offset`: what is there.
  offset?: Bytes;
  // Of `cannot_start`: what failed.
  step?: string;
  // Of `cannot_start`.
  errno?: number;
}

// What each operation takes, answers and, before that, tells.
export interface Operations {
  // The segments, and where one may be made.
  'segments.list': {
    fields: Record<never, never>;
    result: Segments;
    event: never;
  };
  // Makes a segment: a new folder beneath a root.
  'segments.create': {
    fields: { name: SegmentName; root: string };
    result: Segment;
    event: never;
  };
  // Facts of one name.
  'files.stat': {
    fields: { segment: SegmentName; follow?: boolean } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Entry;
    event: never;
  };
  // A file, or a range of it.
  'files.read': {
    fields: { segment: SegmentName; offset?: Bytes; bytes?: Bytes; from_line?: number; lines?: number; encoding?: Encoding } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: FileContent;
    event: never;
  };
  // A file's bytes.
  'files.download': {
    fields: { segment: SegmentName } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: never;
    event: never;
  };
  // Writes a file of any size from the body.
  'files.upload': {
    fields: { segment: SegmentName; if_version?: IfVersion; create_parents?: boolean; mode?: Mode } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // Writes a file, whole or not at all.
  'files.write': {
    fields: { segment: SegmentName; content: string; encoding?: Encoding; if_version?: IfVersion; create_parents?: boolean; mode?: Mode } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // Replaces texts in a file, or applies a diff; all of it or nothing.
  'files.edit': {
    fields: { segment: SegmentName; if_version?: IfVersion } & OneOf<{ path: Path; path_bytes: Base64 }> & OneOf<{ edits: Edit[]; diff: string }>;
    result: Edited;
    event: never;
  };
  // Writes at a file's end.
  'files.append': {
    fields: { segment: SegmentName; content: string; encoding?: Encoding; if_version?: IfVersion; create?: boolean } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // What is in a folder.
  'files.list': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; recursive?: boolean; hidden?: boolean; ignore?: boolean; depth?: number; cursor?: Cursor; limit?: Limit };
    result: Listing;
    event: never;
  };
  // Names that match a glob.
  'files.find': {
    fields: { segment: SegmentName; glob: string; path?: Path; path_bytes?: Base64; hidden?: boolean; ignore?: boolean; cursor?: Cursor; limit?: Limit };
    result: Listing;
    event: never;
  };
  // Lines that match a pattern, by ripgrep in the cage.
  'files.search': {
    fields: { segment: SegmentName; pattern: string; path?: Path; path_bytes?: Base64; literal?: boolean; case?: Case; word?: boolean; glob?: string[]; hidden?: boolean; ignore?: boolean; multiline?: boolean; context?: number; limit?: number; max_seconds?: number };
    result: Found;
    event: never;
  };
  // Makes a folder.
  'files.mkdir': {
    fields: { segment: SegmentName; parents?: boolean } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // Makes a symlink that leads to somewhere in the segment.
  'files.symlink': {
    fields: { segment: SegmentName } & OneOf<{ path: Path; path_bytes: Base64 }> & OneOf<{ target: Path; target_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // Moves a name within the segment.
  'files.move': {
    fields: { segment: SegmentName; replace?: boolean; if_version?: IfVersion } & OneOf<{ from: Path; from_bytes: Base64 }> & OneOf<{ to: Path; to_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // Copies a name within the segment.
  'files.copy': {
    fields: { segment: SegmentName; replace?: boolean; recursive?: boolean } & OneOf<{ from: Path; from_bytes: Base64 }> & OneOf<{ to: Path; to_bytes: Base64 }>;
    result: Copied;
    event: never;
  };
  // Deletes a name, and with `recursive` what is beneath it.
  'files.delete': {
    fields: { segment: SegmentName; recursive?: boolean; if_version?: IfVersion } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Deleted;
    event: never;
  };
  // A folder as one file, streamed.
  'files.archive': {
    fields: { segment: SegmentName; format?: 'tar.zst' | 'zip'; ignore?: boolean } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: never;
    event: never;
  };
  // Begins an upload that can be resumed.
  'uploads.create': {
    fields: { segment: SegmentName; create_parents?: boolean } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Upload;
    event: never;
  };
  // How much of an upload is there.
  'uploads.get': {
    fields: { segment: SegmentName; upload: string } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Upload;
    event: never;
  };
  // The next bytes of an upload.
  'uploads.append': {
    fields: { segment: SegmentName; upload: string; offset: Bytes } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Upload;
    event: never;
  };
  // Forgets an upload.
  'uploads.abort': {
    fields: { segment: SegmentName; upload: string } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Nothing;
    event: never;
  };
  // Puts an upload in its place.
  'uploads.finish': {
    fields: { segment: SegmentName; if_version?: IfVersion; mode?: Mode; size?: Bytes; upload: string } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: Facts;
    event: never;
  };
  // Starts a process in the cage.
  'processes.start': {
    fields: { segment: SegmentName; cwd?: Path; cwd_bytes?: Base64; env?: Environment; profile?: string; limits?: Limits; terminal?: TerminalSize; input?: boolean; retain?: Retain; name?: string; request?: string } & OneOf<{ argv: string[]; shell: string }>;
    result: Process;
    event: never;
  };
  // The segment's processes.
  'processes.list': {
    fields: { segment: SegmentName; state?: State; cursor?: Cursor; limit?: Limit };
    result: Processes;
    event: never;
  };
  // One process.
  'processes.get': {
    fields: { segment: SegmentName; process: ProcessId };
    result: Process;
    event: never;
  };
  // Forgets an ended process and its output.
  'processes.remove': {
    fields: { segment: SegmentName; process: ProcessId };
    result: Nothing;
    event: never;
  };
  // A part of its output.
  'processes.output': {
    fields: { segment: SegmentName; process: ProcessId; from?: number; max_bytes?: number; wait_seconds?: number; stream?: Stream; encoding?: Encoding };
    result: Output;
    event: never;
  };
  // The process, once it has ended or the time is over.
  'processes.wait': {
    fields: { segment: SegmentName; process: ProcessId; wait_seconds?: number };
    result: Process;
    event: never;
  };
  // Bytes for its standard input; answered when the pipe has them.
  'processes.input': {
    fields: { segment: SegmentName; content?: string; encoding?: Encoding; close?: boolean; process: ProcessId };
    result: Nothing;
    event: never;
  };
  // A terminal's new size.
  'processes.resize': {
    fields: { segment: SegmentName; rows: number; columns: number; process: ProcessId };
    result: Process;
    event: never;
  };
  // A signal to its process group, or a terminal's foreground group.
  'processes.signal': {
    fields: { segment: SegmentName; signal: Signal; process: ProcessId };
    result: Process;
    event: never;
  };
  // SIGKILL to the whole tree.
  'processes.kill': {
    fields: { segment: SegmentName; process: ProcessId };
    result: Process;
    event: never;
  };
  // Records the segment's whole tree.
  'checkpoints.create': {
    fields: { segment: SegmentName; label?: string; ignored?: boolean };
    result: CheckpointMade;
    event: never;
  };
  // The checkpoints, the newest first.
  'checkpoints.list': {
    fields: { segment: SegmentName; cursor?: Cursor; limit?: Limit };
    result: Checkpoints;
    event: never;
  };
  // What is different between a checkpoint and another one, or the tree as it is.
  'checkpoints.compare': {
    fields: { segment: SegmentName; checkpoint: CheckpointNumber; to?: CheckpointNumber; paths?: Paths; paths_bytes?: PathsBytes; cursor?: Cursor; limit?: Limit };
    result: CheckpointChanges;
    event: never;
  };
  // A file as a checkpoint has it.
  'checkpoints.read': {
    fields: { segment: SegmentName; checkpoint: CheckpointNumber; offset?: Bytes; bytes?: Bytes; encoding?: Encoding } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: CheckpointContent;
    event: never;
  };
  // The unified diff of one file.
  'checkpoints.diff': {
    fields: { segment: SegmentName; checkpoint: CheckpointNumber; to?: CheckpointNumber } & OneOf<{ path: Path; path_bytes: Base64 }>;
    result: CheckpointDiff;
    event: never;
  };
  // Makes the tree what it was, or some paths in it.
  'checkpoints.restore': {
    fields: { segment: SegmentName; paths?: Paths; paths_bytes?: PathsBytes; checkpoint: CheckpointNumber };
    result: CheckpointRestored;
    event: never;
  };
  // Forgets a checkpoint.
  'checkpoints.delete': {
    fields: { segment: SegmentName; checkpoint: CheckpointNumber };
    result: Nothing;
    event: never;
  };
  // Tells what changes.
  'files.watch': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; recursive?: boolean; ignore?: boolean };
    result: Nothing;
    event: Changes;
  };
  // Its output as it comes, and at last the process with its exit.
  'processes.follow': {
    fields: { segment: SegmentName; process: ProcessId; from?: number; window?: number; stream?: Stream };
    result: Process;
    event: GapEvent;
  };
  // Starts a process and follows it.
  'processes.run': {
    fields: { segment: SegmentName; cwd?: Path; cwd_bytes?: Base64; env?: Environment; profile?: string; limits?: Limits; terminal?: TerminalSize; input?: boolean; retain?: Retain; name?: string; request?: string; window?: number; keep?: boolean } & OneOf<{ argv: string[]; shell: string }>;
    result: Process;
    event: ProcessEvent | GapEvent;
  };
  // Says who the client is.
  'auth': {
    fields: { token: string };
    result: Session;
    event: never;
  };
  // Ends an open request.
  'cancel': {
    fields: { request: RequestId };
    result: Nothing;
    event: never;
  };
  // How far the client has taken a stream.
  'ack': {
    fields: { request: RequestId; position: Position };
    result: never;
    event: never;
  };
  // Whether the connection is alive.
  'ping': {
    fields: Record<never, never>;
    result: Nothing;
    event: never;
  };
}

export type OperationName = keyof Operations;

// How an operation travels. `query` and `body` name its fields; those of `path` stand in the URL. A field of
// `paths` may come as NAME_bytes. `answer` is what an answer must look like; null: bytes.
export interface Row {
  readonly need: string;
  readonly socket: boolean;
  readonly method: string | null;
  readonly path: string | null;
  readonly query: readonly string[];
  readonly body: 'none' | 'json' | 'raw';
  readonly paths: readonly string[];
  readonly answer: ShapeName | null;
}

export const table = {
  'segments.list': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments',
    query: [], body: 'none', paths: [], answer: 'Segments',
  },
  'segments.create': {
    need: 'admin', socket: true, method: 'POST', path: '/v2/segments',
    query: [], body: 'json', paths: [], answer: 'Segment',
  },
  'files.stat': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/files/stat',
    query: ['path', 'follow'], body: 'none', paths: ['path'], answer: 'Entry',
  },
  'files.read': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/files/read',
    query: ['path', 'offset', 'bytes', 'from_line', 'lines', 'encoding'], body: 'none', paths: ['path'], answer: 'FileContent',
  },
  'files.download': {
    need: 'viewer', socket: false, method: 'GET', path: '/v2/segments/{segment}/files/content',
    query: ['path'], body: 'none', paths: ['path'], answer: null,
  },
  'files.upload': {
    need: 'operator', socket: false, method: 'PUT', path: '/v2/segments/{segment}/files/content',
    query: ['path', 'if_version', 'create_parents', 'mode'], body: 'raw', paths: ['path'], answer: 'Facts',
  },
  'files.write': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/write',
    query: [], body: 'json', paths: ['path'], answer: 'Facts',
  },
  'files.edit': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/edit',
    query: [], body: 'json', paths: ['path'], answer: 'Edited',
  },
  'files.append': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/append',
    query: [], body: 'json', paths: ['path'], answer: 'Facts',
  },
  'files.list': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/files/list',
    query: ['path', 'recursive', 'hidden', 'ignore', 'depth', 'cursor', 'limit'], body: 'none', paths: ['path'], answer: 'Listing',
  },
  'files.find': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/files/find',
    query: ['glob', 'path', 'hidden', 'ignore', 'cursor', 'limit'], body: 'none', paths: ['path'], answer: 'Listing',
  },
  'files.search': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/files/search',
    query: ['pattern', 'path', 'literal', 'case', 'word', 'glob', 'hidden', 'ignore', 'multiline', 'context', 'limit', 'max_seconds'], body: 'none', paths: ['path'], answer: 'Found',
  },
  'files.mkdir': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/mkdir',
    query: [], body: 'json', paths: ['path'], answer: 'Facts',
  },
  'files.symlink': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/symlink',
    query: [], body: 'json', paths: ['path', 'target'], answer: 'Facts',
  },
  'files.move': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/move',
    query: [], body: 'json', paths: ['from', 'to'], answer: 'Facts',
  },
  'files.copy': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/copy',
    query: [], body: 'json', paths: ['from', 'to'], answer: 'Copied',
  },
  'files.delete': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/files/delete',
    query: [], body: 'json', paths: ['path'], answer: 'Deleted',
  },
  'files.archive': {
    need: 'viewer', socket: false, method: 'GET', path: '/v2/segments/{segment}/files/archive',
    query: ['path', 'format', 'ignore'], body: 'none', paths: ['path'], answer: null,
  },
  'uploads.create': {
    need: 'operator', socket: false, method: 'POST', path: '/v2/segments/{segment}/uploads',
    query: [], body: 'json', paths: ['path'], answer: 'Upload',
  },
  'uploads.get': {
    need: 'operator', socket: false, method: 'GET', path: '/v2/segments/{segment}/uploads/{upload}',
    query: ['path'], body: 'none', paths: ['path'], answer: 'Upload',
  },
  'uploads.append': {
    need: 'operator', socket: false, method: 'PATCH', path: '/v2/segments/{segment}/uploads/{upload}',
    query: ['path', 'offset'], body: 'raw', paths: ['path'], answer: 'Upload',
  },
  'uploads.abort': {
    need: 'operator', socket: false, method: 'DELETE', path: '/v2/segments/{segment}/uploads/{upload}',
    query: ['path'], body: 'none', paths: ['path'], answer: 'Nothing',
  },
  'uploads.finish': {
    need: 'operator', socket: false, method: 'POST', path: '/v2/segments/{segment}/uploads/{upload}/finish',
    query: [], body: 'json', paths: ['path'], answer: 'Facts',
  },
  'processes.start': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/processes',
    query: [], body: 'json', paths: ['cwd'], answer: 'Process',
  },
  'processes.list': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/processes',
    query: ['state', 'cursor', 'limit'], body: 'none', paths: [], answer: 'Processes',
  },
  'processes.get': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/processes/{process}',
    query: [], body: 'none', paths: [], answer: 'Process',
  },
  'processes.remove': {
    need: 'operator', socket: true, method: 'DELETE', path: '/v2/segments/{segment}/processes/{process}',
    query: [], body: 'none', paths: [], answer: 'Nothing',
  },
  'processes.output': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/processes/{process}/output',
    query: ['from', 'max_bytes', 'wait_seconds', 'stream', 'encoding'], body: 'none', paths: [], answer: 'Output',
  },
  'processes.wait': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/processes/{process}/wait',
    query: ['wait_seconds'], body: 'none', paths: [], answer: 'Process',
  },
  'processes.input': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/processes/{process}/input',
    query: [], body: 'json', paths: [], answer: 'Nothing',
  },
  'processes.resize': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/processes/{process}/resize',
    query: [], body: 'json', paths: [], answer: 'Process',
  },
  'processes.signal': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/processes/{process}/signal',
    query: [], body: 'json', paths: [], answer: 'Process',
  },
  'processes.kill': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/processes/{process}/kill',
    query: [], body: 'json', paths: [], answer: 'Process',
  },
  'checkpoints.create': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/checkpoints',
    query: [], body: 'json', paths: [], answer: 'CheckpointMade',
  },
  'checkpoints.list': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/checkpoints',
    query: ['cursor', 'limit'], body: 'none', paths: [], answer: 'Checkpoints',
  },
  'checkpoints.compare': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/checkpoints/{checkpoint}/compare',
    query: ['to', 'paths', 'cursor', 'limit'], body: 'none', paths: ['paths'], answer: 'CheckpointChanges',
  },
  'checkpoints.read': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/checkpoints/{checkpoint}/read',
    query: ['path', 'offset', 'bytes', 'encoding'], body: 'none', paths: ['path'], answer: 'CheckpointContent',
  },
  'checkpoints.diff': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/checkpoints/{checkpoint}/diff',
    query: ['path', 'to'], body: 'none', paths: ['path'], answer: 'CheckpointDiff',
  },
  'checkpoints.restore': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/checkpoints/{checkpoint}/restore',
    query: [], body: 'json', paths: ['paths'], answer: 'CheckpointRestored',
  },
  'checkpoints.delete': {
    need: 'operator', socket: true, method: 'DELETE', path: '/v2/segments/{segment}/checkpoints/{checkpoint}',
    query: [], body: 'none', paths: [], answer: 'Nothing',
  },
  'files.watch': {
    need: 'viewer', socket: true, method: null, path: null,
    query: [], body: 'none', paths: ['path'], answer: 'Nothing',
  },
  'processes.follow': {
    need: 'viewer', socket: true, method: null, path: null,
    query: [], body: 'none', paths: [], answer: 'Process',
  },
  'processes.run': {
    need: 'operator', socket: true, method: null, path: null,
    query: [], body: 'none', paths: ['cwd'], answer: 'Process',
  },
  'auth': {
    need: 'nobody', socket: true, method: null, path: null,
    query: [], body: 'none', paths: [], answer: 'Session',
  },
  'cancel': {
    need: 'nobody', socket: true, method: null, path: null,
    query: [], body: 'none', paths: [], answer: 'Nothing',
  },
  'ack': {
    need: 'nobody', socket: true, method: null, path: null,
    query: [], body: 'none', paths: [], answer: null,
  },
  'ping': {
    need: 'nobody', socket: true, method: null, path: null,
    query: [], body: 'none', paths: [], answer: 'Nothing',
  },
} as const satisfies Record<OperationName, Row>;

// Called with one JSON object and answered with one, over HTTP.
export type HttpName = 'segments.list' | 'segments.create' | 'files.stat' | 'files.read' | 'files.write' | 'files.edit' | 'files.append' | 'files.list' | 'files.find' | 'files.search' | 'files.mkdir' | 'files.symlink' | 'files.move' | 'files.copy' | 'files.delete' | 'uploads.create' | 'uploads.get' | 'uploads.abort' | 'uploads.finish' | 'processes.start' | 'processes.list' | 'processes.get' | 'processes.remove' | 'processes.output' | 'processes.wait' | 'processes.input' | 'processes.resize' | 'processes.signal' | 'processes.kill' | 'checkpoints.create' | 'checkpoints.list' | 'checkpoints.compare' | 'checkpoints.read' | 'checkpoints.diff' | 'checkpoints.restore' | 'checkpoints.delete';

// Called over the WebSocket, and answered once.
export type SocketName = 'segments.list' | 'segments.create' | 'files.stat' | 'files.read' | 'files.write' | 'files.edit' | 'files.append' | 'files.list' | 'files.find' | 'files.search' | 'files.mkdir' | 'files.symlink' | 'files.move' | 'files.copy' | 'files.delete' | 'processes.start' | 'processes.list' | 'processes.get' | 'processes.remove' | 'processes.output' | 'processes.wait' | 'processes.input' | 'processes.resize' | 'processes.signal' | 'processes.kill' | 'checkpoints.create' | 'checkpoints.list' | 'checkpoints.compare' | 'checkpoints.read' | 'checkpoints.diff' | 'checkpoints.restore' | 'checkpoints.delete';

// What has a shape can be checked when it arrives: see parse.ts.
export interface Shapes {
  SegmentName: SegmentName;
  Path: Path;
  Base64: Base64;
  Encoding: Encoding;
  VersionTag: VersionTag;
  NextCursor: NextCursor;
  Bytes: Bytes;
  Position: Position;
  Nanoseconds: Nanoseconds;
  Microseconds: Microseconds;
  Mode: Mode;
  Nothing: Nothing;
  Segment: Segment;
  Segments: Segments;
  Kind: Kind;
  Facts: Facts;
  Entry: Entry;
  Listing: Listing;
  FileContent: FileContent;
  Edited: Edited;
  Copied: Copied;
  Deleted: Deleted;
  Match: Match;
  ContextLine: ContextLine;
  Found: Found;
  Upload: Upload;
  Change: Change;
  Changes: Changes;
  ProcessId: ProcessId;
  State: State;
  Stream: Stream;
  Exit: Exit;
  Retained: Retained;
  Process: Process;
  Processes: Processes;
  Gap: Gap;
  Chunk: Chunk;
  Output: Output;
  GapEvent: GapEvent;
  ProcessEvent: ProcessEvent;
  Session: Session;
  Health: Health;
  Paired: Paired;
  CheckpointNumber: CheckpointNumber;
  Checkpoint: Checkpoint;
  CheckpointMade: CheckpointMade;
  Checkpoints: Checkpoints;
  CheckpointSide: CheckpointSide;
  CheckpointSideOrNull: CheckpointSideOrNull;
  CheckpointChanges: CheckpointChanges;
  CheckpointContent: CheckpointContent;
  CheckpointDiff: CheckpointDiff;
  CheckpointRestored: CheckpointRestored;
}

export type ShapeName = keyof Shapes;

export const shapes: Record<ShapeName, object> = {
  SegmentName: {"type":"string"},
  Path: {"type":"string"},
  Base64: {"type":"string"},
  Encoding: {"type":"string","enum":["utf-8","base64"]},
  VersionTag: {"type":"string"},
  NextCursor: {"type":["string","null"]},
  Bytes: {"type":"integer"},
  Position: {"type":"integer"},
  Nanoseconds: {"type":"string"},
  Microseconds: {"type":"integer"},
  Mode: {"type":"integer"},
  Nothing: {"type":"object","properties":{}},
  Segment: {"type":"object","required":["name","path","source"],"properties":{"name":{"$ref":"SegmentName"},"path":{"type":"string"},"source":{"type":"string","enum":["glob","path","root"]}}},
  Segments: {"type":"object","required":["segments","roots"],"properties":{"segments":{"type":"array","items":{"$ref":"Segment"}},"roots":{"type":"array","items":{"type":"string"}}}},
  Kind: {"type":"string","enum":["file","folder","symlink","other"]},
  Facts: {"type":"object","required":["kind","size","mode","modified_ns","version"],"properties":{"kind":{"$ref":"Kind"},"size":{"$ref":"Bytes"},"mode":{"$ref":"Mode"},"modified_ns":{"$ref":"Nanoseconds"},"version":{"type":["string","null"]},"target":{"type":"string"},"target_bytes":{"$ref":"Base64"}}},
  Entry: {"allOf":[{"$ref":"Facts"},{"type":"object","required":["path"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"}}}]},
  Listing: {"type":"object","required":["entries","cursor"],"properties":{"entries":{"type":"array","items":{"$ref":"Entry"}},"cursor":{"$ref":"NextCursor"}}},
  FileContent: {"type":"object","required":["content","encoding","version","size","offset","bytes","more"],"properties":{"content":{"type":"string"},"encoding":{"$ref":"Encoding"},"version":{"$ref":"VersionTag"},"size":{"$ref":"Bytes"},"offset":{"$ref":"Bytes"},"bytes":{"$ref":"Bytes"},"from_line":{"type":"integer"},"lines":{"type":"integer"},"more":{"type":"boolean"}}},
  Edited: {"allOf":[{"$ref":"Facts"},{"type":"object","required":["diff"],"properties":{"diff":{"type":"string"}}}]},
  Copied: {"allOf":[{"$ref":"Facts"},{"type":"object","properties":{"skipped":{"type":"integer"}}}]},
  Deleted: {"type":"object","required":["deleted"],"properties":{"deleted":{"type":"integer"}}},
  Match: {"type":"object","required":["path","line","offset","spans"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"line":{"type":"integer"},"text":{"type":"string"},"text_bytes":{"$ref":"Base64"},"offset":{"$ref":"Bytes"},"spans":{"type":"array","items":{"type":"array","items":{"type":"integer"},"minItems":2,"maxItems":2}},"cut":{"type":"boolean"},"before":{"type":"array","items":{"$ref":"ContextLine"}},"after":{"type":"array","items":{"$ref":"ContextLine"}}}},
  ContextLine: {"type":"object","required":["line"],"properties":{"line":{"type":"integer"},"text":{"type":"string"},"text_bytes":{"$ref":"Base64"},"cut":{"type":"boolean"}}},
  Found: {"type":"object","required":["matches","truncated"],"properties":{"matches":{"type":"array","items":{"$ref":"Match"}},"truncated":{"type":"boolean"},"files_searched":{"type":"integer"}}},
  Upload: {"type":"object","required":["upload","offset"],"properties":{"upload":{"type":"string"},"offset":{"$ref":"Bytes"}}},
  Change: {"type":"object","required":["event","path","kind"],"properties":{"event":{"type":"string","enum":["created","changed","deleted","moved"]},"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"from":{"$ref":"Path"},"from_bytes":{"$ref":"Base64"},"kind":{"$ref":"Kind"}}},
  Changes: {"oneOf":[{"type":"object","required":["events"],"properties":{"events":{"type":"array","items":{"$ref":"Change"}}}},{"type":"object","required":["overflow"],"properties":{"overflow":{"const":true}}}]},
  ProcessId: {"type":"string"},
  State: {"type":"string","enum":["running","ended"]},
  Stream: {"type":"string","enum":["stdout","stderr"]},
  Exit: {"type":"object","required":["cpu_us","peak_memory","wall_us","ended_ns"],"properties":{"code":{"type":"integer"},"signal":{"type":"integer"},"limit":{"type":"string","enum":["time","cpu","memory","output","file_size","killed"]},"cpu_us":{"$ref":"Microseconds"},"peak_memory":{"$ref":"Bytes"},"wall_us":{"$ref":"Microseconds"},"ended_ns":{"$ref":"Nanoseconds"}},"oneOf":[{"required":["code"]},{"required":["signal"]}]},
  Retained: {"type":"object","required":["from","to","retained"],"properties":{"from":{"$ref":"Position"},"to":{"$ref":"Position"},"retained":{"type":"string","enum":["memory","disk"]}}},
  Process: {"type":"object","required":["process","segment","argv","cwd","profile","terminal","state","started_ns","output"],"properties":{"process":{"$ref":"ProcessId"},"segment":{"$ref":"SegmentName"},"argv":{"type":"array","items":{"type":"string"}},"cwd":{"$ref":"Path"},"cwd_bytes":{"$ref":"Base64"},"name":{"type":"string"},"profile":{"type":"string"},"terminal":{"type":"boolean"},"state":{"$ref":"State"},"started_ns":{"$ref":"Nanoseconds"},"output":{"$ref":"Retained"},"exit":{"$ref":"Exit"}}},
  Processes: {"type":"object","required":["processes","cursor"],"properties":{"processes":{"type":"array","items":{"$ref":"Process"}},"cursor":{"$ref":"NextCursor"}}},
  Gap: {"type":"object","required":["from","to"],"properties":{"from":{"$ref":"Position"},"to":{"$ref":"Position"}}},
  Chunk: {"type":"object","required":["position","stream","content","encoding"],"properties":{"position":{"$ref":"Position"},"stream":{"$ref":"Stream"},"content":{"type":"string"},"encoding":{"$ref":"Encoding"}}},
  Output: {"type":"object","required":["chunks","next","ended"],"properties":{"chunks":{"type":"array","items":{"$ref":"Chunk"}},"next":{"$ref":"Position"},"gap":{"$ref":"Gap"},"ended":{"type":"boolean"}}},
  GapEvent: {"type":"object","required":["gap"],"properties":{"gap":{"$ref":"Gap"}}},
  ProcessEvent: {"type":"object","required":["process"],"properties":{"process":{"$ref":"Process"}}},
  Session: {"type":"object","required":["session_id"],"properties":{"session_id":{"type":"string"}}},
  Health: {"type":"object","required":["status","version"],"properties":{"status":{"const":"ok"},"version":{"type":"string"},"degraded":{"type":"array","items":{"type":"string"}}}},
  Paired: {"type":"object","required":["session_token","session_id"],"properties":{"session_token":{"type":"string"},"session_id":{"type":"string"}}},
  CheckpointNumber: {"type":"integer"},
  Checkpoint: {"type":"object","required":["checkpoint","created_ns","reason","label","ignored","files","bytes","skipped"],"properties":{"checkpoint":{"$ref":"CheckpointNumber"},"created_ns":{"$ref":"Nanoseconds"},"reason":{"type":"string","enum":["request","turn","restore"]},"label":{"type":"string"},"ignored":{"type":"boolean"},"files":{"type":"integer"},"bytes":{"$ref":"Bytes"},"skipped":{"type":"object","required":["unreadable","too_large","special","long_path","unsettled"],"properties":{"unreadable":{"type":"integer"},"too_large":{"type":"integer"},"special":{"type":"integer"},"long_path":{"type":"integer"},"unsettled":{"type":"integer"}}}}},
  CheckpointMade: {"allOf":[{"$ref":"Checkpoint"},{"type":"object","required":["created","bytes_written","changed","skipped_files"],"properties":{"created":{"type":"boolean"},"bytes_written":{"$ref":"Bytes"},"changed":{"type":"object","required":["added","modified","deleted"],"properties":{"added":{"type":"integer"},"modified":{"type":"integer"},"deleted":{"type":"integer"}}},"skipped_files":{"type":"array","items":{"type":"object","required":["path","why","size"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"why":{"type":"string","enum":["unreadable","too_large","special","long_path","unsettled"]},"size":{"$ref":"Bytes"}}}}}}]},
  Checkpoints: {"type":"object","required":["checkpoints","cursor"],"properties":{"checkpoints":{"type":"array","items":{"$ref":"Checkpoint"}},"cursor":{"$ref":"NextCursor"}}},
  CheckpointSide: {"type":"object","required":["kind","size","mode"],"properties":{"kind":{"type":"string","enum":["file","folder","symlink"]},"size":{"$ref":"Bytes"},"mode":{"type":"integer"}}},
  CheckpointSideOrNull: {"oneOf":[{"$ref":"CheckpointSide"},{"type":"null"}]},
  CheckpointChanges: {"type":"object","required":["entries","cursor"],"properties":{"entries":{"type":"array","items":{"type":"object","required":["path","change","old","new"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"change":{"type":"string","enum":["added","modified","deleted","type_changed","mode_changed"]},"old":{"$ref":"CheckpointSideOrNull"},"new":{"$ref":"CheckpointSideOrNull"}}}},"cursor":{"$ref":"NextCursor"}}},
  CheckpointContent: {"type":"object","required":["path","content","encoding","kind","size","offset","bytes","more"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"content":{"type":"string"},"encoding":{"$ref":"Encoding"},"kind":{"type":"string","enum":["file","symlink"]},"size":{"$ref":"Bytes"},"offset":{"$ref":"Bytes"},"bytes":{"$ref":"Bytes"},"more":{"type":"boolean"}}},
  CheckpointDiff: {"type":"object","required":["path","diff","binary","old","new"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"diff":{"type":"string"},"diff_bytes":{"$ref":"Base64"},"binary":{"type":"boolean"},"old":{"$ref":"CheckpointSideOrNull"},"new":{"$ref":"CheckpointSideOrNull"}}},
  CheckpointRestored: {"type":"object","required":["restored","undo","written","removed","not_restored","not_restored_files"],"properties":{"restored":{"$ref":"CheckpointNumber"},"undo":{"type":"integer"},"written":{"type":"integer"},"removed":{"type":"integer"},"not_restored":{"type":"integer"},"not_restored_files":{"type":"array","items":{"type":"object","required":["path","why"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"why":{"type":"string"}}}}}},
};
