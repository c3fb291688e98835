// The limits that the configuration gives, with what its zeros stand for on this machine.
#pragma once

#include "base/limits.h"
#include "policy/config.h"

namespace toren {

SegmentLimits segment_limits(const Config& config);
// Of a command under a built-in profile; a profile of the operator's own may differ (config_profiles.h).
CommandLimits limits_of_commands(const Config& config);

// What limits.memory_bytes = 0 stands for, and a profile's: half of this machine's memory.
std::uint64_t default_command_memory();

}  // namespace toren
