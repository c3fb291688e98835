#include "policy/name_patterns.h"

#include <algorithm>
#include <climits>

namespace toren {
namespace {

// What of a pattern stands for one byte: a letter, `?`, or a `[…]` that is closed.
struct One {
    std::size_t length;
    bool fits;
};

One one_byte(std::string_view pattern, char byte) {
    if (pattern[0] != '[') return {1, pattern[0] == '?' || pattern[0] == byte};
    const auto ordinal = [](char letter) { return static_cast<unsigned char>(letter); };
    const bool inverted = pattern.size() > 1 && (pattern[1] == '!' || pattern[1] == '^');
    const std::size_t first = inverted ? 2 : 1;
    bool found = false;
    for (std::size_t at = first; at < pattern.size();) {
        if (pattern[at] == ']' && at > first) return {at + 1, found != inverted};
        const bool range = at + 2 < pattern.size() && pattern[at + 1] == '-' && pattern[at + 2] != ']';
        const char last = pattern[range ? at + 2 : at];
        found = found || (ordinal(pattern[at]) <= ordinal(byte) && ordinal(byte) <= ordinal(last));
        at += range ? 3 : 1;
    }
    return {1, byte == '['};  // not closed: a letter like any other
}

// Goes back to the last star alone, so its time is at most the product of the lengths.
bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = pattern.npos, after = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            after = t;
            continue;
        }
        const One one = p < pattern.size() ? one_byte(pattern.substr(p), text[t]) : One{0, false};
        if (one.fits) {
            p += one.length;
            ++t;
        } else if (star != pattern.npos) {
            p = star + 1;
            t = ++after;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == pattern.npos;
}

// Whether the last components of `path` match those of `pattern`, one by one.
bool ends_with_components(std::string_view path, std::string_view pattern) {
    while (!pattern.empty()) {
        if (path.empty()) return false;
        const auto wanted = pattern.rfind('/'), found = path.rfind('/');
        if (!matches(pattern.substr(wanted + 1), path.substr(found + 1))) return false;
        pattern = wanted == pattern.npos ? "" : pattern.substr(0, wanted);
        path = found == path.npos ? "" : path.substr(0, found);
    }
    return true;
}

std::string_view trim_slashes(std::string_view text) {
    while (text.starts_with('/')) text.remove_prefix(1);
    while (text.ends_with('/')) text.remove_suffix(1);
    return text;
}

}  // namespace

NamePatterns::NamePatterns(const std::vector<std::string>& patterns) {
    for (const std::string_view written : patterns) {
        const bool picks = !written.starts_with('!');
        const auto text = trim_slashes(written.substr(picks ? 0 : 1));
        if (text.empty()) continue;
        const auto slash = text.rfind('/');
        const auto name = slash == text.npos ? text : text.substr(slash + 1);
        patterns_.push_back({std::string(written), std::string(slash == text.npos ? "" : text.substr(0, slash)),
                             std::string(name), picks, shape_of(name)});
    }
}

const std::string* NamePatterns::picks(std::string_view folder, std::string_view name) const {
    const auto decides = [&](const Pattern& pattern) {
        return fits(pattern, name) && ends_with_components(folder, pattern.above);
    };
    const auto last = std::find_if(patterns_.rbegin(), patterns_.rend(), decides);
    return last != patterns_.rend() && last->picks ? &last->written : nullptr;
}

NamePatterns::Shape NamePatterns::shape_of(std::string_view name) {
    if (!has_wildcard(name)) return Shape::kLiteral;
    if (name.starts_with('*') && !has_wildcard(name.substr(1))) return Shape::kEnd;
    if (name.ends_with('*') && !has_wildcard(name.substr(0, name.size() - 1))) return Shape::kBeginning;
    return Shape::kAny;
}

// Every name of a tree is held against every pattern, so the common shapes take no search.
bool NamePatterns::fits(const Pattern& pattern, std::string_view name) {
    const std::string_view text = pattern.name;
    switch (pattern.shape) {
        case Shape::kLiteral: return name == text;
        case Shape::kEnd: return name.ends_with(text.substr(1));
        case Shape::kBeginning: return name.starts_with(text.substr(0, text.size() - 1));
        case Shape::kAny: break;
    }
    return matches(text, name);
}

bool has_wildcard(std::string_view pattern) { return pattern.find_first_of("*?[") != pattern.npos; }

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
