// Removes a folder with everything in it, whoever made it: however deep, whatever its modes. By descriptors; a symbolic
// link is removed and never followed.
#pragma once

#include <string>

#include "base/result.h"

namespace toren {

// `name` in the folder `parent`; what is not there is gone already. Nobody else may be at work in it.
Result<> remove_tree(int parent, const std::string& name);

}  // namespace toren
