// Characters of UTF-8, one after another.
#pragma once

#include <optional>
#include <string_view>

namespace toren::workers {

// Takes the next character off a text that is not empty; nothing, and one byte taken, where it is none.
std::optional<char32_t> take_character(std::string_view& text);
bool is_utf8(std::string_view text);

}  // namespace toren::workers
