// Commits one after the other, in the order of `git log`.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ipc/vcs_messages.h"
#include "workers/vcs/libgit2.h"

namespace toren::vcs {

class Walk {
public:
    virtual ~Walk() = default;
    // GIT_ITEROVER at the end.
    virtual int next(git_oid& id) = 0;
};

// Where a walk begins, and what it leaves out.
struct WalkRange {
    std::vector<git_oid> from, without;
};

// From what the request names; HEAD where it names nothing. Before the first commit there is nothing.
int find_range(WalkRange& range, git_repository* git, const ipc::VcsLog& request);

// All commits of the range, or those that changed request.file: with git's simplification of history, so that of a
// merge that took a side's file as it was only this side is followed.
int begin_walk(std::unique_ptr<Walk>& walk, git_repository* git, const WalkRange& range, const ipc::VcsLog& request);

}  // namespace toren::vcs
