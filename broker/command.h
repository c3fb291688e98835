// One slot of a cell from the broker's side: what starts the command in it, its control channel, its output log.
// Process (process.h) is what is made of it.
#pragma once

#include <cstdint>
#include <memory>

#include "base/result.h"
#include "base/unique_fd.h"
#include "broker/async_channel.h"
#include "ipc/messages.h"
#include "ipc/output_log.h"

namespace toren::broker {

struct Command {
    std::uint32_t slot = 0;
    ipc::Channel start;    // closed once it was started
    AsyncChannel control;  // its end, and the spawner's where it keeps one, are the end of the process tree
    std::shared_ptr<const ipc::LogView> log;
    UniqueFd log_memory;  // for the spawner, where it is to be kept

    // Takes over what a Slot message carried; `start` is nothing for one that another broker has started.
    static Result<std::shared_ptr<Command>> from_slot(std::uint32_t id, UniqueFd start, UniqueFd control, UniqueFd log);
};

}  // namespace toren::broker
