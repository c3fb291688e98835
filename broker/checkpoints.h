// Checkpoints for the rest of the broker: what an agent's turn begins with.
#pragma once

#include <string>

#include "broker/broker.h"
#include "broker/problem.h"
#include "broker/task.h"
#include "ipc/messages.h"

namespace toren::broker {

// Records the segment's tree; an unchanged one is the last checkpoint again.
Task<Outcome<ipc::CheckpointMade>> make_checkpoint(Broker& broker, std::string segment, std::string label,
                                                   ipc::CheckpointReason reason);

}  // namespace toren::broker
