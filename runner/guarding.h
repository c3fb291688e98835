// What the init of a run asks of the guards and of the watchdog: the two places where it meets them.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/profile.h"
#include "policy/usage.h"

namespace toren::runner {

// Stands the guards of a cell in the trees that the cage shows. The cage is not used where that fails.
Result<> stand_guards(const std::string& segment, const Profile& profile);

// What everything in this pid namespace but its init uses.
Result<Usage> usage_of_cage(std::uint64_t exact_beyond);

}  // namespace toren::runner
