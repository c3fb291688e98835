#include "workers/tree/glob.h"

#include <algorithm>
#include <string>

#include "workers/tree/utf8.h"

namespace toren::workers {
namespace {

constexpr std::size_t kLongest = 1024;
constexpr int kDeepest = 16;           // braces within braces
constexpr char32_t kBadByte = 0xDC00;  // and the byte: what is no UTF-8 is a character of its own

char32_t take(std::string_view& text) {
    const auto first = static_cast<unsigned char>(text[0]);
    return take_character(text).value_or(kBadByte + first);
}

std::u32string characters(std::string_view text) {
    std::u32string all;
    all.reserve(text.size());
    while (!text.empty()) all += take(text);
    return all;
}

// [[:alpha:]] and its kind, as far as ASCII goes.
struct NamedClass {
    std::u32string_view name;
    std::vector<std::pair<char32_t, char32_t>> ranges;
};
const NamedClass kClasses[] = {
    {U"alpha", {{'a', 'z'}, {'A', 'Z'}}},
    {U"digit", {{'0', '9'}}},
    {U"alnum", {{'a', 'z'}, {'A', 'Z'}, {'0', '9'}}},
    {U"upper", {{'A', 'Z'}}},
    {U"lower", {{'a', 'z'}}},
    {U"space", {{' ', ' '}, {'\t', '\r'}}},
    {U"blank", {{' ', ' '}, {'\t', '\t'}}},
    {U"xdigit", {{'0', '9'}, {'a', 'f'}, {'A', 'F'}}},
    {U"punct", {{'!', '/'}, {':', '@'}, {'[', '`'}, {'{', '~'}}},
    {U"cntrl", {{0, 31}, {127, 127}}},
    {U"print", {{' ', '~'}}},
    {U"graph", {{'!', '~'}}},
};

}  // namespace

class GlobCompiler {
public:
    GlobCompiler(std::string_view pattern, bool braces) : text_(characters(pattern)), braces_(braces) {}

    Result<Glob> run() {
        if (!alternatives(0, true) || at_ < text_.size()) return Error{EINVAL, "a glob that is malformed"};
        emit({Glob::Op::kMatch});
        return std::move(glob_);
    }

private:
    using Op = Glob::Op;

    std::uint32_t here() const { return static_cast<std::uint32_t>(glob_.steps_.size()); }
    std::uint32_t emit(Glob::Step step) {
        glob_.steps_.push_back(step);
        return here() - 1;
    }
    bool more() const { return at_ < text_.size(); }
    bool ahead(std::u32string_view what) const { return std::u32string_view(text_).substr(at_).starts_with(what); }
    bool ends(std::size_t at, int depth) const {
        return at >= text_.size() || (depth > 0 && (text_[at] == '}' || text_[at] == ','));
    }

    // Zero or more times what `body` emits.
    template <typename Body>
    void repeat(Body body) {
        const auto split = emit({Op::kSplit});
        body();
        emit({Op::kJump, 0, split});
        glob_.steps_[split].next = split + 1;
        glob_.steps_[split].other = here();
    }

    // A sequence; within braces up to a comma or the brace's end.
    bool sequence(int depth, bool name_start) {
        while (more() && !ends(at_, depth)) {
            const char32_t c = text_[at_];
            if (c == '*') {
                name_start = stars(depth, name_start);
                continue;
            }
            ++at_;
            if (c == '?') emit({Op::kInName});
            else if (c == '[') {
                if (!set()) return false;
            } else if (c == '{' && braces_) {
                if (depth == kDeepest || !alternatives(depth + 1, name_start) || !more() || text_[at_] != '}')
                    return false;
                ++at_;
            } else if (c == '\\') {
                if (!more()) return false;
                emit({Op::kChar, text_[at_++]});
            } else {
                emit({Op::kChar, c});
            }
            name_start = c == '/';
        }
        return true;
    }

    // Whether a name begins behind them.
    bool stars(int depth, bool name_start) {
        std::size_t end = at_;
        while (end < text_.size() && text_[end] == '*') ++end;
        const bool across = name_start && end - at_ == 2;
        at_ = end;
        if (across && ends(end, depth)) {
            emit({Op::kAny});
            repeat([&] { emit({Op::kAny}); });
            return false;
        }
        if (across && text_[end] == '/') {
            ++at_;
            repeat([&] {
                emit({Op::kInName});
                repeat([&] { emit({Op::kInName}); });
                emit({Op::kChar, U'/'});
            });
            return true;
        }
        repeat([&] { emit({Op::kInName}); });
        return false;
    }

    // a,b,c: behind '{' up to '}', which stays; at depth 0 all of the pattern.
    bool alternatives(int depth, bool name_start) {
        std::vector<std::uint32_t> jumps;
        while (true) {
            const auto split = depth > 0 ? emit({Op::kSplit}) : 0;
            if (!sequence(depth, name_start)) return false;
            const bool another = depth > 0 && more() && text_[at_] == ',';
            if (depth == 0) return true;
            if (another) jumps.push_back(emit({Op::kJump}));
            glob_.steps_[split].next = split + 1;
            // The last one has no second way: both lead into it.
            glob_.steps_[split].other = another ? here() : split + 1;
            if (!another) break;
            ++at_;
        }
        for (const auto jump : jumps) glob_.steps_[jump].next = here();
        return true;
    }

    bool named_class(Glob::Set& set) {
        const auto end = text_.find(U":]", at_ + 2);
        if (!ahead(U"[:") || end == text_.npos) return false;
        const auto name = std::u32string_view(text_).substr(at_ + 2, end - at_ - 2);
        for (const auto& known : kClasses)
            if (known.name == name) {
                set.ranges.insert(set.ranges.end(), known.ranges.begin(), known.ranges.end());
                at_ = end + 2;
                return true;
            }
        return false;
    }

    bool set() {
        Glob::Set set;
        if (more() && (text_[at_] == '!' || text_[at_] == '^')) {
            set.negated = true;
            ++at_;
        }
        for (bool first = true; more() && (first || text_[at_] != ']'); first = false) {
            if (named_class(set)) continue;
            if (!bound(set.ranges)) return false;
        }
        if (!more()) return false;
        ++at_;
        glob_.sets_.push_back(std::move(set));
        emit({Op::kSet, 0, 0, static_cast<std::uint32_t>(glob_.sets_.size() - 1)});
        return true;
    }
    bool one(char32_t& c) {
        if (more() && text_[at_] == '\\') ++at_;
        if (!more()) return false;
        c = text_[at_++];
        return true;
    }
    bool bound(std::vector<std::pair<char32_t, char32_t>>& ranges) {
        char32_t from = 0;
        if (!one(from)) return false;
        char32_t to = from;
        if (at_ + 1 < text_.size() && text_[at_] == '-' && text_[at_ + 1] != ']') {
            ++at_;
            if (!one(to)) return false;
        }
        ranges.emplace_back(from, to);
        return true;
    }

    std::u32string text_;
    bool braces_;
    std::size_t at_ = 0;
    Glob glob_;
};

Result<Glob> Glob::compile(std::string_view pattern, bool braces) {
    if (pattern.size() > kLongest) return Error{EINVAL, "a glob of more than 1024 bytes"};
    return GlobCompiler(pattern, braces).run();
}

bool Glob::fits(const Step& step, char32_t character) const {
    switch (step.op) {
        case Op::kChar: return step.character == character;
        case Op::kInName: return character != '/';
        case Op::kAny: return true;
        case Op::kSet: {
            const Set& set = sets_[step.other];
            const bool within = std::any_of(set.ranges.begin(), set.ranges.end(), [&](const auto& range) {
                return range.first <= character && character <= range.second;
            });
            return character != '/' && within != set.negated;
        }
        default: return false;
    }
}

bool Glob::matches(std::string_view path) const {
    std::vector<std::uint32_t> now, then, open;
    std::vector<std::uint32_t> seen(steps_.size(), 0);  // the round in which a step was added last
    std::uint32_t round = 0;
    // A step and those that it leads to without a character.
    const auto add = [&](std::vector<std::uint32_t>& list, std::uint32_t first) {
        open.push_back(first);
        while (!open.empty()) {
            const auto at = open.back();
            open.pop_back();
            if (seen[at] == round) continue;
            seen[at] = round;
            const Step& step = steps_[at];
            if (step.op == Op::kSplit) open.push_back(step.other);
            if (step.op == Op::kSplit || step.op == Op::kJump) open.push_back(step.next);
            else list.push_back(at);
        }
    };
    ++round;
    add(now, 0);
    while (!path.empty() && !now.empty()) {
        const char32_t character = take(path);
        ++round;
        then.clear();
        for (const auto at : now)
            if (fits(steps_[at], character)) add(then, at + 1);
        now.swap(then);
    }
    return path.empty() && std::any_of(now.begin(), now.end(), [&](auto at) { return steps_[at].op == Op::kMatch; });
}

}  // namespace toren::workers
