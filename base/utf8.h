// UTF-8, judged by Unicode's table 3-7.
#pragma once

#include <cstddef>
#include <string_view>

namespace toren {

// The length of the sequence at the start of `rest`, which is not empty; or 0, with `bad` the length of the maximal
// part that is to be replaced as one.
std::size_t utf8_sequence(std::string_view rest, std::size_t& bad);

// Whether one sequence is a control character: C0, DEL or C1 (terminals take U+009B for ESC [).
bool is_control(std::string_view sequence);

}  // namespace toren
