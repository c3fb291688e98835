// Removes a folder with everything in it, whoever made it: however deep, whatever its modes. By descriptors; a symbolic
// link is removed and never followed.
#pragma once

#include <string>

#include "base/result.h"

namespace toren {

// `name` in the folder `parent`; what is not there is gone already. Whoever is at work in it meanwhile can hold it up
// or make it fail, and loses what he moves there; nothing else is touched.
Result<> remove_tree(int parent, const std::string& name);

}  // namespace toren
