// The two questions that the vcs worker answers. Both only read: no index is refreshed on disk, no object is written.
#pragma once

#include <functional>
#include <string_view>

#include "ipc/messages.h"
#include "workers/vcs/repositories.h"

namespace toren::vcs {

using EntrySink = std::function<void(const ipc::VcsEntry&)>;
using TextSink = std::function<void(std::string_view)>;

// A header, then what `git status` lists, each file with the state that counts (the table in status.cpp). Paths are
// relative to the repository's root, their bytes as they are; an untracked folder is one entry that ends with '/'.
Answer answer_status(Repositories& repositories, const ipc::VcsStatus& request, const EntrySink& sink);

// The patch that `git diff HEAD` gives: index and work tree against the last commit (against nothing before the
// first one), tracked files only.
Answer answer_diff(Repositories& repositories, const ipc::VcsDiff& request, const TextSink& sink);

}  // namespace toren::vcs
