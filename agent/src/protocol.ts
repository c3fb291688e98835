// Generated from docs/openapi.yaml and docs/asyncapi.yaml by tools/generate.ts: do not edit, `npm run generate`.

// Exactly one of these fields.
export type OneOf<T> = {
  [K in keyof T]: Pick<T, K> & { [L in Exclude<keyof T, K>]?: never };
}[keyof T];

// A segment's name, or SEGMENT@WORKSPACE.
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

// Without `/` and `@`; it begins with neither `.`, `-` nor a space.
export type WorkspaceName = string;

export interface Workspace {
  name: WorkspaceName;
  // What to name where a segment is asked for.
  segment: SegmentName;
  path: string;
  state: 'ready' | 'making' | 'degraded';
  // Why it is degraded.
  reason?: string;
  // null where none is checked out.
  branch: string | null;
  // A commit.
  head?: string | null;
  // What it was made from.
  base: {
    branch: string | null;
    commit: string | null;
  };
  // Commits that the base branch has not.
  ahead?: number;
  // Commits of the base branch that it has not.
  behind?: number;
  // Files that are not as they were committed.
  changes?: {
    staged: number;
    modified: number;
    untracked: number;
    conflicted: number;
  };
  // Commands that run in it.
  processes: number;
  // Who is at work in it.
  ancillaries: string[];
  created_ns: Nanoseconds;
}

export interface Workspaces {
  workspaces: Workspace[];
  // Worktrees at a workspace's place that `workspaces.adopt` takes in.
  adoptable: string[];
}

export interface WorkspaceDestroyed {
  destroyed: WorkspaceName;
  branch_deleted: boolean;
}

export interface WorkspaceDiff {
  // The commit that it is compared with.
  base: string;
  // A unified diff.
  committed: string;
  // A unified diff of the files with the last commit.
  uncommitted: string;
  untracked: string[];
}

export interface WorkspaceMerged {
  // false: conflicts were kept.
  merged: boolean;
  into: string;
  // Where the branch is now.
  commit?: string;
  // The segment, or the workspace, that has the branch checked out.
  place: string | null;
  // There was nothing to merge.
  up_to_date?: boolean;
  conflicts: string[];
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

// Revisions in jjs own language, evaluated by jj in the cage.
export type JjRevset = string;

// A description; may be empty.
export type JjMessage = string;

// A name, which means itself: no pattern.
export type JjName = string;

// Paths relative to the repository, each with what is beneath it.
export type JjFiles = string[];

// Who is said to have made the commits that are written, where jjs configuration in the cage does not say it. Each a line without < and >.
export interface JjAuthor {
  name?: string;
  email?: string;
}

// Of a commit or an operation in hexadecimal digits, of a change in the letters k to z.
export type JjId = string;

export interface JjSignature {
  name: string;
  email: string;
  // RFC 3339.
  timestamp: string;
}

// A commit.
export interface JjParent {
  commit_id: JjId;
  change_id: JjId;
  parents: JjId[];
  description: string;
  author: JjSignature;
  committer: JjSignature;
}

// A commit, with what stands on it.
export interface JjCommit {
  commit_id: JjId;
  change_id: JjId;
  parents: JjId[];
  description: string;
  author: JjSignature;
  committer: JjSignature;
  bookmarks: string[];
  remote_bookmarks: Array<{
    name: string;
    remote: string;
  }>;
  tags: string[];
  // Whose working copy it is, where there are several.
  workspaces: string[];
  working_copy: boolean;
  conflict: boolean;
  empty: boolean;
  divergent: boolean;
  hidden: boolean;
  immutable: boolean;
  root: boolean;
}

export interface JjChange {
  // Relative to the repository.
  path: string;
  status: 'modified' | 'added' | 'removed' | 'copied' | 'renamed';
  // Of what was copied or renamed.
  from?: string;
  // `file`, `symlink`, `git-submodule`, `conflict`; not of what was removed.
  type?: string;
  executable?: boolean;
  conflict?: boolean;
  // Lines, with `format=stat`.
  added?: number;
  // Lines, with `format=stat`.
  removed?: number;
  binary?: boolean;
}

// A commit and what it changes. jj 0.36 or newer. Never run against a real jj.
export interface JjStatus {
  commit: JjCommit;
  parents: JjParent[];
  changes: JjChange[];
  conflicts: Array<{
    path: string;
    sides: number;
  }>;
}

export interface JjDiff {
  changes: JjChange[];
  // There are more than 10000 changes.
  truncated: boolean;
  // The patch, with `format=git`.
  content?: string;
  encoding?: Encoding;
  added?: number;
  removed?: number;
}

export interface JjLog {
  commits: JjCommit[];
  cursor: NextCursor;
}

export interface JjBookmark {
  name: string;
  // Where it is one of a remote.
  remote?: string;
  // One commit; none: deleted; several: a conflict.
  targets: JjId[];
  // Of a conflict.
  removed_targets?: JjId[];
  conflict: boolean;
  // Of one of a remote.
  tracked?: boolean;
  synced: boolean;
}

export interface JjBookmarks {
  bookmarks: JjBookmark[];
  truncated: boolean;
}

export interface JjOperation {
  operation: JjId;
  parents: JjId[];
  description: string;
  user: string;
  // RFC 3339.
  started: string;
  // RFC 3339.
  ended: string;
  snapshot: boolean;
  current: boolean;
}

export interface JjOperations {
  operations: JjOperation[];
  cursor: NextCursor;
}

export interface JjWorkspace {
  name: string;
  commit_id: JjId;
  change_id: JjId;
  description: string;
  current: boolean;
}

export interface JjWorkspaces {
  workspaces: JjWorkspace[];
  truncated: boolean;
}

// A change that was made. jj 0.36 or newer. Never run against a real jj.
export interface JjChanged {
  // The working copys commit afterwards; null where it has none.
  working_copy: JjCommit | null;
  // What jj said; its first 4096 bytes.
  messages: string;
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

// Stable: programs act on it. 400: malformed_http, malformed_json; 401: unauthorized, pairing_refused; 403: host_not_allowed, origin_not_allowed, forbidden, permission_denied, path_outside_segment; 404: not_found, unknown_segment, unknown_root, unknown_process, unknown_upload, unknown_revision, unknown_workspace, unknown_checkpoint, file_not_found; 405: method_not_allowed; 409: exists, not_empty, is_folder, not_folder, not_regular_file, vcs_locked, broken_repository, unsupported_repository, nothing_to_commit, identity_unknown, running, ended, input_closed, wrong_offset, no_match, ambiguous_match, not_a_repository, vcs_failed, uncommitted, conflict, not_fast_forward, busy, workspace_degraded; 412: changed; 413: body_too_large, file_too_large, output_too_large; 414: name_too_long; 415: unsupported_media_type; 416: range_not_satisfiable; 422: invalid_field, invalid_name, unknown_field, not_utf8, invalid_cursor, invalid_pattern, malformed_diff, cannot_start; 429: too_many_requests, too_many_processes; 431: header_too_large; 499: cancelled; 500: internal; 501: not_installed, workspaces_not_configured; 502: worker_died; 503: no_cell, no_worker, no_slot, too_many_connections; 504: timeout; 507: no_space.
export type ProblemCode = 'malformed_http' | 'malformed_json' | 'unauthorized' | 'pairing_refused' | 'host_not_allowed' | 'origin_not_allowed' | 'forbidden' | 'permission_denied' | 'path_outside_segment' | 'not_found' | 'unknown_segment' | 'unknown_root' | 'unknown_process' | 'unknown_upload' | 'unknown_checkpoint' | 'unknown_workspace' | 'file_not_found' | 'method_not_allowed' | 'exists' | 'not_empty' | 'is_folder' | 'not_folder' | 'not_regular_file' | 'unknown_revision' | 'broken_repository' | 'unsupported_repository' | 'vcs_locked' | 'nothing_to_commit' | 'identity_unknown' | 'running' | 'ended' | 'input_closed' | 'wrong_offset' | 'no_match' | 'ambiguous_match' | 'not_a_repository' | 'vcs_failed' | 'uncommitted' | 'conflict' | 'not_fast_forward' | 'busy' | 'workspace_degraded' | 'changed' | 'body_too_large' | 'file_too_large' | 'output_too_large' | 'name_too_long' | 'unsupported_media_type' | 'range_not_satisfiable' | 'invalid_field' | 'invalid_name' | 'unknown_field' | 'not_utf8' | 'invalid_cursor' | 'invalid_pattern' | 'malformed_diff' | 'cannot_start' | 'too_many_requests' | 'too_many_processes' | 'header_too_large' | 'cancelled' | 'internal' | 'not_installed' | 'workspaces_not_configured' | 'worker_died' | 'no_cell' | 'no_worker' | 'no_slot' | 'too_many_connections' | 'timeout' | 'no_space';

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

// Who answers.
export type VcsEngine = 'auto' | 'libgit2' | 'git';

export type VcsAnsweredBy = 'libgit2' | 'git';

// SHA-1 or SHA-256, hexadecimal.
export type VcsId = string;

// Git's.
export type VcsMode = string;

export interface VcsSignature {
  name: string;
  name_bytes?: Base64;
  email: string;
  email_bytes?: Base64;
  // Seconds since the epoch.
  time: number;
  // Of its clock to UTC, minutes.
  offset: number;
}

export interface VcsChange {
  path: Path;
  path_bytes?: Base64;
  // Of a renamed one.
  old_path?: Path;
  old_path_bytes?: Base64;
  // Against the last commit.
  index: VcsState;
  // Against the index.
  work_tree: VcsState;
  conflict?: 'both_deleted' | 'added_by_us' | 'deleted_by_them' | 'added_by_them' | 'deleted_by_us' | 'both_added' | 'both_modified';
  submodule?: boolean;
}

export type VcsState = 'modified' | 'added' | 'deleted' | 'renamed' | 'copied' | 'type_changed' | 'untracked' | 'ignored' | null;

export interface VcsStatus {
  // none: the path is in no repository.
  kind: 'none' | 'git' | 'jj';
  // The work tree's; other paths are relative to it.
  folder: Path;
  folder_bytes?: Base64;
  // The last commit; null before the first one.
  head: string | null;
  // null where HEAD is detached.
  branch: string | null;
  upstream: string | null;
  ahead: number;
  behind: number;
  activity: {
    kind: 'merge' | 'revert' | 'cherry_pick' | 'bisect' | 'rebase' | 'apply_mailbox';
    // That is rebased.
    branch: string | null;
    // That is merged, picked, reverted or rebased onto.
    commit: string | null;
    step: number;
    steps: number;
  } | null;
  stashes: number;
  changes: VcsChange[];
  total: number;
  cursor: NextCursor;
  engine: VcsAnsweredBy;
}

export interface VcsFile {
  path: Path;
  path_bytes?: Base64;
  // Where it is another.
  old_path?: Path;
  old_path_bytes?: Base64;
  state: VcsState;
  old_mode: string | null;
  new_mode: string | null;
  old_id: string | null;
  new_id: string | null;
  binary: boolean;
  additions: number;
  deletions: number;
  // A secret that the cage hides; it was not compared.
  unreadable?: boolean;
  // The patch is longer than `max_file_bytes` and left out.
  cut?: boolean;
  // Unified, from `diff --git` on.
  patch?: string;
  patch_bytes?: Base64;
}

export interface VcsDiff {
  files: VcsFile[];
  total: number;
  cursor: NextCursor;
  // The commit.
  from: string | null;
  // The commit.
  to: string | null;
  engine: VcsAnsweredBy;
}

export interface VcsCommit {
  id: VcsId;
  tree: VcsId;
  parents: VcsId[];
  author: VcsSignature;
  committer: VcsSignature;
  // Cut at 64 KiB.
  message: string;
  message_bytes?: Base64;
  // Full names of branches and tags that point to it.
  refs: string[];
}

export interface VcsLog {
  commits: VcsCommit[];
  cursor: NextCursor;
  engine: VcsAnsweredBy;
}

export interface VcsShown {
  commit: VcsCommit;
  files: VcsFile[];
  total: number;
  cursor: NextCursor;
  engine: VcsAnsweredBy;
}

export interface VcsContent {
  content: string;
  encoding: Encoding;
  id: VcsId;
  mode: VcsMode;
  size: Bytes;
  binary: boolean;
  engine: VcsAnsweredBy;
}

export interface VcsBlame {
  runs: Array<{
    line: number;
    lines: number;
    // null where it is not committed.
    commit: string | null;
    original_line: number;
    // As git prints it.
    original_path: string;
    original_path_bytes?: Base64;
    author: VcsSignature;
    summary: string;
    summary_bytes?: Base64;
    content?: string;
    content_bytes?: Base64;
  }>;
  engine: VcsAnsweredBy;
}

export interface VcsRefs {
  refs: Array<{
    // Full: refs/heads/main.
    name: string;
    name_bytes?: Base64;
    // A commit, or an annotated tag.
    id: string | null;
    // The commit behind it.
    commit: string | null;
    // Of a symbolic one.
    target?: string;
    target_bytes?: Base64;
    // Of a branch: HEAD names it.
    head?: boolean;
    upstream?: string | null;
    ahead?: number;
    behind?: number;
    time: number;
    subject: string;
    subject_bytes?: Base64;
  }>;
  engine: VcsAnsweredBy;
}

export interface VcsSide {
  path: Path;
  path_bytes?: Base64;
  id: VcsId;
  mode: VcsMode;
}

export interface VcsConflicts {
  conflicts: Array<{
    base: VcsSide | null;
    ours: VcsSide | null;
    theirs: VcsSide | null;
  }>;
  engine: VcsAnsweredBy;
}

export interface VcsStashes {
  stashes: Array<{
    id: VcsId;
    message: string;
    message_bytes?: Base64;
    time: number;
  }>;
  engine: VcsAnsweredBy;
}

export interface VcsWorktrees {
  worktrees: Array<{
    // Absolute.
    path: string;
    path_bytes?: Base64;
    head: string | null;
    // Full name.
    branch: string | null;
    locked: boolean;
    // Its folder is not there.
    missing: boolean;
  }>;
  engine: VcsAnsweredBy;
}

export interface VcsChanged {
  // false: it stopped at conflicts, and goes on with vcs.sequence.
  completed: boolean;
  conflicts: Array<{
    path: Path;
    path_bytes?: Base64;
  }>;
  // The last commit.
  head: VcsCommit | null;
  // Git's words.
  output: string;
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
  // What its workspaces are at.
  'workspaces.list': {
    fields: { segment: SegmentName };
    result: Workspaces;
    event: never;
  };
  // Makes one: a branch of its own in a worktree of its own.
  'workspaces.create': {
    fields: { segment: SegmentName; name?: WorkspaceName; from?: string; branch?: string };
    result: Workspace;
    event: never;
  };
  // Removes one, its folder and, where it is merged, its branch.
  'workspaces.destroy': {
    fields: { segment: SegmentName; workspace: WorkspaceName; force?: boolean; delete_branch?: boolean };
    result: WorkspaceDestroyed;
    event: never;
  };
  // Takes in a worktree that git knows at a workspace's place.
  'workspaces.adopt': {
    fields: { segment: SegmentName; workspace: WorkspaceName };
    result: Workspace;
    event: never;
  };
  // What it has that its base has not.
  'workspaces.diff': {
    fields: { segment: SegmentName; workspace: WorkspaceName };
    result: WorkspaceDiff;
    event: never;
  };
  // Merges its branch into the one that it was made from.
  'workspaces.merge': {
    fields: { segment: SegmentName; into?: string; message?: string; fast_forward?: boolean; uncommitted?: boolean; keep_conflicts?: boolean; workspace: WorkspaceName };
    result: WorkspaceMerged;
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
  // The working copys commit and what it changes.
  'jj.status': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean };
    result: JjStatus;
    event: never;
  };
  // One commit and what it changes.
  'jj.show': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean; revision: JjRevset };
    result: JjStatus;
    event: never;
  };
  // What a revision changes, or what differs between two.
  'jj.diff': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean; revision?: JjRevset; from?: JjRevset; to?: JjRevset; files?: JjFiles; format?: 'summary' | 'stat' | 'git'; context?: number };
    result: JjDiff;
    event: never;
  };
  // Commits, the newest first.
  'jj.log': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean; revset?: JjRevset; files?: JjFiles; cursor?: Cursor; limit?: Limit };
    result: JjLog;
    event: never;
  };
  // Bookmarks, those of remotes as well.
  'jj.bookmarks': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean };
    result: JjBookmarks;
    event: never;
  };
  // The operation log, the newest first.
  'jj.operations': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean; cursor?: Cursor; limit?: Limit };
    result: JjOperations;
    event: never;
  };
  // Workspaces of the repository.
  'jj.workspaces': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; snapshot?: boolean };
    result: JjWorkspaces;
    event: never;
  };
  // Describes revisions.
  'jj.describe': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; revision?: JjRevset; message: JjMessage };
    result: JjChanged;
    event: never;
  };
  // Makes a new, empty change.
  'jj.new': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; parents?: JjRevset[]; message?: JjMessage; edit?: boolean; insert_after?: JjRevset[]; insert_before?: JjRevset[] };
    result: JjChanged;
    event: never;
  };
  // Moves changes into another revision.
  'jj.squash': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; from?: JjRevset[]; into?: JjRevset; files?: JjFiles; message?: JjMessage; use_destination_message?: boolean; keep_emptied?: boolean };
    result: JjChanged;
    event: never;
  };
  // Makes a bookmark that is not there.
  'jj.bookmark.create': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; name: JjName; revision?: JjRevset };
    result: JjChanged;
    event: never;
  };
  // Makes a bookmark or moves it.
  'jj.bookmark.set': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; name: JjName; revision?: JjRevset; allow_backwards?: boolean };
    result: JjChanged;
    event: never;
  };
  // Moves a bookmark that is there.
  'jj.bookmark.move': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; name: JjName; from?: JjRevset; to?: JjRevset; allow_backwards?: boolean };
    result: JjChanged;
    event: never;
  };
  // Deletes a bookmark.
  'jj.bookmark.delete': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; name: JjName };
    result: JjChanged;
    event: never;
  };
  // Undoes the last operation; again: the one before.
  'jj.undo': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor };
    result: JjChanged;
    event: never;
  };
  // Takes an undo back.
  'jj.redo': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor };
    result: JjChanged;
    event: never;
  };
  // Makes the repository what it was at an operation.
  'jj.operation.restore': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; operation: string };
    result: JjChanged;
    event: never;
  };
  // Makes a workspace in a new or empty folder.
  'jj.workspace.add': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; name?: JjName; revisions?: JjRevset[]; message?: JjMessage } & OneOf<{ folder: Path; folder_bytes: Base64 }>;
    result: JjChanged;
    event: never;
  };
  // Forgets a workspace; its folder stays.
  'jj.workspace.forget': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor; name: JjName };
    result: JjChanged;
    event: never;
  };
  // Brings a stale working copy up to date.
  'jj.workspace.update_stale': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; author?: JjAuthor };
    result: JjChanged;
    event: never;
  };
  // What git status tells.
  'vcs.status': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; untracked?: 'none' | 'folders' | 'all'; ignored?: boolean; fresh?: boolean; cursor?: Cursor; limit?: number; engine?: VcsEngine };
    result: VcsStatus;
    event: never;
  };
  // The differences of two sides, a page of files.
  'vcs.diff': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; from?: string; to?: string; commit?: string; staged?: boolean; unstaged?: boolean; merge_base?: boolean; files?: string[]; file?: Path; file_bytes?: Base64; context?: number; patch?: boolean; max_file_bytes?: number; cursor?: Cursor; limit?: number; engine?: VcsEngine };
    result: VcsDiff;
    event: never;
  };
  // Commits, newest first.
  'vcs.log': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revisions?: string[]; all?: boolean; first_parent?: boolean; file?: Path; file_bytes?: Base64; cursor?: Cursor; limit?: number; engine?: VcsEngine };
    result: VcsLog;
    event: never;
  };
  // A commit and what it changed.
  'vcs.show': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision?: string; files?: string[]; file?: Path; file_bytes?: Base64; context?: number; patch?: boolean; max_file_bytes?: number; cursor?: Cursor; limit?: number; engine?: VcsEngine };
    result: VcsShown;
    event: never;
  };
  // A file as a revision or the index has it.
  'vcs.content': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision?: string; stage?: number; encoding?: Encoding; engine?: VcsEngine } & OneOf<{ file: Path; file_bytes: Base64 }>;
    result: VcsContent;
    event: never;
  };
  // Which commit brought each line.
  'vcs.blame': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision?: string; from_line?: number; lines?: number; content?: boolean } & OneOf<{ file: Path; file_bytes: Base64 }>;
    result: VcsBlame;
    event: never;
  };
  // Branches and tags.
  'vcs.refs': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; counts?: boolean; engine?: VcsEngine };
    result: VcsRefs;
    event: never;
  };
  // The three sides of each file in conflict.
  'vcs.conflicts': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; engine?: VcsEngine };
    result: VcsConflicts;
    event: never;
  };
  // What was stashed.
  'vcs.stashes': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; engine?: VcsEngine };
    result: VcsStashes;
    event: never;
  };
  // The work trees of the repository.
  'vcs.worktrees': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; engine?: VcsEngine };
    result: VcsWorktrees;
    event: never;
  };
  // Into the index: files, hunks or all.
  'vcs.stage': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; files?: string[]; file?: Path; file_bytes?: Base64; patch?: string; all?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Out of the index: files, hunks or all.
  'vcs.unstage': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; files?: string[]; file?: Path; file_bytes?: Base64; patch?: string; all?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Back to what the index has: files or hunks.
  'vcs.discard': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; files?: string[]; file?: Path; file_bytes?: Base64; patch?: string };
    result: VcsChanged;
    event: never;
  };
  // Commits; hooks run in the cage.
  'vcs.commit': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; message?: string; author?: string; amend?: boolean; all?: boolean; allow_empty?: boolean; signoff?: boolean; hooks?: boolean; files?: string[]; file?: Path; file_bytes?: Base64 };
    result: VcsChanged;
    event: never;
  };
  // A new branch.
  'vcs.branch': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; name: string; from?: string; switch?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Another name for a branch.
  'vcs.branch_rename': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; name: string; to: string };
    result: VcsChanged;
    event: never;
  };
  // Removes a branch.
  'vcs.branch_delete': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; name: string; force?: boolean };
    result: VcsChanged;
    event: never;
  };
  // To another branch, or to a commit without one.
  'vcs.switch': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; branch?: string; revision?: string; discard?: boolean };
    result: VcsChanged;
    event: never;
  };
  // A new tag; with a message an annotated one.
  'vcs.tag': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; name: string; revision?: string; message?: string; force?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Removes a tag.
  'vcs.tag_delete': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; name: string };
    result: VcsChanged;
    event: never;
  };
  // Puts changes aside.
  'vcs.stash': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; message?: string; untracked?: boolean; keep_index?: boolean; staged?: boolean; files?: string[]; file?: Path; file_bytes?: Base64 };
    result: VcsChanged;
    event: never;
  };
  // Brings them back, and keeps them.
  'vcs.stash_apply': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; stash: string; index?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Brings them back.
  'vcs.stash_pop': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; stash: string; index?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Forgets them.
  'vcs.stash_drop': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; stash: string };
    result: VcsChanged;
    event: never;
  };
  // Merges a revision.
  'vcs.merge': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision: string; message?: string; fast_forward?: boolean; only_fast_forward?: boolean; squash?: boolean; commit?: boolean };
    result: VcsChanged;
    event: never;
  };
  // Puts the branch on top of another.
  'vcs.rebase': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; onto: string };
    result: VcsChanged;
    event: never;
  };
  // Commits again what another commit changed.
  'vcs.cherry_pick': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision: string };
    result: VcsChanged;
    event: never;
  };
  // Commits the reverse of a commit.
  'vcs.revert': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision: string };
    result: VcsChanged;
    event: never;
  };
  // Moves the branch.
  'vcs.reset': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; revision?: string; mode?: 'soft' | 'mixed' | 'keep' | 'hard' };
    result: VcsChanged;
    event: never;
  };
  // Goes on with a merge, rebase, pick or revert, or gives it up.
  'vcs.sequence': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; step: 'continue' | 'abort' | 'skip' };
    result: VcsChanged;
    event: never;
  };
  // Fetches, as a process.
  'vcs.fetch': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; remote?: string; refspec?: string; prune?: boolean; tags?: boolean; all?: boolean };
    result: Process;
    event: never;
  };
  // Pushes, as a process.
  'vcs.push': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; remote?: string; refspec?: string; force_with_lease?: boolean; tags?: boolean; set_upstream?: boolean };
    result: Process;
    event: never;
  };
  // Pulls, as a process.
  'vcs.pull': {
    fields: { segment: SegmentName; path?: Path; path_bytes?: Base64; remote?: string; refspec?: string; rebase?: boolean; only_fast_forward?: boolean };
    result: Process;
    event: never;
  };
  // Clones into a new folder, as a process.
  'vcs.clone': {
    fields: { segment: SegmentName; url: string; folder: string; branch?: string; depth?: number };
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
  'workspaces.list': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/workspaces',
    query: [], body: 'none', paths: [], answer: 'Workspaces',
  },
  'workspaces.create': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/workspaces',
    query: [], body: 'json', paths: [], answer: 'Workspace',
  },
  'workspaces.destroy': {
    need: 'operator', socket: true, method: 'DELETE', path: '/v2/segments/{segment}/workspaces/{workspace}',
    query: ['force', 'delete_branch'], body: 'none', paths: [], answer: 'WorkspaceDestroyed',
  },
  'workspaces.adopt': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/workspaces/{workspace}/adopt',
    query: [], body: 'json', paths: [], answer: 'Workspace',
  },
  'workspaces.diff': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/workspaces/{workspace}/diff',
    query: [], body: 'none', paths: [], answer: 'WorkspaceDiff',
  },
  'workspaces.merge': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/workspaces/{workspace}/merge',
    query: [], body: 'json', paths: [], answer: 'WorkspaceMerged',
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
  'jj.status': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/status',
    query: ['path', 'snapshot'], body: 'none', paths: ['path'], answer: 'JjStatus',
  },
  'jj.show': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/show',
    query: ['path', 'snapshot', 'revision'], body: 'none', paths: ['path'], answer: 'JjStatus',
  },
  'jj.diff': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/diff',
    query: ['path', 'snapshot', 'revision', 'from', 'to', 'files', 'format', 'context'], body: 'none', paths: ['path'], answer: 'JjDiff',
  },
  'jj.log': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/log',
    query: ['path', 'snapshot', 'revset', 'files', 'cursor', 'limit'], body: 'none', paths: ['path'], answer: 'JjLog',
  },
  'jj.bookmarks': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/bookmarks',
    query: ['path', 'snapshot'], body: 'none', paths: ['path'], answer: 'JjBookmarks',
  },
  'jj.operations': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/operations',
    query: ['path', 'snapshot', 'cursor', 'limit'], body: 'none', paths: ['path'], answer: 'JjOperations',
  },
  'jj.workspaces': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/jj/workspaces',
    query: ['path', 'snapshot'], body: 'none', paths: ['path'], answer: 'JjWorkspaces',
  },
  'jj.describe': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/describe',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.new': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/new',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.squash': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/squash',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.bookmark.create': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/bookmarks/create',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.bookmark.set': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/bookmarks/set',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.bookmark.move': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/bookmarks/move',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.bookmark.delete': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/bookmarks/delete',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.undo': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/undo',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.redo': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/redo',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.operation.restore': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/operations/restore',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.workspace.add': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/workspaces/add',
    query: [], body: 'json', paths: ['path', 'folder'], answer: 'JjChanged',
  },
  'jj.workspace.forget': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/workspaces/forget',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'jj.workspace.update_stale': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/jj/workspaces/update-stale',
    query: [], body: 'json', paths: ['path'], answer: 'JjChanged',
  },
  'vcs.status': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/status',
    query: ['path', 'untracked', 'ignored', 'fresh', 'cursor', 'limit', 'engine'], body: 'none', paths: ['path'], answer: 'VcsStatus',
  },
  'vcs.diff': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/diff',
    query: ['path', 'from', 'to', 'commit', 'staged', 'unstaged', 'merge_base', 'files', 'file', 'context', 'patch', 'max_file_bytes', 'cursor', 'limit', 'engine'], body: 'none', paths: ['path', 'file'], answer: 'VcsDiff',
  },
  'vcs.log': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/log',
    query: ['path', 'revisions', 'all', 'first_parent', 'file', 'cursor', 'limit', 'engine'], body: 'none', paths: ['path', 'file'], answer: 'VcsLog',
  },
  'vcs.show': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/show',
    query: ['path', 'revision', 'files', 'file', 'context', 'patch', 'max_file_bytes', 'cursor', 'limit', 'engine'], body: 'none', paths: ['path', 'file'], answer: 'VcsShown',
  },
  'vcs.content': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/content',
    query: ['path', 'file', 'revision', 'stage', 'encoding', 'engine'], body: 'none', paths: ['path', 'file'], answer: 'VcsContent',
  },
  'vcs.blame': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/blame',
    query: ['path', 'file', 'revision', 'from_line', 'lines', 'content'], body: 'none', paths: ['path', 'file'], answer: 'VcsBlame',
  },
  'vcs.refs': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/refs',
    query: ['path', 'counts', 'engine'], body: 'none', paths: ['path'], answer: 'VcsRefs',
  },
  'vcs.conflicts': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/conflicts',
    query: ['path', 'engine'], body: 'none', paths: ['path'], answer: 'VcsConflicts',
  },
  'vcs.stashes': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/stashes',
    query: ['path', 'engine'], body: 'none', paths: ['path'], answer: 'VcsStashes',
  },
  'vcs.worktrees': {
    need: 'viewer', socket: true, method: 'GET', path: '/v2/segments/{segment}/vcs/worktrees',
    query: ['path', 'engine'], body: 'none', paths: ['path'], answer: 'VcsWorktrees',
  },
  'vcs.stage': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/stage',
    query: [], body: 'json', paths: ['path', 'file'], answer: 'VcsChanged',
  },
  'vcs.unstage': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/unstage',
    query: [], body: 'json', paths: ['path', 'file'], answer: 'VcsChanged',
  },
  'vcs.discard': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/discard',
    query: [], body: 'json', paths: ['path', 'file'], answer: 'VcsChanged',
  },
  'vcs.commit': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/commit',
    query: [], body: 'json', paths: ['path', 'file'], answer: 'VcsChanged',
  },
  'vcs.branch': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/branch',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.branch_rename': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/branch/rename',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.branch_delete': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/branch/delete',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.switch': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/switch',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.tag': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/tag',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.tag_delete': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/tag/delete',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.stash': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/stash',
    query: [], body: 'json', paths: ['path', 'file'], answer: 'VcsChanged',
  },
  'vcs.stash_apply': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/stash/apply',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.stash_pop': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/stash/pop',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.stash_drop': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/stash/drop',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.merge': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/merge',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.rebase': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/rebase',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.cherry_pick': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/cherry_pick',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.revert': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/revert',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.reset': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/reset',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.sequence': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/sequence',
    query: [], body: 'json', paths: ['path'], answer: 'VcsChanged',
  },
  'vcs.fetch': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/fetch',
    query: [], body: 'json', paths: ['path'], answer: 'Process',
  },
  'vcs.push': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/push',
    query: [], body: 'json', paths: ['path'], answer: 'Process',
  },
  'vcs.pull': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/pull',
    query: [], body: 'json', paths: ['path'], answer: 'Process',
  },
  'vcs.clone': {
    need: 'operator', socket: true, method: 'POST', path: '/v2/segments/{segment}/vcs/clone',
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
export type HttpName = 'segments.list' | 'segments.create' | 'workspaces.list' | 'workspaces.create' | 'workspaces.destroy' | 'workspaces.adopt' | 'workspaces.diff' | 'workspaces.merge' | 'files.stat' | 'files.read' | 'files.write' | 'files.edit' | 'files.append' | 'files.list' | 'files.find' | 'files.search' | 'files.mkdir' | 'files.symlink' | 'files.move' | 'files.copy' | 'files.delete' | 'uploads.create' | 'uploads.get' | 'uploads.abort' | 'uploads.finish' | 'processes.start' | 'processes.list' | 'processes.get' | 'processes.remove' | 'processes.output' | 'processes.wait' | 'processes.input' | 'processes.resize' | 'processes.signal' | 'processes.kill' | 'jj.status' | 'jj.show' | 'jj.diff' | 'jj.log' | 'jj.bookmarks' | 'jj.operations' | 'jj.workspaces' | 'jj.describe' | 'jj.new' | 'jj.squash' | 'jj.bookmark.create' | 'jj.bookmark.set' | 'jj.bookmark.move' | 'jj.bookmark.delete' | 'jj.undo' | 'jj.redo' | 'jj.operation.restore' | 'jj.workspace.add' | 'jj.workspace.forget' | 'jj.workspace.update_stale' | 'vcs.status' | 'vcs.diff' | 'vcs.log' | 'vcs.show' | 'vcs.content' | 'vcs.blame' | 'vcs.refs' | 'vcs.conflicts' | 'vcs.stashes' | 'vcs.worktrees' | 'vcs.stage' | 'vcs.unstage' | 'vcs.discard' | 'vcs.commit' | 'vcs.branch' | 'vcs.branch_rename' | 'vcs.branch_delete' | 'vcs.switch' | 'vcs.tag' | 'vcs.tag_delete' | 'vcs.stash' | 'vcs.stash_apply' | 'vcs.stash_pop' | 'vcs.stash_drop' | 'vcs.merge' | 'vcs.rebase' | 'vcs.cherry_pick' | 'vcs.revert' | 'vcs.reset' | 'vcs.sequence' | 'vcs.fetch' | 'vcs.push' | 'vcs.pull' | 'vcs.clone' | 'checkpoints.create' | 'checkpoints.list' | 'checkpoints.compare' | 'checkpoints.read' | 'checkpoints.diff' | 'checkpoints.restore' | 'checkpoints.delete';

// Called over the WebSocket, and answered once.
export type SocketName = 'segments.list' | 'segments.create' | 'workspaces.list' | 'workspaces.create' | 'workspaces.destroy' | 'workspaces.adopt' | 'workspaces.diff' | 'workspaces.merge' | 'files.stat' | 'files.read' | 'files.write' | 'files.edit' | 'files.append' | 'files.list' | 'files.find' | 'files.search' | 'files.mkdir' | 'files.symlink' | 'files.move' | 'files.copy' | 'files.delete' | 'processes.start' | 'processes.list' | 'processes.get' | 'processes.remove' | 'processes.output' | 'processes.wait' | 'processes.input' | 'processes.resize' | 'processes.signal' | 'processes.kill' | 'jj.status' | 'jj.show' | 'jj.diff' | 'jj.log' | 'jj.bookmarks' | 'jj.operations' | 'jj.workspaces' | 'jj.describe' | 'jj.new' | 'jj.squash' | 'jj.bookmark.create' | 'jj.bookmark.set' | 'jj.bookmark.move' | 'jj.bookmark.delete' | 'jj.undo' | 'jj.redo' | 'jj.operation.restore' | 'jj.workspace.add' | 'jj.workspace.forget' | 'jj.workspace.update_stale' | 'vcs.status' | 'vcs.diff' | 'vcs.log' | 'vcs.show' | 'vcs.content' | 'vcs.blame' | 'vcs.refs' | 'vcs.conflicts' | 'vcs.stashes' | 'vcs.worktrees' | 'vcs.stage' | 'vcs.unstage' | 'vcs.discard' | 'vcs.commit' | 'vcs.branch' | 'vcs.branch_rename' | 'vcs.branch_delete' | 'vcs.switch' | 'vcs.tag' | 'vcs.tag_delete' | 'vcs.stash' | 'vcs.stash_apply' | 'vcs.stash_pop' | 'vcs.stash_drop' | 'vcs.merge' | 'vcs.rebase' | 'vcs.cherry_pick' | 'vcs.revert' | 'vcs.reset' | 'vcs.sequence' | 'vcs.fetch' | 'vcs.push' | 'vcs.pull' | 'vcs.clone' | 'checkpoints.create' | 'checkpoints.list' | 'checkpoints.compare' | 'checkpoints.read' | 'checkpoints.diff' | 'checkpoints.restore' | 'checkpoints.delete';

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
  WorkspaceName: WorkspaceName;
  Workspace: Workspace;
  Workspaces: Workspaces;
  WorkspaceDestroyed: WorkspaceDestroyed;
  WorkspaceDiff: WorkspaceDiff;
  WorkspaceMerged: WorkspaceMerged;
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
  JjId: JjId;
  JjSignature: JjSignature;
  JjParent: JjParent;
  JjCommit: JjCommit;
  JjChange: JjChange;
  JjStatus: JjStatus;
  JjDiff: JjDiff;
  JjLog: JjLog;
  JjBookmark: JjBookmark;
  JjBookmarks: JjBookmarks;
  JjOperation: JjOperation;
  JjOperations: JjOperations;
  JjWorkspace: JjWorkspace;
  JjWorkspaces: JjWorkspaces;
  JjChanged: JjChanged;
  Session: Session;
  Health: Health;
  Paired: Paired;
  VcsAnsweredBy: VcsAnsweredBy;
  VcsId: VcsId;
  VcsMode: VcsMode;
  VcsSignature: VcsSignature;
  VcsChange: VcsChange;
  VcsState: VcsState;
  VcsStatus: VcsStatus;
  VcsFile: VcsFile;
  VcsDiff: VcsDiff;
  VcsCommit: VcsCommit;
  VcsLog: VcsLog;
  VcsShown: VcsShown;
  VcsContent: VcsContent;
  VcsBlame: VcsBlame;
  VcsRefs: VcsRefs;
  VcsSide: VcsSide;
  VcsConflicts: VcsConflicts;
  VcsStashes: VcsStashes;
  VcsWorktrees: VcsWorktrees;
  VcsChanged: VcsChanged;
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
  WorkspaceName: {"type":"string"},
  Workspace: {"type":"object","required":["name","segment","path","state","branch","base","processes","ancillaries","created_ns"],"properties":{"name":{"$ref":"WorkspaceName"},"segment":{"$ref":"SegmentName"},"path":{"type":"string"},"state":{"type":"string","enum":["ready","making","degraded"]},"reason":{"type":"string"},"branch":{"type":["string","null"]},"head":{"type":["string","null"]},"base":{"type":"object","required":["branch","commit"],"properties":{"branch":{"type":["string","null"]},"commit":{"type":["string","null"]}}},"ahead":{"type":"integer"},"behind":{"type":"integer"},"changes":{"type":"object","required":["staged","modified","untracked","conflicted"],"properties":{"staged":{"type":"integer"},"modified":{"type":"integer"},"untracked":{"type":"integer"},"conflicted":{"type":"integer"}}},"processes":{"type":"integer"},"ancillaries":{"type":"array","items":{"type":"string"}},"created_ns":{"$ref":"Nanoseconds"}}},
  Workspaces: {"type":"object","required":["workspaces","adoptable"],"properties":{"workspaces":{"type":"array","items":{"$ref":"Workspace"}},"adoptable":{"type":"array","items":{"type":"string"}}}},
  WorkspaceDestroyed: {"type":"object","required":["destroyed","branch_deleted"],"properties":{"destroyed":{"$ref":"WorkspaceName"},"branch_deleted":{"type":"boolean"}}},
  WorkspaceDiff: {"type":"object","required":["base","committed","uncommitted","untracked"],"properties":{"base":{"type":"string"},"committed":{"type":"string"},"uncommitted":{"type":"string"},"untracked":{"type":"array","items":{"type":"string"}}}},
  WorkspaceMerged: {"type":"object","required":["merged","into","place","conflicts"],"properties":{"merged":{"type":"boolean"},"into":{"type":"string"},"commit":{"type":"string"},"place":{"type":["string","null"]},"up_to_date":{"type":"boolean"},"conflicts":{"type":"array","items":{"type":"string"}}}},
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
  JjId: {"type":"string"},
  JjSignature: {"type":"object","required":["name","email","timestamp"],"properties":{"name":{"type":"string"},"email":{"type":"string"},"timestamp":{"type":"string"}}},
  JjParent: {"type":"object","required":["commit_id","change_id","parents","description","author","committer"],"properties":{"commit_id":{"$ref":"JjId"},"change_id":{"$ref":"JjId"},"parents":{"type":"array","items":{"$ref":"JjId"}},"description":{"type":"string"},"author":{"$ref":"JjSignature"},"committer":{"$ref":"JjSignature"}}},
  JjCommit: {"type":"object","required":["commit_id","change_id","parents","description","author","committer","bookmarks","remote_bookmarks","tags","workspaces","working_copy","conflict","empty","divergent","hidden","immutable","root"],"properties":{"commit_id":{"$ref":"JjId"},"change_id":{"$ref":"JjId"},"parents":{"type":"array","items":{"$ref":"JjId"}},"description":{"type":"string"},"author":{"$ref":"JjSignature"},"committer":{"$ref":"JjSignature"},"bookmarks":{"type":"array","items":{"type":"string"}},"remote_bookmarks":{"type":"array","items":{"type":"object","required":["name","remote"],"properties":{"name":{"type":"string"},"remote":{"type":"string"}}}},"tags":{"type":"array","items":{"type":"string"}},"workspaces":{"type":"array","items":{"type":"string"}},"working_copy":{"type":"boolean"},"conflict":{"type":"boolean"},"empty":{"type":"boolean"},"divergent":{"type":"boolean"},"hidden":{"type":"boolean"},"immutable":{"type":"boolean"},"root":{"type":"boolean"}}},
  JjChange: {"type":"object","required":["path","status"],"properties":{"path":{"type":"string"},"status":{"type":"string","enum":["modified","added","removed","copied","renamed"]},"from":{"type":"string"},"type":{"type":"string"},"executable":{"type":"boolean"},"conflict":{"type":"boolean"},"added":{"type":"integer"},"removed":{"type":"integer"},"binary":{"type":"boolean"}}},
  JjStatus: {"type":"object","required":["commit","parents","changes","conflicts"],"properties":{"commit":{"$ref":"JjCommit"},"parents":{"type":"array","items":{"$ref":"JjParent"}},"changes":{"type":"array","items":{"$ref":"JjChange"}},"conflicts":{"type":"array","items":{"type":"object","required":["path","sides"],"properties":{"path":{"type":"string"},"sides":{"type":"integer"}}}}}},
  JjDiff: {"type":"object","required":["changes","truncated"],"properties":{"changes":{"type":"array","items":{"$ref":"JjChange"}},"truncated":{"type":"boolean"},"content":{"type":"string"},"encoding":{"$ref":"Encoding"},"added":{"type":"integer"},"removed":{"type":"integer"}}},
  JjLog: {"type":"object","required":["commits","cursor"],"properties":{"commits":{"type":"array","items":{"$ref":"JjCommit"}},"cursor":{"$ref":"NextCursor"}}},
  JjBookmark: {"type":"object","required":["name","targets","conflict","synced"],"properties":{"name":{"type":"string"},"remote":{"type":"string"},"targets":{"type":"array","items":{"$ref":"JjId"}},"removed_targets":{"type":"array","items":{"$ref":"JjId"}},"conflict":{"type":"boolean"},"tracked":{"type":"boolean"},"synced":{"type":"boolean"}}},
  JjBookmarks: {"type":"object","required":["bookmarks","truncated"],"properties":{"bookmarks":{"type":"array","items":{"$ref":"JjBookmark"}},"truncated":{"type":"boolean"}}},
  JjOperation: {"type":"object","required":["operation","parents","description","user","started","ended","snapshot","current"],"properties":{"operation":{"$ref":"JjId"},"parents":{"type":"array","items":{"$ref":"JjId"}},"description":{"type":"string"},"user":{"type":"string"},"started":{"type":"string"},"ended":{"type":"string"},"snapshot":{"type":"boolean"},"current":{"type":"boolean"}}},
  JjOperations: {"type":"object","required":["operations","cursor"],"properties":{"operations":{"type":"array","items":{"$ref":"JjOperation"}},"cursor":{"$ref":"NextCursor"}}},
  JjWorkspace: {"type":"object","required":["name","commit_id","change_id","description","current"],"properties":{"name":{"type":"string"},"commit_id":{"$ref":"JjId"},"change_id":{"$ref":"JjId"},"description":{"type":"string"},"current":{"type":"boolean"}}},
  JjWorkspaces: {"type":"object","required":["workspaces","truncated"],"properties":{"workspaces":{"type":"array","items":{"$ref":"JjWorkspace"}},"truncated":{"type":"boolean"}}},
  JjChanged: {"type":"object","required":["working_copy","messages"],"properties":{"working_copy":{"oneOf":[{"$ref":"JjCommit"},{"type":"null"}]},"messages":{"type":"string"}}},
  Session: {"type":"object","required":["session_id"],"properties":{"session_id":{"type":"string"}}},
  Health: {"type":"object","required":["status","version"],"properties":{"status":{"const":"ok"},"version":{"type":"string"},"degraded":{"type":"array","items":{"type":"string"}}}},
  Paired: {"type":"object","required":["session_token","session_id"],"properties":{"session_token":{"type":"string"},"session_id":{"type":"string"}}},
  VcsAnsweredBy: {"type":"string","enum":["libgit2","git"]},
  VcsId: {"type":"string"},
  VcsMode: {"type":"string"},
  VcsSignature: {"type":"object","required":["name","email","time","offset"],"properties":{"name":{"type":"string"},"name_bytes":{"$ref":"Base64"},"email":{"type":"string"},"email_bytes":{"$ref":"Base64"},"time":{"type":"integer"},"offset":{"type":"integer"}}},
  VcsChange: {"type":"object","required":["path","index","work_tree"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"old_path":{"$ref":"Path"},"old_path_bytes":{"$ref":"Base64"},"index":{"$ref":"VcsState"},"work_tree":{"$ref":"VcsState"},"conflict":{"type":"string","enum":["both_deleted","added_by_us","deleted_by_them","added_by_them","deleted_by_us","both_added","both_modified"]},"submodule":{"type":"boolean"}}},
  VcsState: {"type":["string","null"],"enum":["modified","added","deleted","renamed","copied","type_changed","untracked","ignored",null]},
  VcsStatus: {"type":"object","required":["kind","folder","head","branch","upstream","ahead","behind","activity","stashes","changes","total","cursor","engine"],"properties":{"kind":{"type":"string","enum":["none","git","jj"]},"folder":{"$ref":"Path"},"folder_bytes":{"$ref":"Base64"},"head":{"type":["string","null"]},"branch":{"type":["string","null"]},"upstream":{"type":["string","null"]},"ahead":{"type":"integer"},"behind":{"type":"integer"},"activity":{"type":["object","null"],"required":["kind","branch","commit","step","steps"],"properties":{"kind":{"type":"string","enum":["merge","revert","cherry_pick","bisect","rebase","apply_mailbox"]},"branch":{"type":["string","null"]},"commit":{"type":["string","null"]},"step":{"type":"integer"},"steps":{"type":"integer"}}},"stashes":{"type":"integer"},"changes":{"type":"array","items":{"$ref":"VcsChange"}},"total":{"type":"integer"},"cursor":{"$ref":"NextCursor"},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsFile: {"type":"object","required":["path","state","old_mode","new_mode","old_id","new_id","binary","additions","deletions"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"old_path":{"$ref":"Path"},"old_path_bytes":{"$ref":"Base64"},"state":{"$ref":"VcsState"},"old_mode":{"type":["string","null"]},"new_mode":{"type":["string","null"]},"old_id":{"type":["string","null"]},"new_id":{"type":["string","null"]},"binary":{"type":"boolean"},"additions":{"type":"integer"},"deletions":{"type":"integer"},"unreadable":{"type":"boolean"},"cut":{"type":"boolean"},"patch":{"type":"string"},"patch_bytes":{"$ref":"Base64"}}},
  VcsDiff: {"type":"object","required":["files","total","cursor","from","to","engine"],"properties":{"files":{"type":"array","items":{"$ref":"VcsFile"}},"total":{"type":"integer"},"cursor":{"$ref":"NextCursor"},"from":{"type":["string","null"]},"to":{"type":["string","null"]},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsCommit: {"type":"object","required":["id","tree","parents","author","committer","message","refs"],"properties":{"id":{"$ref":"VcsId"},"tree":{"$ref":"VcsId"},"parents":{"type":"array","items":{"$ref":"VcsId"}},"author":{"$ref":"VcsSignature"},"committer":{"$ref":"VcsSignature"},"message":{"type":"string"},"message_bytes":{"$ref":"Base64"},"refs":{"type":"array","items":{"type":"string"}}}},
  VcsLog: {"type":"object","required":["commits","cursor","engine"],"properties":{"commits":{"type":"array","items":{"$ref":"VcsCommit"}},"cursor":{"$ref":"NextCursor"},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsShown: {"type":"object","required":["commit","files","total","cursor","engine"],"properties":{"commit":{"$ref":"VcsCommit"},"files":{"type":"array","items":{"$ref":"VcsFile"}},"total":{"type":"integer"},"cursor":{"$ref":"NextCursor"},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsContent: {"type":"object","required":["content","encoding","id","mode","size","binary","engine"],"properties":{"content":{"type":"string"},"encoding":{"$ref":"Encoding"},"id":{"$ref":"VcsId"},"mode":{"$ref":"VcsMode"},"size":{"$ref":"Bytes"},"binary":{"type":"boolean"},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsBlame: {"type":"object","required":["runs","engine"],"properties":{"runs":{"type":"array","items":{"type":"object","required":["line","lines","commit","original_line","original_path","author","summary"],"properties":{"line":{"type":"integer"},"lines":{"type":"integer"},"commit":{"type":["string","null"]},"original_line":{"type":"integer"},"original_path":{"type":"string"},"original_path_bytes":{"$ref":"Base64"},"author":{"$ref":"VcsSignature"},"summary":{"type":"string"},"summary_bytes":{"$ref":"Base64"},"content":{"type":"string"},"content_bytes":{"$ref":"Base64"}}}},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsRefs: {"type":"object","required":["refs","engine"],"properties":{"refs":{"type":"array","items":{"type":"object","required":["name","id","commit","time","subject"],"properties":{"name":{"type":"string"},"name_bytes":{"$ref":"Base64"},"id":{"type":["string","null"]},"commit":{"type":["string","null"]},"target":{"type":"string"},"target_bytes":{"$ref":"Base64"},"head":{"type":"boolean"},"upstream":{"type":["string","null"]},"ahead":{"type":"integer"},"behind":{"type":"integer"},"time":{"type":"integer"},"subject":{"type":"string"},"subject_bytes":{"$ref":"Base64"}}}},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsSide: {"type":"object","required":["path","id","mode"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"},"id":{"$ref":"VcsId"},"mode":{"$ref":"VcsMode"}}},
  VcsConflicts: {"type":"object","required":["conflicts","engine"],"properties":{"conflicts":{"type":"array","items":{"type":"object","required":["base","ours","theirs"],"properties":{"base":{"oneOf":[{"$ref":"VcsSide"},{"type":"null"}]},"ours":{"oneOf":[{"$ref":"VcsSide"},{"type":"null"}]},"theirs":{"oneOf":[{"$ref":"VcsSide"},{"type":"null"}]}}}},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsStashes: {"type":"object","required":["stashes","engine"],"properties":{"stashes":{"type":"array","items":{"type":"object","required":["id","message","time"],"properties":{"id":{"$ref":"VcsId"},"message":{"type":"string"},"message_bytes":{"$ref":"Base64"},"time":{"type":"integer"}}}},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsWorktrees: {"type":"object","required":["worktrees","engine"],"properties":{"worktrees":{"type":"array","items":{"type":"object","required":["path","head","branch","locked","missing"],"properties":{"path":{"type":"string"},"path_bytes":{"$ref":"Base64"},"head":{"type":["string","null"]},"branch":{"type":["string","null"]},"locked":{"type":"boolean"},"missing":{"type":"boolean"}}}},"engine":{"$ref":"VcsAnsweredBy"}}},
  VcsChanged: {"type":"object","required":["completed","conflicts","head","output"],"properties":{"completed":{"type":"boolean"},"conflicts":{"type":"array","items":{"type":"object","required":["path"],"properties":{"path":{"$ref":"Path"},"path_bytes":{"$ref":"Base64"}}}},"head":{"oneOf":[{"$ref":"VcsCommit"},{"type":"null"}]},"output":{"type":"string"}}},
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
