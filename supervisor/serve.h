// toren serve: what the command line hands to the supervisor.
#pragma once

#include <optional>
#include <string>

namespace toren::supervisor {

struct ServeOptions {
    std::optional<std::string> config;  // else the search order of policy/config.h
    std::optional<std::string> listen;  // HOST:PORT, over the configuration
    std::optional<std::string> state;   // else default_state_path()
};

// Runs until a signal ends it. Returns the exit status: 0 ended by a signal, 1 it could not go on, 2 bad input.
int serve(const ServeOptions& options);

}  // namespace toren::supervisor
