// Writing all of it: a write of the kernel may take less.
#pragma once

#include <string_view>

#include "base/result.h"

namespace toren::workers {

Result<> write_all(int file, std::string_view bytes);

}  // namespace toren::workers
