// Patterns of single file names, as in confinement.secrets: `*`, `?` and `[…]` as in a shell, a leading `!` for what
// stays visible; of a list, the last pattern that matches decides. Text alone: nothing is opened.
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace toren {

// The pattern of the list that decides about `name`; nullptr where none matches.
const std::string* deciding_pattern(const std::vector<std::string>& patterns, const std::string& name);

// Whether the pattern that decides is one without `!`.
bool matches_patterns(const std::vector<std::string>& patterns, const std::string& name);

// Why no file can have such a name ("must not hold '/'"), or "".
std::string pattern_problem(std::string_view pattern);
std::string name_problem(std::string_view name);

}  // namespace toren
