// Patterns of file names, as in confinement.secrets: `*`, `?` and `[…]` as in a shell, a leading `!` for what stays
// visible; one with slashes speaks of the last components of a path (".docker/config.json"). Of a list, the last
// pattern that matches decides. Text alone: nothing is opened, and a name is bytes, whatever the locale.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace toren {

class NamePatterns {
public:
    NamePatterns() = default;
    explicit NamePatterns(const std::vector<std::string>& patterns);

    // The pattern, as it is written, that decides about `name` in `folder` (the way to it from its tree, without
    // slashes at its ends), if that is one without `!`; nullptr: the name is not picked.
    const std::string* picks(std::string_view folder, std::string_view name) const;

private:
    enum class Shape : std::uint8_t { kLiteral, kEnd, kBeginning, kAny };  // what of the name is fixed
    struct Pattern {
        std::string written;
        std::string above;  // the components before the last, joined by slashes
        std::string name;
        bool picks;
        Shape shape;
    };
    static Shape shape_of(std::string_view name);
    static bool fits(const Pattern& pattern, std::string_view name);

    std::vector<Pattern> patterns_;
};

bool has_wildcard(std::string_view pattern);

// Why no file can have such a name ("must not hold '/'"), or "".
std::string pattern_problem(std::string_view pattern);
std::string name_problem(std::string_view name);

}  // namespace toren
