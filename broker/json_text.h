// JSON text straight into a buffer: the hot way out, where building a document would cost more than the command.
#pragma once

#include <string>
#include <string_view>

namespace toren::broker {

// Appends a quoted JSON string. Bytes that are not UTF-8 become U+FFFD, one for each maximal part (invariant 9).
void append_json_string(std::string& out, std::string_view bytes);

bool is_utf8(std::string_view bytes);

// Whether brackets nest no deeper than `depth`; strings are skipped, nothing else is judged.
bool nests_at_most(std::string_view json, int depth);

// How many bytes of `text`, at most `limit`, can be cut off without cutting a UTF-8 sequence in two.
std::size_t cut_at_character(std::string_view text, std::size_t limit);

// Bytes as text that JSON can carry; what is no UTF-8 is marked.
std::string printable(const std::string& bytes);

}  // namespace toren::broker
