#include "policy/name_patterns.h"

#include <fnmatch.h>

#include <algorithm>
#include <climits>

namespace toren {
namespace {

bool is_exception(const std::string& pattern) { return pattern.starts_with('!'); }

// As many of the path's last components as the pattern has.
std::string last_components(std::string_view path, std::string_view pattern) {
    std::size_t start = path.size();
    for (auto wanted = std::ranges::count(pattern, '/') + 1; wanted > 0; --wanted) {
        if (start == 0) return {};
        const auto slash = path.rfind('/', start - 1);
        start = slash == path.npos ? 0 : slash;
    }
    return std::string(path.substr(path[start] == '/' ? start + 1 : start));
}

}  // namespace

const std::string* deciding_pattern(const std::vector<std::string>& patterns, std::string_view path) {
    const auto decides = [&](const std::string& written) {
        const char* pattern = written.c_str() + (is_exception(written) ? 1 : 0);
        return ::fnmatch(pattern, last_components(path, pattern).c_str(), FNM_NOESCAPE | FNM_PATHNAME) == 0;
    };
    const auto last = std::find_if(patterns.rbegin(), patterns.rend(), decides);
    return last == patterns.rend() ? nullptr : &*last;
}

bool matches_patterns(const std::vector<std::string>& patterns, std::string_view path) {
    const std::string* decides = deciding_pattern(patterns, path);
    return decides != nullptr && !is_exception(*decides);
}

std::string pattern_problem(std::string_view pattern) {
    if (pattern.starts_with('!')) pattern.remove_prefix(1);
    for (std::size_t start = 0; start <= pattern.size();) {
        const auto end = std::min(pattern.find('/', start), pattern.size());
        if (auto problem = name_problem(pattern.substr(start, end - start)); !problem.empty()) return problem;
        start = end + 1;
    }
    return {};
}

std::string name_problem(std::string_view name) {
    if (name.empty() || name == "." || name == "..") return "is not the name of a file";
    if (name.find('/') != name.npos) return "must be a single name, without '/'";
    if (name.size() > NAME_MAX) return "is longer than a file's name can be";
    return {};
}

}  // namespace toren
