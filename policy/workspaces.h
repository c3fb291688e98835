// Workspaces on disk: WORKSPACE_ROOT/SEGMENT/NAME, each a git worktree of its segment's repository. The supervisor
// makes and removes the folders; git, in the cage, fills them. Invariant: nothing here follows a symbolic link below
// the root or in a repository, and of what agents can write only worktrees/*/gitdir is read, to compare it with a text
// that is known.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/config.h"
#include "policy/segment_names.h"

namespace toren {

// Canonical, made (0700) where it is missing; "" where none is configured. It may neither lie in a segment nor hold
// one: a workspace would see what it must not, or be seen.
Result<std::string> find_workspace_root(const Config& config, const SegmentSet& segments, const std::string& state_dir,
                                        const std::string& home);

// The `.git` folder of a segment. ENOENT: none is there; EOPNOTSUPP: a gitfile, a link, or jj's.
Result<std::string> common_repository(const Segment& segment);

struct WorkspaceFolder {
    std::string name;
    std::string path;
    bool empty = false;  // made, and not filled
    bool plain = false;  // the repository's entry has no configuration of its own
    std::string entry;   // what the repository calls it (.git/worktrees/ENTRY); "": it does not know it
};

// The folders of a segment's workspaces; none where there is no folder for the segment.
Result<std::vector<WorkspaceFolder>> list_workspaces(const std::string& root, const Segment& segment);
// ENOENT: there is no such folder.
Result<WorkspaceFolder> find_workspace(const std::string& root, const Segment& segment, const std::string& name);

// A new empty folder, 0700. EINVAL: the name; EEXIST: something is there.
Result<std::string> create_workspace_folder(const std::string& root, const Segment& segment, const std::string& name);

// The folder with all that is in it, and the repository's entry of it: guards hold that in every cell, so no command
// could. What is gone already is no error. It may take long, and nothing may run in the workspace any more.
Result<> remove_workspace(const std::string& root, const Segment& segment, const std::string& name);

}  // namespace toren
