// A slot: a command's own pid namespace, made before the command is known. Its init (command_init.h) and the process
// that will become the command are confined and wait; the argument vector goes straight from the broker to that
// process, so the spawner never sees it and a command costs no more than its exec.
#pragma once

#include <cstdint>

#include "base/child_process.h"
#include "base/result.h"
#include "base/unique_fd.h"
#include "ipc/messages.h"
#include "policy/cgroup.h"

namespace toren::spawner {

struct Slot {
    Group group;  // where a cgroup subtree is delegated; before its init, so that it ends after it
    ChildProcess init;
    UniqueFd start;  // the broker's ends
    UniqueFd control;
    UniqueFd log;
};

Result<Slot> make_slot(std::uint32_t id, const ipc::CellSettings& cell, const ipc::NewSlot& wanted);

}  // namespace toren::spawner
