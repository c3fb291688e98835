// The init of one command's pid namespace: reaps, moves the command's output into the log, watches its limits, and when
// the command ends ends whatever it left behind. It holds no capability and no file; its filter allows it little more
// than read and kill.
#pragma once

#include "base/unique_fd.h"
#include "ipc/messages.h"
#include "ipc/output_log.h"
#include "policy/cgroup.h"

namespace toren::spawner {

struct InitEnds {
    UniqueFd start;
    UniqueFd control;
    ipc::LogWriter log;
};

// What the command gets: decided before the command is known.
struct CommandTerms {
    const ipc::CellSettings& cell;
    const ipc::SlotProfile& profile;
    const CommandGroup& group;
};

// Never returns; its own end is the end of every process in the namespace, by the kernel's hand.
[[noreturn]] void run_command_init(InitEnds ends, const CommandTerms& terms);

}  // namespace toren::spawner
