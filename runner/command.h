// The process that becomes the command: it takes its streams and its terminal, gives up every right, and executes.
#pragma once

#include <string>

#include "base/unique_fd.h"
#include "runner/start.h"

namespace toren::runner {

struct CommandEnds {
    int ruleset = -1;  // -1: without Landlock
    int folder = -1;   // that Request::beneath starts at
    int terminal = -1;
    int go = -1;       // the tracer closes its end when it is ready; -1: there is none
    int failure = -1;  // takes a StartFailure; closed by exec
};

// In the child that the init has just forked.
[[noreturn]] void run_command(const Start& start, const CommandEnds& ends);

}  // namespace toren::runner
