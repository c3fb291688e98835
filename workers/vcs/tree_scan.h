// The first look at a work tree, as git takes it: by the stamps that the index keeps of each file, without a content.
// libgit2 then looks at what is in doubt alone; it reads a whole tree in twice git's time.
#pragma once

#include <git2.h>

#include <cstddef>
#include <optional>
#include <set>
#include <string>

#include "workers/vcs/identity.h"

namespace toren::vcs {

// The paths whose file may differ from the index's entry, and with `untracked` those that it has no entry for, a folder
// without any as one path. Nothing: there are more than `most`. `index_file`: of the index, as of when it was read;
// a file that was written no earlier is in doubt.
std::optional<std::set<std::string>> scan_tree(int work_tree, git_index* index, const Identity& index_file,
                                               bool untracked, std::size_t most);

}  // namespace toren::vcs
