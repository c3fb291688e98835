// `toren run`: one command in the cage that a daemon's commands have, without a daemon.
#pragma once

#include "runner/options.h"

namespace toren::runner {

// What this program's own failures end with, as env(1), timeout(1) and docker do.
inline constexpr int kFailed = 125, kTimedOut = 124, kNotExecutable = 126, kNotFound = 127;

// The exit status of this process: the command's code, or 128 and its signal, or one of the above.
int run(const Options& options);

}  // namespace toren::runner
