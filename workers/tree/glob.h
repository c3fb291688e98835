// Globs over paths, by characters: `*` and `?` within a name, `**` as a whole name across folders, `[a-z]`, `[!a]`, and
// `{a,b}` where asked for; `\` takes what follows as it is. Compiled to a program whose possible states are all
// followed side by side, so that no pattern costs more than its length for each character.
#pragma once

#include <cstdint>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace toren::workers {

class Glob {
public:
    // EINVAL: a bracket or brace that does not end, or a pattern of more than 1024 bytes.
    static Result<Glob> compile(std::string_view pattern, bool braces);

    bool matches(std::string_view path) const;

private:
    friend class GlobCompiler;
    enum class Op : std::uint8_t { kChar, kInName, kAny, kSet, kSplit, kJump, kMatch };
    struct Step {
        Op op;
        char32_t character = 0;
        std::uint32_t next = 0;   // kSplit, kJump
        std::uint32_t other = 0;  // kSplit: the second way; kSet: which
    };
    struct Set {
        bool negated = false;
        std::vector<std::pair<char32_t, char32_t>> ranges;
    };
    bool fits(const Step& step, char32_t character) const;

    std::vector<Step> steps_;
    std::vector<Set> sets_;
};

}  // namespace toren::workers
