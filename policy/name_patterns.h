// Patterns of file names, as in confinement.secrets: `*`, `?` and `[…]` as in a shell, a leading `!` for what stays
// visible; one with slashes speaks of the last components of a path (".docker/config.json"). Of a list, the last
// pattern that matches decides. Text alone: nothing is opened.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace toren {

// The pattern of the list that decides about a relative path, by its last components; nullptr where none matches.
const std::string* deciding_pattern(const std::vector<std::string>& patterns, std::string_view path);

// Whether the pattern that decides is one without `!`.
bool matches_patterns(const std::vector<std::string>& patterns, std::string_view path);

// Why no file can have such a name ("must not hold '/'"), or "".
std::string pattern_problem(std::string_view pattern);
std::string name_problem(std::string_view name);

}  // namespace toren
