// Where a confined command starts.
#pragma once

#include <string>

#include "base/result.h"

namespace toren {

// The working folder is `path` below what `base` (O_PATH) stands for, and nowhere else; EXDEV where it leads out. For a
// process that is confined already, which has no openat2: it goes there first and then asks the kernel where it is.
Result<> enter_folder(int base, const std::string& path);

}  // namespace toren
