// jj as a command in the cage, for v2's jj.* and for v1's status.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "broker/broker.h"
#include "broker/problem.h"
#include "broker/task.h"

namespace toren::broker {

// v1's status of a Jujutsu repository that has no Git one beside it. `path` is a folder in it, relative to the segment.
// not_installed, or not_a_repository where jj finds none.
Task<Outcome<nlohmann::json>> jj_v1_status(Broker& broker, std::string segment, std::string path);

}  // namespace toren::broker
