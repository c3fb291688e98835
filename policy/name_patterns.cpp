#include "policy/name_patterns.h"

#include <fnmatch.h>

#include <algorithm>
#include <climits>

namespace toren {
namespace {

bool is_exception(const std::string& pattern) { return pattern.starts_with('!'); }

}  // namespace

const std::string* deciding_pattern(const std::vector<std::string>& patterns, const std::string& name) {
    const auto decides = [&](const std::string& pattern) {
        return ::fnmatch(pattern.c_str() + (is_exception(pattern) ? 1 : 0), name.c_str(), FNM_NOESCAPE) == 0;
    };
    const auto last = std::find_if(patterns.rbegin(), patterns.rend(), decides);
    return last == patterns.rend() ? nullptr : &*last;
}

bool matches_patterns(const std::vector<std::string>& patterns, const std::string& name) {
    const std::string* decides = deciding_pattern(patterns, name);
    return decides != nullptr && !is_exception(*decides);
}

std::string pattern_problem(std::string_view pattern) {
    if (pattern.starts_with('!')) pattern.remove_prefix(1);
    return name_problem(pattern);
}

std::string name_problem(std::string_view name) {
    if (name.empty() || name == "." || name == "..") return "is not the name of a file";
    if (name.find('/') != name.npos) return "must be a single name, without '/'";
    if (name.size() > NAME_MAX) return "is longer than a file's name can be";
    return {};
}

}  // namespace toren
