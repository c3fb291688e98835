// What clients ask of a repository, answered by the vcs worker, through libgit2, or by git itself in the cage: where
// libgit2 cannot be right (external filters, SHA-256, sparse index, promised objects) and where a client wants it so.
#pragma once

#include <string>
#include <vector>

#include "broker/operation.h"
#include "ipc/vcs_messages.h"

namespace toren::broker {

enum class VcsEngine { kAuto, kLibgit2, kGit };

struct VcsQuestion {
    Broker& broker;
    std::string segment;
    VcsEngine engine = VcsEngine::kAuto;
    StreamSink* sink = nullptr;  // of the client that waits
};

template <typename Record, typename End>
struct VcsFound {
    std::vector<Record> records;
    End end;
    bool by_git = false;
};
struct VcsNoEnd {
    auto fields() { return std::tie(); }
};

using VcsStatusFound = VcsFound<ipc::VcsChange, ipc::VcsRepository>;
using VcsDiffFound = VcsFound<ipc::VcsFileDiff, ipc::VcsDiffEnd>;
using VcsLogFound = VcsFound<ipc::VcsCommit, ipc::VcsLogEnd>;
struct VcsContentFound {
    std::string bytes;
    ipc::VcsContentEnd end;
    bool by_git = false;
};
template <typename Record>
using VcsListFound = VcsFound<Record, VcsNoEnd>;

Task<Outcome<VcsStatusFound>> read_status(VcsQuestion question, ipc::VcsStatus request);
Task<Outcome<VcsDiffFound>> read_diff(VcsQuestion question, ipc::VcsDiff request);
Task<Outcome<VcsLogFound>> read_log(VcsQuestion question, ipc::VcsLog request);
Task<Outcome<VcsContentFound>> read_content(VcsQuestion question, ipc::VcsContent request);
Task<Outcome<VcsListFound<ipc::VcsRef>>> read_refs(VcsQuestion question, ipc::VcsLists request);
Task<Outcome<VcsListFound<ipc::VcsConflicted>>> read_conflicts(VcsQuestion question, ipc::VcsLists request);
Task<Outcome<VcsListFound<ipc::VcsStash>>> read_stashes(VcsQuestion question, ipc::VcsLists request);
Task<Outcome<VcsListFound<ipc::VcsWorktree>>> read_worktrees(VcsQuestion question, ipc::VcsLists request);

// The work tree that a path of the segment lies in, relative to the segment; not_a_repository where there is none.
Task<Outcome<std::string>> find_repository(VcsQuestion question, std::string path);

}  // namespace toren::broker
