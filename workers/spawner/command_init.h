// The init of one command's pid namespace: reaps, moves the command's output into the log, and when the command ends
// ends whatever it left behind. It holds no capability and no file; its filter allows it little more than read and
// kill.
#pragma once

#include "base/unique_fd.h"
#include "ipc/output_log.h"

namespace toren::spawner {

// Never returns; its own end is the end of every process in the namespace, by the kernel's hand.
[[noreturn]] void run_command_init(UniqueFd start, UniqueFd control, ipc::LogWriter log, bool landlock);

}  // namespace toren::spawner
