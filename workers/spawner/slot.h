// A slot: a command's own pid namespace, made before the command is known. Its init (command_init.h) and the process
// that will become the command are confined and wait; the argument vector goes straight from the broker to that
// process, so the spawner never sees it and a command costs no more than its exec.
#pragma once

#include <cstdint>

#include "base/child_process.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::spawner {

struct Slot {
    ChildProcess init;
    UniqueFd start;  // the broker's ends
    UniqueFd control;
    UniqueFd log;
};

Result<Slot> make_slot(std::uint64_t ring_bytes, bool landlock);

}  // namespace toren::spawner
