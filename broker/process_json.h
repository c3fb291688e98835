// A process as clients are told of it (docs/protocol-v2.md, Processes).
#pragma once

#include <nlohmann/json_fwd.hpp>

#include "broker/process.h"

namespace toren::broker {

nlohmann::json process_json(const Process& process);

}  // namespace toren::broker
