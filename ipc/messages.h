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
    bool workspaces = false;            // ancillary.workspace_root is set
    std::vector<std::string> allowed_hosts;
    std::vector<std::string> allowed_origins;
    std::vector<std::string> degraded;  // layers that run without the kernel's help, by the operator's word
    std::uint64_t body_bytes = 0, message_bytes = 0, read_bytes = 0, diff_bytes = 0, list_entries = 0;
    std::uint64_t connections = 0, commands_per_segment = 0, commands_per_socket = 0, requests_per_socket = 0;
    std::uint64_t cell_idle_seconds = 0, service_seconds = 0;
    auto fields() {
        return std::tie(version, pairing_pin, pairing_expires, pairing_uses, listening_port, require_auth,
                        session_seconds, workspaces, allowed_hosts, allowed_origins, degraded, body_bytes,
                        message_bytes, read_bytes, diff_bytes, list_entries, connections, commands_per_segment,
                        commands_per_socket, requests_per_socket, cell_idle_seconds, service_seconds);
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
    std::string segment;  // its configured name, exactly
    auto fields() { return std::tie(segment); }
};

struct CellOpened {  // carries the channel, or an error and /dev/null in its place
    static constexpr Type kType = Type::kCellOpened;
    std::string segment;
    std::string error;
    std::vector<std::string> profiles;  // names of those that a command may run under, the segment's own first
    auto fields() { return std::tie(segment, error, profiles); }
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
    std::vector<std::string> hidden;       // absolute: nothing is there, for commands and workers alike
    std::vector<std::string> writable;     // every tree of the host that is writable in the cell
    std::vector<std::string> trees;        // every tree that guards are for (policy/guards.h), the segment first
    std::vector<std::string> secrets;      // patterns
    std::vector<std::string> protect;      // names
    bool protect_repositories = true;      // git's and jj's hooks and configuration
    std::vector<std::string> environment;  // "NAME=value", beyond what every command gets
    std::vector<SlotProfile> profiles;     // the segment's own first
    auto fields() {
        return std::tie(segment, ring_bytes, landlock, cgroup, hidden, writable, trees, secrets, protect,
                        protect_repositories, environment, profiles);
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
    std::uint16_t profile = 0;  // its place in CellOpened's list
    auto fields() { return std::tie(profile); }
};

struct Slot {  // carries start channel, control channel, output log
    static constexpr Type kType = Type::kSlot;
    std::uint32_t id = 0;
    std::uint16_t profile = 0;
    std::int32_t code = 0;  // an errno value; where it is not 0 the descriptors are /dev/null
    auto fields() { return std::tie(id, profile, code); }
};

enum class Service : std::uint8_t { kFiles, kVcs, kLast = kVcs };

struct StartService {  // ends the one that runs, if any
    static constexpr Type kType = Type::kStartService;
    Service service = Service::kFiles;
    auto fields() { return std::tie(service); }
};

struct ServiceStarted {
    static constexpr Type kType = Type::kServiceStarted;
    Service service = Service::kFiles;
    std::int32_t code = 0;
    auto fields() { return std::tie(service, code); }
};

struct ChildEnded {
    static constexpr Type kType = Type::kChildEnded;
    std::uint32_t slot = 0;  // 0: a service
    Service service = Service::kFiles;
    std::int32_t exit_code = 0;
    std::int32_t signal = 0;
    auto fields() { return std::tie(slot, service, exit_code, signal); }
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
    auto fields() { return std::tie(argv, environment, cwd); }
};

struct Output {
    static constexpr Type kType = Type::kOutput;
    auto fields() { return std::tie(); }
};

struct Consumed {
    static constexpr Type kType = Type::kConsumed;
    std::uint64_t position = 0;  // in the output log
    auto fields() { return std::tie(position); }
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
    std::uint64_t position = 0;  // where the output log ends
    auto fields() { return std::tie(code, signal, failed_step, start_errno, ended_by, position); }
};

// --- broker and a service

struct ReadFile {
    static constexpr Type kType = Type::kReadFile;
    std::string path;  // relative to the segment, here and below
    std::uint64_t max_bytes = 0;
    auto fields() { return std::tie(path, max_bytes); }
};

struct WriteFile {
    static constexpr Type kType = Type::kWriteFile;
    std::string path;
    bool create_parents = true;
    auto fields() { return std::tie(path, create_parents); }
};

struct ListFolder {
    static constexpr Type kType = Type::kListFolder;
    std::string path;
    std::uint64_t max_entries = 0;
    auto fields() { return std::tie(path, max_entries); }
};

struct VcsStatus {
    static constexpr Type kType = Type::kVcsStatus;
    std::string path;
    auto fields() { return std::tie(path); }
};

struct VcsDiff {
    static constexpr Type kType = Type::kVcsDiff;
    std::string path;
    std::uint64_t max_bytes = 0;
    auto fields() { return std::tie(path, max_bytes); }
};

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
    kOther,
    kLast = kOther
};

struct Done {
    static constexpr Type kType = Type::kDone;
    Failure failure = Failure::kNone;
    std::string error;
    auto fields() { return std::tie(failure, error); }
};

// Records inside Chunks, whole ones only.
struct FolderEntry {
    std::string name;
    bool is_dir = false;        // by lstat: a symlink to a folder is none
    std::uint64_t size = 0;     // bytes
    std::int64_t modified = 0;  // seconds since the epoch; may be negative
    auto fields() { return std::tie(name, is_dir, size, modified); }
};

enum class VcsKind : std::uint8_t { kNone, kGit, kJj, kLast = kJj };
enum class VcsState : std::uint8_t {
    kHeader,  // the first record: `kind`, and the branch's name as path ("" where HEAD is detached)
    kModified,
    kAdded,
    kDeleted,
    kUntracked,
    kRenamed,
    kConflicted,
    kLast = kConflicted
};

struct VcsEntry {
    VcsState state = VcsState::kHeader;
    VcsKind kind = VcsKind::kNone;
    std::string path;
    std::string old_path;  // of a renamed file
    auto fields() { return std::tie(state, kind, path, old_path); }
};

}  // namespace toren::ipc
