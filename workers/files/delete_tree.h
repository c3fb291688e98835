// Removes a name and everything beneath it, by descriptors: a symlink is removed and never followed.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"

namespace toren::workers {

// Counts the names that it has removed, whether it comes to the end or not. ENOTEMPTY: a folder with something in it,
// and not `recursive`.
Result<> delete_tree(int folder, const std::string& name, bool recursive, std::uint64_t& deleted);

}  // namespace toren::workers
