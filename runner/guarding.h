// What the init of a run asks of the watchdog.
#pragma once

#include "base/result.h"
#include "policy/usage.h"

namespace toren::runner {

// What everything in this pid namespace but its init uses.
Result<Usage> usage_of_cage(std::uint64_t exact_beyond);

}  // namespace toren::runner
