// Revisions as clients name them, and what libgit2's objects say about themselves.
#pragma once

#include <cstddef>
#include <map>
#include <string>
#include <vector>

#include "ipc/vcs_messages.h"
#include "workers/vcs/libgit2.h"

namespace toren::vcs {

std::string hex(const git_oid& id);     // "" for the zero id
std::string text_of(const char* text);  // "" for null

// The short name of a branch, a remote's branch or a tag.
std::string short_name(std::string name);

// The object that a revision names, peeled to `type`. Clients' text; never read as an option or a path.
int resolve(Owned<git_object>& object, git_repository* git, const std::string& revision, git_object_t type);
int head_commit(Owned<git_object>& commit, git_repository* git);  // GIT_EUNBORNBRANCH before the first one

ipc::VcsSignature signature_of(const git_signature* signature);

// The branch that HEAD names, born or not; "" where it is detached.
int head_branch(std::string& name, git_repository* git);

// The tracking branch of a local one: "refs/remotes/origin/main", or "" where there is none or it is gone.
std::string upstream_of(git_repository* git, const std::string& branch);

// Which branches and tags point to a commit: by the commit's id.
int refs_by_commit(std::map<std::string, std::vector<std::string>>& refs, git_repository* git);

}  // namespace toren::vcs
