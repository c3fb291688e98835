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
    CommandLimits limits;                 // of the profile and of what was asked for, the lower of each
    std::uint16_t rows = 0, columns = 0;  // of its terminal; 0: it has pipes
};

// Never returns; its own end is the end of every process in the namespace, by the kernel's hand.
// `group`: the cgroup that the command is born into, with its meter; -1 and an empty one where there is none.
[[noreturn]] void run_command_init(InitEnds ends, const CommandTerms& terms, int group, GroupMeter meter);

}  // namespace toren::spawner
