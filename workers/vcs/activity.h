// What is going on in a repository: a merge, a rebase … git keeps that in files of .git.
#pragma once

#include "ipc/vcs_messages.h"
#include "workers/vcs/libgit2.h"

namespace toren::vcs {

// Fills the fields activity* of `repository`.
void tell_activity(ipc::VcsRepository& repository, git_repository* git);

}  // namespace toren::vcs
