// The init of a run's cage: makes the cage from inside, starts the command, reaps, and ends everything with it.
#pragma once

#include "runner/start.h"

namespace toren::runner {

// In the child of ChildProcess::fork(kAllNamespaces). Its own end is the end of every process in the cage.
[[noreturn]] void run_init(Start start);

}  // namespace toren::runner
