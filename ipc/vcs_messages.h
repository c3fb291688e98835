// What the broker asks the vcs worker, and the records that it answers with. Ids are lower-case hexadecimal. Paths are
// bytes: `path` is any place in the segment, and names the repository that it lies in; all others are relative to
// that repository's work tree. Text of commits is as git has it, mostly UTF-8.
#pragma once

#include <cstdint>
#include <string>
#include <tuple>
#include <vector>

#include "ipc/protocol.h"

namespace toren::ipc {

enum class VcsKind : std::uint8_t { kNone, kGit, kJj, kLast = kJj };

// A VcsRepository in Done, its kind and folder alone, whether or not libgit2 can open it.
struct VcsFind {
    static constexpr Type kType = Type::kVcsFind;
    std::string path;
    auto fields() { return std::tie(path); }
};

// --- status: VcsChange records in Chunks, a VcsRepository in Done

enum class VcsUntracked : std::uint8_t { kNone, kFolders, kAll, kLast = kAll };

struct VcsStatus {
    static constexpr Type kType = Type::kVcsStatus;
    std::string path;
    VcsUntracked untracked = VcsUntracked::kFolders;  // kFolders: an untracked folder is one entry that ends with '/'
    bool ignored = false;
    bool counts = false;  // ahead and behind, stashes: what no v1 client sees
    bool fresh = false;   // by a look at the whole work tree, whatever is known of it
    std::uint64_t skip = 0, max_changes = 0;
    auto fields() { return std::tie(path, untracked, ignored, counts, fresh, skip, max_changes); }
};

enum class VcsState : std::uint8_t {
    kNone,
    kModified,
    kAdded,
    kDeleted,
    kRenamed,
    kCopied,
    kTypeChanged,
    kUntracked,
    kIgnored,
    kLast = kIgnored
};

// Which sides have an entry, as git's two letters say it: DD, AU, UD, UA, DU, AA, UU.
enum class VcsConflict : std::uint8_t {
    kNone,
    kBothDeleted,
    kAddedByUs,
    kDeletedByThem,
    kAddedByThem,
    kDeletedByUs,
    kBothAdded,
    kBothModified,
    kLast = kBothModified
};

// A path that `git status` lists, with both of its letters.
struct VcsChange {
    std::string path;
    std::string old_path;              // of a renamed one
    VcsState index = VcsState::kNone;  // against the last commit
    VcsState work_tree = VcsState::kNone;
    VcsConflict conflict = VcsConflict::kNone;
    bool submodule = false;
    auto fields() { return std::tie(path, old_path, index, work_tree, conflict, submodule); }
};

// What is going on in it, from the files in .git that say so.
enum class VcsActivity : std::uint8_t {
    kNone,
    kMerge,
    kRevert,
    kCherryPick,
    kBisect,
    kRebase,
    kApplyMailbox,
    kLast = kApplyMailbox
};

struct VcsRepository {
    VcsKind kind = VcsKind::kNone;
    std::string folder;    // of the work tree, relative to the segment
    std::string head;      // the commit; "" before the first one
    std::string branch;    // its short name, born or not; "" where HEAD is detached
    std::string upstream;  // its short name, "" where there is none or it is gone
    std::uint64_t ahead = 0, behind = 0;
    VcsActivity activity = VcsActivity::kNone;
    std::string activity_branch;                        // that is being rebased, short
    std::string activity_head;                          // the commit that is merged, picked, reverted or rebased onto
    std::uint64_t activity_step = 0, activity_end = 0;  // of a rebase
    std::uint64_t stashes = 0;
    std::uint64_t changes = 0;  // in all, of which the answer has a part
    auto fields() {
        return std::tie(kind, folder, head, branch, upstream, ahead, behind, activity, activity_branch, activity_head,
                        activity_step, activity_end, stashes, changes);
    }
};

// --- differences: VcsFileDiff records in Chunks, a VcsDiffEnd in Done

enum class VcsSides : std::uint8_t {
    kHeadToWorkTree,   // tracked files, by way of the index: `git diff HEAD`
    kIndexToWorkTree,  // `git diff`
    kHeadToIndex,      // `git diff --cached`
    kRevisions,        // `from` and `to`
    kRevisionToWorkTree,
    kCommit,     // `to` against its first parent, or nothing where it has none
    kMergeBase,  // `to` against where it left `from`: git's `from...to`
    kLast = kMergeBase
};

struct VcsDiff {
    static constexpr Type kType = Type::kVcsDiff;
    std::string path;
    VcsSides sides = VcsSides::kHeadToWorkTree;
    std::string from, to;              // revisions, as `git rev-parse` takes them
    std::vector<std::string> files;    // only these, and what lies beneath them
    std::uint32_t context = 3;         // lines
    bool patch = true;                 // the text, and not the numbers alone
    std::uint64_t skip = 0;            // so many files were told in earlier pages
    std::uint64_t max_files = 0;       // 0: any number
    std::uint64_t max_bytes = 0;       // of patches in this answer
    std::uint64_t max_file_bytes = 0;  // of one file's; a longer one is left out and says so
    auto fields() {
        return std::tie(path, sides, from, to, files, context, patch, skip, max_files, max_bytes, max_file_bytes);
    }
};

struct VcsFileDiff {
    std::string path, old_path;  // equal where it was not renamed
    VcsState state = VcsState::kNone;
    std::uint32_t old_mode = 0, new_mode = 0;  // git's: 0100644, 0100755, 0120000, 0160000; 0: there is none
    std::string old_id, new_id;                // blobs; "" where there is none or it was not read
    bool binary = false;
    bool unreadable = false;  // a secret that the cage hides: not compared
    bool cut = false;         // its patch is longer than was asked for
    std::uint64_t additions = 0, deletions = 0;
    std::string patch;  // unified, from "diff --git" on
    auto fields() {
        return std::tie(path, old_path, state, old_mode, new_mode, old_id, new_id, binary, unreadable, cut, additions,
                        deletions, patch);
    }
};

struct VcsDiffEnd {
    bool more = false;        // files beyond these
    std::uint64_t files = 0;  // in all
    std::string from, to;     // the commits that the revisions named, "" for index and work tree
    auto fields() { return std::tie(more, files, from, to); }
};

// --- commits: VcsCommit records in Chunks, a VcsLogEnd in Done

struct VcsLog {
    static constexpr Type kType = Type::kVcsLog;
    std::string path;
    std::vector<std::string> revisions;  // from these on, HEAD where there is none; "^x" leaves out, "a..b" is both
    bool all = false;                    // from every branch and tag, too
    bool first_parent = false;
    std::string file;  // only commits that changed it, or something beneath it
    std::uint64_t skip = 0;
    std::uint64_t max_commits = 0;
    auto fields() { return std::tie(path, revisions, all, first_parent, file, skip, max_commits); }
};

struct VcsSignature {
    std::string name, email;
    std::int64_t time = 0;    // seconds since the epoch
    std::int32_t offset = 0;  // of its clock to UTC, minutes
    auto fields() { return std::tie(name, email, time, offset); }
};

struct VcsCommit {
    std::string id, tree;
    std::vector<std::string> parents;
    VcsSignature author, committer;
    std::string message;            // cut at kMostMessage
    std::vector<std::string> refs;  // full names of branches and tags that point to it
    static constexpr std::size_t kMostMessage = std::size_t{64} * 1024;
    auto fields() { return std::tie(id, tree, parents, author, committer, message, refs); }
};

struct VcsLogEnd {
    bool more = false;
    std::vector<std::string> from;  // the commits where it began, so that a next page begins there too; "^id": left out
    auto fields() { return std::tie(more, from); }
};

// --- content of a file in a revision, as Chunks; a VcsContentEnd in Done

struct VcsContent {
    static constexpr Type kType = Type::kVcsContent;
    std::string path;
    std::string file;
    std::string revision;    // or
    std::uint8_t stage = 0;  // of the index: 0, or of a conflict 1 (base), 2 (ours), 3 (theirs)
    std::uint64_t max_bytes = 0;
    auto fields() { return std::tie(path, file, revision, stage, max_bytes); }
};

struct VcsContentEnd {
    std::string id;
    std::uint32_t mode = 0;
    std::uint64_t size = 0;
    bool binary = false;
    auto fields() { return std::tie(id, mode, size, binary); }
};

// --- lists: records in Chunks

enum class VcsList : std::uint8_t {
    kRefs,       // VcsRef
    kConflicts,  // VcsConflicted
    kStashes,    // VcsStash
    kWorktrees,  // VcsWorktree
    kLast = kWorktrees
};

struct VcsLists {
    static constexpr Type kType = Type::kVcsLists;
    std::string path;
    VcsList list = VcsList::kRefs;
    bool counts = false;  // of branches: how far ahead and behind
    auto fields() { return std::tie(path, list, counts); }
};

struct VcsRef {
    std::string name;      // "refs/heads/main"
    std::string id;        // what it points to: a commit, or an annotated tag
    std::string commit;    // the commit behind it, "" where there is none
    std::string target;    // of a symbolic one
    std::string upstream;  // full name
    std::uint64_t ahead = 0, behind = 0;
    bool head = false;  // HEAD names it
    std::int64_t time = 0;
    std::string subject;  // of its commit, or of the tag: the lines before the first empty one
    auto fields() { return std::tie(name, id, commit, target, upstream, ahead, behind, head, time, subject); }
};

struct VcsSide {
    std::string path;  // "" where this side has none
    std::string id;
    std::uint32_t mode = 0;
    auto fields() { return std::tie(path, id, mode); }
};

struct VcsConflicted {
    VcsSide base, ours, theirs;
    auto fields() { return std::tie(base, ours, theirs); }
};

struct VcsStash {
    std::string id, message;
    std::int64_t time = 0;
    auto fields() { return std::tie(id, message, time); }
};

struct VcsWorktree {
    std::string path;    // absolute
    std::string head;    // the commit
    std::string branch;  // full name; "" where HEAD is detached
    bool locked = false, missing = false;
    auto fields() { return std::tie(path, head, branch, locked, missing); }
};

}  // namespace toren::ipc
