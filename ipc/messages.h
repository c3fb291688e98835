// The messages of protocol.h as structs. fields() names what travels, in order; units and sources are beside each.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "base/limits.h"
#include "ipc/protocol.h"

namespace toren::ipc {

// --- broker and supervisor

struct BrokerHello {
    static constexpr Type kType = Type::kBrokerHello;
    std::uint32_t version = kProtocolVersion;
    auto fields() { return std::tie(version); }
};

struct BrokerWelcome {
    static constexpr Type kType = Type::kBrokerWelcome;
    std::uint32_t version = kProtocolVersion;
    std::string pairing_pin;            // minted once per `toren serve`; the broker keeps its use in the store
    std::uint64_t pairing_expires = 0;  // seconds since the epoch
    std::uint32_t pairing_uses = 1;
    std::uint32_t listening_port = 0;
    bool require_auth = true;
    std::uint64_t session_seconds = 0;  // 0: sessions do not end by age
    std::string workspace_root;         // canonical; empty: there are no workspaces
    std::vector<std::string> allowed_hosts;
    std::vector<std::string> allowed_origins;
    std::vector<std::string> degraded;  // layers that run without the kernel's help, by the operator's word
    std::uint64_t body_bytes = 0, message_bytes = 0, read_bytes = 0, diff_bytes = 0, list_entries = 0;
    std::uint64_t connections = 0, commands_per_segment = 0, commands_per_socket = 0, requests_per_socket = 0;
    std::uint64_t cell_idle_seconds = 0, service_seconds = 0, processes_kept = 0, process_keep_seconds = 0,
                  spool_bytes = 0;
    std::uint64_t checkpoints_kept = 0, checkpoint_bytes = 0, checkpoint_file_bytes = 0, checkpoint_seconds = 0;
    std::string author_name, author_email;  // of commits, where the repository does not say
    std::vector<std::string> live_cells;    // segments whose cells an earlier broker left; they may hold processes
    auto fields() {
        return std::tie(version, pairing_pin, pairing_expires, pairing_uses, listening_port, require_auth,
                        session_seconds, workspace_root, allowed_hosts, allowed_origins, degraded, body_bytes,
                        message_bytes, read_bytes, diff_bytes, list_entries, connections, commands_per_segment,
                        commands_per_socket, requests_per_socket, cell_idle_seconds, service_seconds, processes_kept,
                        process_keep_seconds, spool_bytes, checkpoints_kept, checkpoint_bytes, checkpoint_file_bytes,
                        checkpoint_seconds, author_name, author_email, live_cells);
    }
};

struct ListSegments {
    static constexpr Type kType = Type::kListSegments;
    auto fields() { return std::tie(); }
};

enum class SegmentSource : std::uint8_t { kGlob, kPath, kRoot, kApproved, kLast = kApproved };

struct SegmentEntry {
    std::string name;
    std::string path;  // absolute, canonical
    SegmentSource source = SegmentSource::kPath;
    auto fields() { return std::tie(name, path, source); }
};

struct SegmentList {
    static constexpr Type kType = Type::kSegmentList;
    std::vector<SegmentEntry> segments;
    std::vector<std::string> roots;  // where segments can be created; in the last message
    bool last = true;
    auto fields() { return std::tie(segments, roots, last); }
};

struct CreateSegment {
    static constexpr Type kType = Type::kCreateSegment;
    std::string name;
    std::string root;
    auto fields() { return std::tie(name, root); }
};

struct SegmentCreated {
    static constexpr Type kType = Type::kSegmentCreated;
    std::int32_t code = 0;  // an errno value; 0 is success
    std::string error;
    SegmentEntry segment;
    auto fields() { return std::tie(code, error, segment); }
};

struct OpenCell {
    static constexpr Type kType = Type::kOpenCell;
    std::string segment;  // its configured name, exactly; or SEGMENT@WORKSPACE
    auto fields() { return std::tie(segment); }
};

struct CellOpened {  // carries the channel, or an error and /dev/null in its place
    static constexpr Type kType = Type::kCellOpened;
    std::string segment;
    std::string error;
    std::vector<std::string> profiles;  // names of those that a command may run under, the segment's own first
    auto fields() { return std::tie(segment, error, profiles); }
};

struct ListWorkspaces {
    static constexpr Type kType = Type::kListWorkspaces;
    std::string segment;
    auto fields() { return std::tie(segment); }
};

struct WorkspaceEntry {
    std::string name;
    std::string path;
    bool empty = false;  // nothing is in its folder
    std::string entry;   // what the repository calls it; empty: it does not know it
    bool plain = false;  // it has no configuration of its own
    auto fields() { return std::tie(name, path, empty, entry, plain); }
};

struct WorkspaceList {
    static constexpr Type kType = Type::kWorkspaceList;
    std::int32_t code = 0;  // an errno value; 0 is success
    std::string error;
    std::vector<WorkspaceEntry> workspaces;
    bool last = true;
    auto fields() { return std::tie(code, error, workspaces, last); }
};

struct CreateWorkspace {
    static constexpr Type kType = Type::kCreateWorkspace;
    std::string segment;
    std::string name;
    auto fields() { return std::tie(segment, name); }
};

struct WorkspaceCreated {
    static constexpr Type kType = Type::kWorkspaceCreated;
    std::int32_t code = 0;  // an errno value; 0 is success
    std::string error;
    std::string path;
    auto fields() { return std::tie(code, error, path); }
};

struct RemoveWorkspace {
    static constexpr Type kType = Type::kRemoveWorkspace;
    std::string segment;
    std::string name;
    auto fields() { return std::tie(segment, name); }
};

struct WorkspaceRemoved {  // not in the order of the requests: it may take long
    static constexpr Type kType = Type::kWorkspaceRemoved;
    std::string segment;
    std::string name;
    std::int32_t code = 0;  // an errno value; 0 is success
    std::string error;
    auto fields() { return std::tie(segment, name, code, error); }
};

// --- supervisor and spawner

// What a command gets in its slot: never more than the cell has.
struct SlotProfile {
    std::string name;
    bool writes = true;
    std::vector<std::string> hidden;  // absolute, beyond what the cell hides from everybody
    CommandLimits limits;
    auto fields() { return std::tie(name, writes, hidden, limits); }
};

struct CellSettings {
    static constexpr Type kType = Type::kCellSettings;
    std::string segment;  // its folder, absolute, in the cell
    std::uint64_t ring_bytes = 0;
    bool landlock = true;                  // false: no ruleset was inherited, by the operator's word
    bool cgroup = false;                   // the cell's group was inherited
    std::uint64_t memory_bytes = 0;        // of everything in the cell, where no group holds it; 0: no limit
    std::vector<std::string> hidden;       // absolute: nothing is there, for commands and workers alike
    std::vector<std::string> writable;     // every tree of the host that is writable in the cell
    std::vector<std::string> trees;        // every tree that guards are for (policy/guards.h)
    std::vector<std::string> secrets;      // patterns
    std::vector<std::string> protect;      // names
    bool protect_repositories = true;      // git's and jj's hooks and configuration
    std::string common;                    // of a workspace: its repository's folder, one of the trees
    std::string worktree;                  // and what the repository calls it
    std::vector<std::string> environment;  // "NAME=value", beyond what every command gets
    std::vector<SlotProfile> profiles;     // the segment's own first
    auto fields() {
        return std::tie(segment, ring_bytes, landlock, cgroup, memory_bytes, hidden, writable, trees, secrets, protect,
                        protect_repositories, common, worktree, environment, profiles);
    }
};

struct AttachBroker {
    static constexpr Type kType = Type::kAttachBroker;
    auto fields() { return std::tie(); }
};

struct CellFailed {
    static constexpr Type kType = Type::kCellFailed;
    std::string error;
    auto fields() { return std::tie(error); }
};

struct CellReady {
    static constexpr Type kType = Type::kCellReady;
    std::uint32_t version = kProtocolVersion;
    auto fields() { return std::tie(version); }
};

// --- broker and spawner

struct NewSlot {
    static constexpr Type kType = Type::kNewSlot;
    std::uint32_t request = 0;            // the answer has it too
    std::uint16_t profile = 0;            // its place in CellOpened's list
    std::uint16_t rows = 0, columns = 0;  // of its terminal; 0: it has pipes
    std::uint64_t ring_bytes = 0;         // of its output log; 0: as the cell has it
    CommandLimits limits = no_limits();   // beyond the profile's: the lower of each; 0: the profile's
    auto fields() { return std::tie(request, profile, rows, columns, ring_bytes, limits); }
    // Whether it is one of those that are kept ready.
    bool plain() const {
        const CommandLimits& l = limits;
        return rows == 0 && ring_bytes == 0 && l.memory_bytes == 0 && l.swap_bytes == 0 && l.processes == 0 &&
               l.cpu_seconds == 0 && l.seconds == 0 && l.output_bytes == 0 && l.file_bytes == 0 && l.open_files == 0;
    }
    static CommandLimits no_limits() {
        CommandLimits none;
        none.processes = none.seconds = none.open_files = 0;
        return none;
    }
};

struct Slot {  // carries start channel, control channel, output log
    static constexpr Type kType = Type::kSlot;
    std::uint32_t id = 0;
    std::uint32_t request = 0;  // which NewSlot it answers
    std::int32_t code = 0;      // an errno value; where it is not 0 the descriptors are /dev/null
    auto fields() { return std::tie(id, request, code); }
};

// A slot that outlives the broker: the spawner holds its control channel and its log, and what the broker says of it.
struct KeepSlot {  // carries control channel, output log
    static constexpr Type kType = Type::kKeepSlot;
    std::uint32_t id = 0;
    std::string about;  // opaque to the spawner; at most kMostAbout
    auto fields() { return std::tie(id, about); }
};
inline constexpr std::size_t kMostAbout = 6 * 1024;

struct DropSlot {  // its tree ends, if it runs
    static constexpr Type kType = Type::kDropSlot;
    std::uint32_t id = 0;
    auto fields() { return std::tie(id); }
};

struct NextHeld {  // by a broker that has just been attached
    static constexpr Type kType = Type::kNextHeld;
    std::uint32_t after = 0;  // the id of the last one
    auto fields() { return std::tie(after); }
};

struct HeldSlot {  // carries control channel, output log
    static constexpr Type kType = Type::kHeldSlot;
    std::uint32_t id = 0;  // 0: there are no more, and the descriptors are /dev/null
    std::string about;
    auto fields() { return std::tie(id, about); }
};

enum class Service : std::uint8_t { kFiles, kVcs, kCheckpoints, kLast = kCheckpoints };

struct StartService {  // ends the one of that number, if any
    static constexpr Type kType = Type::kStartService;
    Service service = Service::kFiles;
    std::uint32_t instance = 0;  // the broker's number for it
    auto fields() { return std::tie(service, instance); }
};

struct EndService {
    static constexpr Type kType = Type::kEndService;
    Service service = Service::kFiles;
    std::uint32_t instance = 0;
    auto fields() { return std::tie(service, instance); }
};

struct ServiceStarted {
    static constexpr Type kType = Type::kServiceStarted;
    Service service = Service::kFiles;
    std::uint32_t instance = 0;
    std::int32_t code = 0;  // an errno value; EAGAIN: as many run as may
    auto fields() { return std::tie(service, instance, code); }
};

struct ChildEnded {
    static constexpr Type kType = Type::kChildEnded;
    std::uint32_t slot = 0;  // 0: a service
    Service service = Service::kFiles;
    std::uint32_t instance = 0;
    std::int32_t exit_code = 0;
    std::int32_t signal = 0;
    auto fields() { return std::tie(slot, service, instance, exit_code, signal); }
};

struct HoldWorktree {
    static constexpr Type kType = Type::kHoldWorktree;
    std::string entry;  // one name in the repository's `worktrees`
    auto fields() { return std::tie(entry); }
};

struct WorktreeHeld {
    static constexpr Type kType = Type::kWorktreeHeld;
    auto fields() { return std::tie(); }
};

struct Retire {
    static constexpr Type kType = Type::kRetire;
    auto fields() { return std::tie(); }
};

// --- broker and one command

struct Start {
    static constexpr Type kType = Type::kStart;
    std::vector<std::string> argv;         // argv[0] is looked up in the cell's PATH
    std::vector<std::string> environment;  // "NAME=value", added to the cell's own
    std::string cwd;                       // relative to the segment; resolved beneath it by the kernel
    bool input = false;                    // its standard input is a pipe; else /dev/null. A terminal's is the terminal
    auto fields() { return std::tie(argv, environment, cwd, input); }
};

struct Output {
    static constexpr Type kType = Type::kOutput;
    auto fields() { return std::tie(); }
};

struct Consumed {
    static constexpr Type kType = Type::kConsumed;
    std::uint64_t place = 0;  // in the output log
    auto fields() { return std::tie(place); }
};

struct Pace {
    static constexpr Type kType = Type::kPace;
    bool held = true;         // the command waits for Consumed when its log is full; else the oldest output goes
    bool tell_start = false;  // Started is wanted
    auto fields() { return std::tie(held, tell_start); }
};

struct Started {  // the command was executed; where it could not be, Exited says why
    static constexpr Type kType = Type::kStarted;
    auto fields() { return std::tie(); }
};

struct Input {  // for the command's standard input; answered by InputTaken before another one
    static constexpr Type kType = Type::kInput;
    std::string bytes;  // at most kChunkBytes; empty: the end
    auto fields() { return std::tie(bytes); }
};

struct InputTaken {
    static constexpr Type kType = Type::kInputTaken;
    bool open = true;  // false: nobody reads it any more
    auto fields() { return std::tie(open); }
};

struct Resize {
    static constexpr Type kType = Type::kResize;
    std::uint16_t rows = 0, columns = 0;
    auto fields() { return std::tie(rows, columns); }
};

struct SignalCommand {  // to its process group, or its terminal's foreground one
    static constexpr Type kType = Type::kSignalCommand;
    std::uint8_t signal = 0;
    auto fields() { return std::tie(signal); }
};

struct EndCommand {
    static constexpr Type kType = Type::kEndCommand;
    auto fields() { return std::tie(); }
};

// How far a command got before exec, for an error that names the step.
enum class StartStep : std::uint8_t { kNone, kRequest, kDirectory, kConfine, kExecute, kLast = kExecute };

struct Exited {
    static constexpr Type kType = Type::kExited;
    std::int32_t code = 0;
    std::int32_t signal = 0;                   // 0: it exited with `code`
    StartStep failed_step = StartStep::kNone;  // not kNone: it never started
    std::int32_t start_errno = 0;
    EndedBy ended_by = EndedBy::kNothing;
    std::uint64_t place = 0;        // where the output log ends
    std::uint64_t cpu_us = 0;       // of its whole tree
    std::uint64_t peak_memory = 0;  // bytes: of the tree with cgroup v2, else of its largest process
    std::uint64_t wall_us = 0;
    std::int64_t ended_ns = 0;  // since the epoch
    auto fields() {
        return std::tie(code, signal, failed_step, start_errno, ended_by, place, cpu_us, peak_memory, wall_us,
                        ended_ns);
    }
};

// --- broker and a service

// What must be so for a change to be made, seen in the same instant as the change.
struct Condition {
    enum class Kind : std::uint8_t { kNone, kAbsent, kVersion, kLast = kVersion };
    Kind kind = Kind::kNone;
    std::string version;  // of the content, as FileFacts has it
    auto fields() { return std::tie(kind, version); }
};

enum class FileKind : std::uint8_t { kFile, kFolder, kSymlink, kOther, kLast = kOther };

struct FileFacts {
    FileKind kind = FileKind::kOther;
    std::uint64_t size = 0;        // bytes
    std::uint32_t mode = 0;        // permission bits
    std::int64_t modified_ns = 0;  // since the epoch; may be negative
    std::string version;           // of a file; else empty
    std::string target;            // of a symlink
    auto fields() { return std::tie(kind, size, mode, modified_ns, version, target); }
};

struct StatFile {  // Done has FileFacts
    static constexpr Type kType = Type::kStatFile;
    std::string path;  // relative to the segment, here and below
    bool follow = true;
    auto fields() { return std::tie(path, follow); }
};

struct ReadFile {  // Done has ReadEnd
    static constexpr Type kType = Type::kReadFile;
    std::string path;
    bool whole = true;  // refused (kTooLarge) where it is more than max_bytes; else cut there
    std::uint64_t offset = 0;
    std::uint64_t max_bytes = 0;
    std::uint64_t from_line = 0;  // the first is 1; 0: by bytes
    std::uint64_t lines = 0;      // 0: to the end
    auto fields() { return std::tie(path, whole, offset, max_bytes, from_line, lines); }
};

struct ReadEnd {
    FileFacts facts;
    std::uint64_t offset = 0;  // of the first byte
    std::uint64_t lines = 0;   // begun in what was read, where lines were asked for
    bool more = false;         // the file goes on
    auto fields() { return std::tie(facts, offset, lines, more); }
};

struct OpenFile {  // answered by Opened, or Done with a failure
    static constexpr Type kType = Type::kOpenFile;
    std::string path;
    auto fields() { return std::tie(path); }
};

struct Opened {  // carries a descriptor of a regular file, to read
    static constexpr Type kType = Type::kOpened;
    FileFacts facts;
    auto fields() { return std::tie(facts); }
};

inline constexpr std::uint32_t kKeepMode = ~0U;

struct WriteFile {  // Chunks with the content follow; Done has FileFacts
    static constexpr Type kType = Type::kWriteFile;
    std::string path;
    bool create_parents = true;
    Condition condition = {};
    std::uint32_t mode = kKeepMode;  // permission bits; a new file's are 0666 less the umask
    auto fields() { return std::tie(path, create_parents, condition, mode); }
};

struct AppendFile {  // Chunks with the content follow; Done has FileFacts
    static constexpr Type kType = Type::kAppendFile;
    std::string path;
    bool create = false;
    Condition condition = {};
    auto fields() { return std::tie(path, create, condition); }
};

struct EditFile {  // Chunks with Edit records, or with the diff, follow; the unified diff comes back; Done has
                   // FileFacts
    static constexpr Type kType = Type::kEditFile;
    std::string path;
    bool is_diff = false;
    Condition condition = {};
    std::uint64_t max_bytes = 0;  // of the file
    auto fields() { return std::tie(path, is_diff, condition, max_bytes); }
};

struct Edit {  // a record in Chunks
    std::string from;
    std::string to;
    bool all = false;
    auto fields() { return std::tie(from, to, all); }
};

struct EditMismatch {          // in Done, with kNoMatch and kAmbiguous
    std::uint32_t number = 0;  // of the edit or hunk; the first is 0
    std::uint64_t matches = 0;
    auto fields() { return std::tie(number, matches); }
};

struct ListFolder {  // ListEntry records in Chunks, by the order of names, a folder's own right after it; Done has
                     // ListEnd
    static constexpr Type kType = Type::kListFolder;
    std::string path;
    bool recursive = false;
    bool hidden = true;       // names that begin with a dot
    bool ignore = false;      // leaves out what .gitignore, .ignore and git itself say to
    std::uint32_t depth = 0;  // of a recursive listing; 0: all of it
    std::string glob = {};    // only what matches; empty: everything
    std::string after = {};   // begins behind this path, as the entries have it
    std::uint64_t max_entries = 0;
    auto fields() { return std::tie(path, recursive, hidden, ignore, depth, glob, after, max_entries); }
};

struct ListEntry {
    std::string path;  // relative to the listed folder
    FileFacts facts;   // by lstat
    auto fields() { return std::tie(path, facts); }
};

struct ListEnd {
    bool more = false;
    auto fields() { return std::tie(more); }
};

struct MakeFolder {  // Done has FileFacts
    static constexpr Type kType = Type::kMakeFolder;
    std::string path;
    bool parents = false;
    auto fields() { return std::tie(path, parents); }
};

struct MakeSymlink {  // Done has FileFacts
    static constexpr Type kType = Type::kMakeSymlink;
    std::string path;
    std::string target;
    auto fields() { return std::tie(path, target); }
};

struct MovePath {  // Done has FileFacts; a symlink itself, here and below
    static constexpr Type kType = Type::kMovePath;
    std::string from;
    std::string to;
    bool replace = false;
    Condition condition = {};  // of `from`
    auto fields() { return std::tie(from, to, replace, condition); }
};

struct CopyPath {  // Done has CopyEnd
    static constexpr Type kType = Type::kCopyPath;
    std::string from;
    std::string to;
    bool replace = false;
    bool recursive = false;
    auto fields() { return std::tie(from, to, replace, recursive); }
};

struct CopyEnd {
    FileFacts facts;
    std::uint64_t skipped = 0;  // FIFOs, sockets, devices
    auto fields() { return std::tie(facts, skipped); }
};

struct DeletePath {  // Done has DeleteEnd
    static constexpr Type kType = Type::kDeletePath;
    std::string path;
    bool recursive = false;
    Condition condition = {};
    auto fields() { return std::tie(path, recursive, condition); }
};

struct DeleteEnd {
    std::uint64_t deleted = 0;  // names
    auto fields() { return std::tie(deleted); }
};

// An upload is a file beside its target that grows by what arrives, and lasts between requests.
struct BeginUpload {  // Done has UploadState
    static constexpr Type kType = Type::kBeginUpload;
    std::string path;
    bool create_parents = false;
    auto fields() { return std::tie(path, create_parents); }
};

struct UploadState {  // in Done, with kWrongOffset too
    std::string upload;
    std::uint64_t offset = 0;
    auto fields() { return std::tie(upload, offset); }
};

struct AppendUpload {  // Chunks follow; each is in the file when the next is taken; Done has UploadState
    static constexpr Type kType = Type::kAppendUpload;
    std::string path;
    std::string upload;
    std::uint64_t offset = 0;
    auto fields() { return std::tie(path, upload, offset); }
};

struct StatUpload {  // Done has UploadState
    static constexpr Type kType = Type::kStatUpload;
    std::string path;
    std::string upload;
    auto fields() { return std::tie(path, upload); }
};

struct FinishUpload {  // Done has FileFacts
    static constexpr Type kType = Type::kFinishUpload;
    std::string path;
    std::string upload;
    Condition condition = {};
    std::uint32_t mode = kKeepMode;
    bool check_size = false;
    std::uint64_t size = 0;
    auto fields() { return std::tie(path, upload, condition, mode, check_size, size); }
};

struct AbortUpload {
    static constexpr Type kType = Type::kAbortUpload;
    std::string path;
    std::string upload;
    auto fields() { return std::tie(path, upload); }
};

struct WatchFolder {  // WatchEvent records in Chunks, until the broker closes the channel
    static constexpr Type kType = Type::kWatchFolder;
    std::string path;
    bool recursive = true;
    bool ignore = true;
    auto fields() { return std::tie(path, recursive, ignore); }
};

enum class WatchKind : std::uint8_t { kReady, kCreated, kChanged, kDeleted, kMoved, kOverflow, kLast = kOverflow };

struct WatchEvent {
    WatchKind event = WatchKind::kOverflow;
    FileKind kind = FileKind::kOther;
    std::string path;  // relative to the watched folder
    std::string from;  // of what was moved
    auto fields() { return std::tie(event, kind, path, from); }
};

enum class ArchiveFormat : std::uint8_t { kTarZst, kZip, kLast = kZip };

struct ArchiveFolder {  // the archive as Chunks
    static constexpr Type kType = Type::kArchiveFolder;
    std::string path;
    ArchiveFormat format = ArchiveFormat::kTarZst;
    bool ignore = false;
    auto fields() { return std::tie(path, format, ignore); }
};

// Checkpoints: whole trees of the segment as they were. Each has a number, which no other one of the segment gets.

enum class CheckpointReason : std::uint8_t { kRequest, kTurn, kRestore, kLast = kRestore };

// What a checkpoint does not hold.
enum class LeftOut : std::uint8_t {
    kUnreadable,  // a secret that a guard hides, permissions
    kTooLarge,    // limits.checkpoint_file_bytes
    kSpecial,     // a FIFO, a socket, a device
    kLongPath,    // of more than 4096 bytes
    kUnsettled,   // held all the same, but it changed each time that it was read
    kLast = kUnsettled
};

struct CheckpointFacts {
    std::uint64_t number = 0;
    std::int64_t created_ns = 0;
    CheckpointReason reason = CheckpointReason::kRequest;
    bool ignored = false;  // with what .gitignore files leave out
    std::uint64_t files = 0, bytes = 0;
    std::uint64_t unreadable = 0, too_large = 0, special = 0, long_paths = 0, unsettled = 0;
    std::string label;
    auto fields() {
        return std::tie(number, created_ns, reason, ignored, files, bytes, unreadable, too_large, special, long_paths,
                        unsettled, label);
    }
};

struct CheckpointLimits {
    std::uint64_t kept = 0;        // checkpoints of a segment; the oldest go
    std::uint64_t bytes = 0;       // of all of them together
    std::uint64_t file_bytes = 0;  // of one file
    auto fields() { return std::tie(kept, bytes, file_bytes); }
};

struct MakeCheckpoint {  // LeftOutFile records in Chunks; Done has CheckpointMade
    static constexpr Type kType = Type::kMakeCheckpoint;
    CheckpointReason reason = CheckpointReason::kRequest;
    bool ignored = false;
    bool always = false;  // an unchanged tree too
    std::string label;
    CheckpointLimits limits;
    auto fields() { return std::tie(reason, ignored, always, label, limits); }
};

struct CheckpointMade {
    CheckpointFacts facts;
    bool made = false;                                   // false: the tree is as the last one has it
    std::uint64_t written = 0;                           // bytes
    std::uint64_t added = 0, modified = 0, deleted = 0;  // files, since the last one with the same `ignored`
    auto fields() { return std::tie(facts, made, written, added, modified, deleted); }
};

struct LeftOutFile {
    std::string path;
    LeftOut why = LeftOut::kUnreadable;
    std::uint64_t size = 0;
    auto fields() { return std::tie(path, why, size); }
};

struct ListCheckpoints {  // CheckpointFacts records in Chunks, the newest first; Done has ListEnd
    static constexpr Type kType = Type::kListCheckpoints;
    std::uint64_t before = 0;  // only those with a smaller number; 0: all
    std::uint64_t max_entries = 0;
    auto fields() { return std::tie(before, max_entries); }
};

struct CompareCheckpoint {  // CheckpointChange records in Chunks; Done has ListEnd
    static constexpr Type kType = Type::kCompareCheckpoint;
    std::uint64_t checkpoint = 0;
    std::uint64_t to = 0;            // 0: the work tree as it is now
    std::vector<std::string> paths;  // only what is at or in one of them; none: everything
    std::string after;               // begins behind this path
    std::uint64_t max_entries = 0;
    std::uint64_t file_bytes = 0;  // as CheckpointLimits has it
    auto fields() { return std::tie(checkpoint, to, paths, after, max_entries, file_bytes); }
};

enum class ChangeKind : std::uint8_t { kAdded, kModified, kDeleted, kTypeChanged, kModeChanged, kLast = kModeChanged };

struct TreeFacts {
    FileKind kind = FileKind::kOther;  // kOther: it is not there
    std::uint64_t size = 0;
    std::uint32_t mode = 0;
    auto fields() { return std::tie(kind, size, mode); }
};

struct CheckpointChange {
    ChangeKind change = ChangeKind::kModified;
    std::string path;
    TreeFacts before, after;
    auto fields() { return std::tie(change, path, before, after); }
};

struct ReadCheckpoint {  // content as Chunks; Done has CheckpointFile
    static constexpr Type kType = Type::kReadCheckpoint;
    std::uint64_t checkpoint = 0;
    std::string path;
    std::uint64_t offset = 0;
    std::uint64_t max_bytes = 0;
    auto fields() { return std::tie(checkpoint, path, offset, max_bytes); }
};

struct CheckpointFile {
    TreeFacts facts;  // a symlink's content is its target
    auto fields() { return std::tie(facts); }
};

struct DiffCheckpoint {  // the unified diff of one file as Chunks; Done has CheckpointDiff
    static constexpr Type kType = Type::kDiffCheckpoint;
    std::uint64_t checkpoint = 0;
    std::uint64_t to = 0;  // 0: the work tree as it is now
    std::string path;
    std::uint64_t max_bytes = 0;  // of each side
    auto fields() { return std::tie(checkpoint, to, path, max_bytes); }
};

struct CheckpointDiff {
    TreeFacts before, after;
    bool binary = false;  // a NUL byte is in one of them: no diff
    auto fields() { return std::tie(before, after, binary); }
};

struct RestoreCheckpoint {  // NotRestored records in Chunks; Done has CheckpointRestored
    static constexpr Type kType = Type::kRestoreCheckpoint;
    std::uint64_t checkpoint = 0;
    std::vector<std::string> paths;  // none: everything
    CheckpointLimits limits;         // of the checkpoint that is made first
    auto fields() { return std::tie(checkpoint, paths, limits); }
};

struct CheckpointRestored {
    std::uint64_t undo = 0;  // the checkpoint of the tree as it was before
    std::uint64_t written = 0, removed = 0, not_restored = 0;
    auto fields() { return std::tie(undo, written, removed, not_restored); }
};

struct NotRestored {
    std::string path;
    std::string why;
    auto fields() { return std::tie(path, why); }
};

struct DeleteCheckpoint {
    static constexpr Type kType = Type::kDeleteCheckpoint;
    std::uint64_t checkpoint = 0;
    auto fields() { return std::tie(checkpoint); }
};

// Of records in one answer, beside which only their number is told.
inline constexpr std::uint64_t kMostLeftOutTold = 1000;

struct Chunk {
    static constexpr Type kType = Type::kChunk;
    std::string bytes;  // empty: the end of content to write
    auto fields() { return std::tie(bytes); }
};

// Why a request failed, as the client is told; the broker maps each to a stable code.
enum class Failure : std::uint8_t {
    kNone,
    kNotFound,
    kLeavesSegment,
    kDenied,
    kIsFolder,
    kNotFolder,
    kNotRegular,
    kTooLarge,
    kExists,
    kNoSpace,
    kNameTooLong,
    kNotRepository,
    kBroken,
    kUnsupported,
    kChanged,    // the version tag is not the file's; Done has the FileFacts of what is there, or nothing
    kNoMatch,    // of an edit or a hunk
    kAmbiguous,  // it matches more than once
    kMalformed,  // a diff, a glob
    kNotEmpty,
    kWrongOffset,
    kNoUpload,
    kNoCheckpoint,
    kOther,
    kLast = kOther
};

struct Done {
    static constexpr Type kType = Type::kDone;
    Failure failure = Failure::kNone;
    std::string error;
    std::string result;  // the record that the request names, encoded
    std::string bytes;   // the last part of the answer, where it is small: a message less
    auto fields() { return std::tie(failure, error, result, bytes); }
};

}  // namespace toren::ipc
