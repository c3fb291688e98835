// The questions that the vcs worker answers. All of them only read: no index is refreshed on disk, no object written.
// What each record means stands in ipc/vcs_messages.h. A refusal as kUnsupported or kBroken is one that git itself may
// be able to answer: libgit2 knows no external filters, no SHA-256, no sparse index, no promised objects.
#pragma once

#include <functional>
#include <string_view>

#include "ipc/vcs_messages.h"
#include "workers/vcs/repositories.h"

namespace toren::vcs {

template <typename Record>
using Sink = std::function<void(const Record&)>;
using TextSink = std::function<void(std::string_view)>;

// Which repository a path lies in: found by its folder, not opened.
Answer answer_find(Repositories& repositories, const ipc::VcsFind& request);

// What `git status` lists, and in Done the state of the repository.
Answer answer_status(Repositories& repositories, const ipc::VcsStatus& request, const Sink<ipc::VcsChange>& sink);

Answer answer_diff(Repositories& repositories, const ipc::VcsDiff& request, const Sink<ipc::VcsFileDiff>& sink);

// In the order of `git log`.
Answer answer_log(Repositories& repositories, const ipc::VcsLog& request, const Sink<ipc::VcsCommit>& sink);

Answer answer_content(Repositories& repositories, const ipc::VcsContent& request, const TextSink& sink);

// One sink for each kind of list.
struct ListSinks {
    Sink<ipc::VcsRef> refs;
    Sink<ipc::VcsConflicted> conflicts;
    Sink<ipc::VcsStash> stashes;
    Sink<ipc::VcsWorktree> worktrees;
};
Answer answer_lists(Repositories& repositories, const ipc::VcsLists& request, const ListSinks& sinks);

}  // namespace toren::vcs
