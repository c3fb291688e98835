// Paths of a cage that are covered: a folder by an empty one, a file by an empty one, neither to be read nor written.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"

namespace toren::runner {

// In a process with CAP_SYS_ADMIN of its cage's user namespace. A path that is not there is an error: what should be
// hidden was probably meant differently.
Result<> hide(const std::vector<std::string>& paths);

}  // namespace toren::runner
