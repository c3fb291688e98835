// Toren's other programs, opened once at start beside the running one: an unpacked folder works anywhere, and a
// program that is replaced on disk later never mixes with those that run.
#pragma once

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::supervisor {

struct Programs {
    UniqueFd broker;
    UniqueFd spawner;
    UniqueFd files_worker;
    UniqueFd vcs_worker;
    UniqueFd checkpoint_worker;
    UniqueFd probe;

    static Result<Programs> open_beside_this_one();
};

}  // namespace toren::supervisor
