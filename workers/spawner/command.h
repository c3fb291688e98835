// The process that becomes the command. It gives up everything first and only then waits for what to execute, so
// the argument vector is parsed with no more rights than the command will have.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "base/unique_fd.h"
#include "ipc/messages.h"

namespace toren::spawner {

// Written to the failure pipe by a command that could not start; a pipe that ends empty says that it did.
struct StartFailure {
    ipc::StartStep step;
    std::int32_t code;
};

struct CommandEnds {
    UniqueFd start;
    UniqueFd segment;  // O_PATH, as this command's own mounts show it
    UniqueFd input;    // the pipe to read, where the command asks for one
    UniqueFd output;
    UniqueFd errors;
    UniqueFd terminal;  // its controlling terminal, in the place of all three
    UniqueFd failure;
};

// `ruleset`: the inherited descriptor of its Landlock ruleset, -1 where the operator allowed to run without.
// `passed`: environment beyond what every command gets.
[[noreturn]] void run_command(CommandEnds ends, int ruleset, const std::vector<std::string>& passed);

}  // namespace toren::spawner
