// Every message between Toren's processes, one row each: who sends it to whom, in which phase of their
// conversation, how large it may be, how many descriptors it carries. Channels enforce the table on both ends; tests
// and the protocol's documentation read it. What has no row cannot be said.
#pragma once

#include <cstddef>
#include <cstdint>

namespace toren::ipc {

// In the first message of the supervisor's conversations; programs of different builds refuse each other.
inline constexpr std::uint32_t kProtocolVersion = 4;

// A SOCK_SEQPACKET message lies whole in the socket's buffer, so no row may exceed this.
inline constexpr std::size_t kLargestMessage = 192 * 1024;  // room for one argument of the largest size that exec takes
inline constexpr std::size_t kChunkBytes = 64 * 1024;       // of file content or a listing, in one Chunk

enum class Role : std::uint8_t { kSupervisor, kBroker, kSpawner, kCommand, kService };

// A conversation starts in kGreeting and goes on in kOpen, both ways, once a row whose `opens` is set has passed.
enum class Phase : std::uint8_t { kGreeting, kOpen };

enum class Type : std::uint16_t {
    kBrokerHello = 1,
    kBrokerWelcome,
    kListSegments,
    kSegmentList,
    kCreateSegment,
    kSegmentCreated,
    kOpenCell,
    kCellOpened,
    kListWorkspaces,
    kWorkspaceList,
    kCreateWorkspace,
    kWorkspaceCreated,
    kRemoveWorkspace,
    kWorkspaceRemoved,
    kCellSettings,
    kAttachBroker,
    kCellFailed,
    kCellReady,
    kNewSlot,
    kSlot,
    kKeepSlot,
    kDropSlot,
    kNextHeld,
    kHeldSlot,
    kStartService,
    kServiceStarted,
    kEndService,
    kChildEnded,
    kHoldWorktree,
    kWorktreeHeld,
    kRetire,
    kStart,
    kOutput,
    kConsumed,
    kPace,
    kStarted,
    kInput,
    kInputTaken,
    kResize,
    kSignalCommand,
    kEndCommand,
    kExited,
    kStatFile,
    kReadFile,
    kOpenFile,
    kOpened,
    kWriteFile,
    kAppendFile,
    kEditFile,
    kListFolder,
    kMakeFolder,
    kMakeSymlink,
    kMovePath,
    kCopyPath,
    kDeletePath,
    kBeginUpload,
    kAppendUpload,
    kStatUpload,
    kFinishUpload,
    kAbortUpload,
    kWatchFolder,
    kArchiveFolder,
    kVcsFind,
    kVcsStatus,
    kVcsDiff,
    kVcsLog,
    kVcsContent,
    kVcsLists,
    kMakeCheckpoint,
    kListCheckpoints,
    kCompareCheckpoint,
    kReadCheckpoint,
    kDiffCheckpoint,
    kRestoreCheckpoint,
    kDeleteCheckpoint,
    kChunk,
    kDone,
};

struct Row {
    Type type;
    const char* name;
    Role from;
    Role to;
    Phase phase;
    bool opens;  // this message ends the greeting
    std::uint32_t max_bytes;
    std::uint8_t descriptors;
    const char* meaning;
};

inline constexpr std::uint32_t kSmall = 256;
inline constexpr std::uint32_t kPath = 8 * 1024;
inline constexpr std::uint32_t kLarge = kLargestMessage;

using enum Role;
using enum Phase;

// clang-format off
inline constexpr Row kRows[] = {
    // Broker and supervisor: the broker may ask for configured things by name, and for nothing else.
    {Type::kBrokerHello,    "BrokerHello",    kBroker, kSupervisor, kGreeting, false, kSmall, 0, "the broker is confined and ready"},
    {Type::kBrokerWelcome,  "BrokerWelcome",  kSupervisor, kBroker, kGreeting, true,  kLarge, 0, "the settings that the broker needs"},
    {Type::kListSegments,   "ListSegments",   kBroker, kSupervisor, kOpen, false, kSmall, 0, "look for segments again"},
    {Type::kSegmentList,    "SegmentList",    kSupervisor, kBroker, kOpen, false, kLarge, 0, "some of the segments; the last one has the roots"},
    {Type::kCreateSegment,  "CreateSegment",  kBroker, kSupervisor, kOpen, false, kPath,  0, "a new folder under a configured root"},
    {Type::kSegmentCreated, "SegmentCreated", kSupervisor, kBroker, kOpen, false, kPath,  0, "the new segment, or why not"},
    {Type::kOpenCell,       "OpenCell",       kBroker, kSupervisor, kOpen, false, kPath,  0, "the cell of a segment or of a workspace, by name"},
    {Type::kCellOpened,     "CellOpened",     kSupervisor, kBroker, kOpen, false, kPath,  1, "a channel to its spawner, or why not"},
    {Type::kListWorkspaces, "ListWorkspaces", kBroker, kSupervisor, kOpen, false, kPath, 0, "what is on disk of a segment's workspaces"},
    {Type::kWorkspaceList,  "WorkspaceList",  kSupervisor, kBroker, kOpen, false, kLarge, 0, "some of them; the last one says so, or why not"},
    {Type::kCreateWorkspace, "CreateWorkspace", kBroker, kSupervisor, kOpen, false, kPath, 0, "an empty folder for a workspace"},
    {Type::kWorkspaceCreated, "WorkspaceCreated", kSupervisor, kBroker, kOpen, false, kPath, 0, "its path, or why not"},
    {Type::kRemoveWorkspace, "RemoveWorkspace", kBroker, kSupervisor, kOpen, false, kPath, 0, "end its cell; its folder and the repository's entry go"},
    {Type::kWorkspaceRemoved, "WorkspaceRemoved", kSupervisor, kBroker, kOpen, false, kPath, 0, "all of it is gone, or why not"},
    // Supervisor and spawner.
    {Type::kCellSettings,   "CellSettings",   kSupervisor, kSpawner, kGreeting, false, kLarge, 0, "the cell's profiles and guards, first of all"},
    {Type::kAttachBroker,   "AttachBroker",   kSupervisor, kSpawner, kOpen, false, kSmall, 1, "a channel whose other end the broker has"},
    {Type::kCellFailed,     "CellFailed",     kSpawner, kSupervisor, kGreeting, true, kPath, 0, "the layer that the kernel refused"},
    {Type::kCellReady,      "CellReady",      kSpawner, kSupervisor, kGreeting, true, kSmall, 0, "every layer of the cell stands"},
    // Broker and spawner: fixed-size records.
    {Type::kNewSlot,        "NewSlot",        kBroker, kSpawner, kOpen, false, kSmall, 0, "a confined process that waits for its command, under one of the cell's profiles"},
    {Type::kSlot,           "Slot",           kSpawner, kBroker, kOpen, false, kSmall, 3, "start channel, control channel, output log; or why not"},
    {Type::kKeepSlot,       "KeepSlot",       kBroker, kSpawner, kOpen, false, kPath, 2, "this slot outlives the broker"},
    {Type::kDropSlot,       "DropSlot",       kBroker, kSpawner, kOpen, false, kSmall, 0, "and now it no longer does"},
    {Type::kNextHeld,       "NextHeld",       kBroker, kSpawner, kOpen, false, kSmall, 0, "what did the last broker keep?"},
    {Type::kHeldSlot,       "HeldSlot",       kSpawner, kBroker, kOpen, false, kPath, 2, "one of those"},
    {Type::kStartService,   "StartService",   kBroker, kSpawner, kOpen, false, kSmall, 0, "a files, vcs or checkpoint worker"},
    {Type::kServiceStarted, "ServiceStarted", kSpawner, kBroker, kOpen, false, kSmall, 1, "a channel to it, or why not"},
    {Type::kEndService,     "EndService",     kBroker, kSpawner, kOpen, false, kSmall, 0, "it is no longer needed"},
    {Type::kChildEnded,     "ChildEnded",     kSpawner, kBroker, kOpen, false, kSmall, 0, "a service or a slot ended, and how"},
    {Type::kHoldWorktree,   "HoldWorktree",   kBroker, kSpawner, kOpen, false, 2 * kSmall, 0, "a workspace has been made beside this cell: guard its part of the repository"},
    {Type::kWorktreeHeld,   "WorktreeHeld",   kSpawner, kBroker, kOpen, false, kSmall, 0, "it is guarded here"},
    {Type::kRetire,         "Retire",         kBroker, kSpawner, kOpen, false, kSmall, 0, "the cell has been idle: it ends"},
    // Broker and one command.
    {Type::kStart,          "Start",          kBroker, kCommand, kOpen, false, kLarge, 0, "the argument vector, once, on the start channel"},
    {Type::kOutput,         "Output",         kCommand, kBroker, kOpen, false, kSmall, 0, "the log grew; not sent again before Consumed"},
    {Type::kConsumed,       "Consumed",       kBroker, kCommand, kOpen, false, kSmall, 0, "read up to here: the space is free again"},
    {Type::kPace,           "Pace",           kBroker, kCommand, kOpen, false, kSmall, 0, "whether a full log makes it wait"},
    {Type::kStarted,        "Started",        kCommand, kBroker, kOpen, false, kSmall, 0, "it was executed"},
    {Type::kInput,          "Input",          kBroker, kCommand, kOpen, false, kLarge, 0, "for its standard input"},
    {Type::kInputTaken,     "InputTaken",     kCommand, kBroker, kOpen, false, kSmall, 0, "its pipe has it"},
    {Type::kResize,         "Resize",         kBroker, kCommand, kOpen, false, kSmall, 0, "its terminal has another size"},
    {Type::kSignalCommand,  "SignalCommand",  kBroker, kCommand, kOpen, false, kSmall, 0, "a signal for it"},
    {Type::kEndCommand,     "EndCommand",     kBroker, kCommand, kOpen, false, kSmall, 0, "end the whole process tree"},
    {Type::kExited,         "Exited",         kCommand, kBroker, kOpen, false, kSmall, 0, "how it ended; the tree is gone, the log complete"},
    // Broker and a service of the cell: one request at a time, answered by any number of Chunks and one Done, or as the
    // struct says.
    {Type::kStatFile,       "StatFile",       kBroker, kService, kOpen, false, kPath, 0, "facts of one name"},
    {Type::kReadFile,       "ReadFile",       kBroker, kService, kOpen, false, kPath, 0, "content as Chunks"},
    {Type::kOpenFile,       "OpenFile",       kBroker, kService, kOpen, false, kPath, 0, "a descriptor to send from"},
    {Type::kOpened,         "Opened",         kService, kBroker, kOpen, false, kPath, 1, "what OpenFile asked for"},
    {Type::kWriteFile,      "WriteFile",      kBroker, kService, kOpen, false, kPath, 0, "Chunks follow, an empty one ends them; here and below"},
    {Type::kAppendFile,     "AppendFile",     kBroker, kService, kOpen, false, kPath, 0, "Chunks follow"},
    {Type::kEditFile,       "EditFile",       kBroker, kService, kOpen, false, kPath, 0, "Chunks with the edits follow"},
    {Type::kListFolder,     "ListFolder",     kBroker, kService, kOpen, false, 2 * kPath, 0, "ListEntry records in Chunks"},
    {Type::kMakeFolder,     "MakeFolder",     kBroker, kService, kOpen, false, kPath, 0, "a new folder"},
    {Type::kMakeSymlink,    "MakeSymlink",    kBroker, kService, kOpen, false, 2 * kPath, 0, "a symlink to somewhere in the segment"},
    {Type::kMovePath,       "MovePath",       kBroker, kService, kOpen, false, 2 * kPath, 0, "a name to another"},
    {Type::kCopyPath,       "CopyPath",       kBroker, kService, kOpen, false, 2 * kPath, 0, "a file or a tree"},
    {Type::kDeletePath,     "DeletePath",     kBroker, kService, kOpen, false, kPath, 0, "a name, or a tree"},
    {Type::kBeginUpload,    "BeginUpload",    kBroker, kService, kOpen, false, kPath, 0, "a file beside the target"},
    {Type::kAppendUpload,   "AppendUpload",   kBroker, kService, kOpen, false, kPath, 0, "Chunks follow"},
    {Type::kStatUpload,     "StatUpload",     kBroker, kService, kOpen, false, kPath, 0, "how far it is"},
    {Type::kFinishUpload,   "FinishUpload",   kBroker, kService, kOpen, false, kPath, 0, "puts it in the target's place"},
    {Type::kAbortUpload,    "AbortUpload",    kBroker, kService, kOpen, false, kPath, 0, "removes it"},
    {Type::kWatchFolder,    "WatchFolder",    kBroker, kService, kOpen, false, kPath, 0, "WatchEvent records in Chunks, until the channel is closed"},
    {Type::kArchiveFolder,  "ArchiveFolder",  kBroker, kService, kOpen, false, kPath, 0, "an archive as Chunks"},
    {Type::kVcsFind,        "VcsFind",        kBroker, kService, kOpen, false, kPath,  0, "where the repository of a path is"},
    {Type::kVcsStatus,      "VcsStatus",      kBroker, kService, kOpen, false, kPath,  0, "VcsChange records in Chunks"},
    {Type::kVcsDiff,        "VcsDiff",        kBroker, kService, kOpen, false, kLarge, 0, "VcsFileDiff records in Chunks"},
    {Type::kVcsLog,         "VcsLog",         kBroker, kService, kOpen, false, kLarge, 0, "VcsCommit records in Chunks"},
    {Type::kVcsContent,     "VcsContent",     kBroker, kService, kOpen, false, 2 * kPath, 0, "content as Chunks"},
    {Type::kVcsLists,       "VcsLists",       kBroker, kService, kOpen, false, kPath,  0, "records in Chunks"},
    {Type::kMakeCheckpoint,    "MakeCheckpoint",    kBroker, kService, kOpen, false, kPath,  0, "records the segment's tree"},
    {Type::kListCheckpoints,   "ListCheckpoints",   kBroker, kService, kOpen, false, kSmall, 0, "CheckpointFacts records in Chunks"},
    {Type::kCompareCheckpoint, "CompareCheckpoint", kBroker, kService, kOpen, false, kLarge, 0, "CheckpointChange records in Chunks"},
    {Type::kReadCheckpoint,    "ReadCheckpoint",    kBroker, kService, kOpen, false, kPath,  0, "content as Chunks"},
    {Type::kDiffCheckpoint,    "DiffCheckpoint",    kBroker, kService, kOpen, false, kPath,  0, "a diff as Chunks"},
    {Type::kRestoreCheckpoint, "RestoreCheckpoint", kBroker, kService, kOpen, false, kLarge, 0, "the tree, or names in it, as they were"},
    {Type::kDeleteCheckpoint,  "DeleteCheckpoint",  kBroker, kService, kOpen, false, kSmall, 0, "forgets one"},
    {Type::kChunk,          "Chunk",          kService, kBroker, kOpen, false, kLarge, 0, "a part of the answer"},
    {Type::kChunk,          "Chunk",          kBroker, kService, kOpen, false, kLarge, 0, "a part of the content to write"},
    {Type::kDone,           "Done",           kService, kBroker, kOpen, false, kLarge, 0, "the request succeeded, or why not"},
};
// clang-format on

// The row for a message of this type from `from` to `to`; null where the table has none.
constexpr const Row* find_row(Type type, Role from, Role to) {
    for (const Row& row : kRows)
        if (row.type == type && row.from == from && row.to == to) return &row;
    return nullptr;
}

}  // namespace toren::ipc
