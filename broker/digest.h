// SHA-256 of what must not be guessed, or not be told by its name.
#pragma once

#include <string>
#include <string_view>

namespace toren::broker {

// 32 bytes.
std::string sha256(std::string_view bytes);

}  // namespace toren::broker
