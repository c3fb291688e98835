// One command in a cell, run by the supervisor itself, which stands in for the broker: for the self-probe alone.
#pragma once

#include <chrono>
#include <string>
#include <vector>

#include "ipc/messages.h"
#include "supervisor/caged_process.h"

namespace toren::supervisor {

struct ProbeCommand {
    ipc::Exited exited;
    std::string output, errors;  // bounded; what is beyond is dropped
};

// Waits for the cell, takes one slot of it and starts `argv` in the segment's folder. By `deadline` it is over.
Result<ProbeCommand> run_in_cell(CagedProcess& cell, std::vector<std::string> argv,
                                 std::chrono::steady_clock::time_point deadline);

}  // namespace toren::supervisor
