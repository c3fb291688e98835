#include "workers/files/patch.h"

#include <charconv>
#include <optional>
#include <vector>

#include "workers/files/search.h"
#include "workers/tree/diff.h"

namespace toren::workers {
namespace {

using ipc::Failure;
using Lines = std::vector<std::string_view>;

struct Hunk {
    std::size_t old_start = 0, old_count = 1, new_start = 0, new_count = 1;
    Lines before, after;
};

PatchFailure malformed(const std::string& why) { return {Failure::kMalformed, "the diff " + why}; }

bool number(std::string_view& text, std::size_t& value) {
    const auto [end, failed] = std::from_chars(text.data(), text.data() + text.size(), value);
    if (failed != std::errc() || value > 0x7fffffff) return false;
    text.remove_prefix(static_cast<std::size_t>(end - text.data()));
    return true;
}

bool skip(std::string_view& text, std::string_view what) {
    if (!text.starts_with(what)) return false;
    text.remove_prefix(what.size());
    return true;
}

// @@ -1,2 +3,4 @@ anything
bool parse_header(std::string_view line, Hunk& hunk) {
    return skip(line, "@@ -") && number(line, hunk.old_start) && (!skip(line, ",") || number(line, hunk.old_count)) &&
           skip(line, " +") && number(line, hunk.new_start) && (!skip(line, ",") || number(line, hunk.new_count)) &&
           line.starts_with(" @@");
}

// "\ No newline at end of file", in whatever language.
bool is_no_newline(std::string_view line) { return line.starts_with("\\ "); }

void cut_newline(Lines& lines) {
    if (!lines.empty() && lines.back().ends_with('\n')) lines.back().remove_suffix(1);
}

// Takes the lines of a hunk, as many as its header counts.
bool parse_body(const Lines& lines, std::size_t& at, Hunk& hunk) {
    while (hunk.before.size() < hunk.old_count || hunk.after.size() < hunk.new_count) {
        if (at == lines.size()) return false;
        const auto line = lines[at++];
        // An empty context line whose blank an editor has cut off.
        const char mark = line == "\n" || line == "\r\n" ? ' ' : line[0];
        const auto text = line == "\n" || line == "\r\n" ? line : line.substr(1);
        if (mark != ' ' && mark != '-' && mark != '+') return false;
        if (mark != '+') hunk.before.push_back(text);
        if (mark != '-') hunk.after.push_back(text);
        if (hunk.before.size() > hunk.old_count || hunk.after.size() > hunk.new_count) return false;
        if (at == lines.size() || !is_no_newline(lines[at])) continue;
        ++at;
        if (mark != '+') cut_newline(hunk.before);
        if (mark != '-') cut_newline(hunk.after);
        if (mark != '+' && hunk.before.size() < hunk.old_count) return false;
        if (mark != '-' && hunk.after.size() < hunk.new_count) return false;
    }
    return true;
}

std::variant<std::vector<Hunk>, PatchFailure> parse(std::string_view diff) {
    const Lines lines = split_lines(diff);
    std::vector<Hunk> hunks;
    for (std::size_t at = 0; at < lines.size();) {
        const auto line = lines[at];
        if (line.starts_with("@@")) {
            Hunk hunk;
            if (!parse_header(line, hunk))
                return malformed("has a hunk header that is none: " + std::string(line.substr(0, 80)));
            if (!parse_body(lines, ++at, hunk))
                return malformed("has a hunk that is not as long as it says, number " + std::to_string(hunks.size()));
            hunks.push_back(std::move(hunk));
            continue;
        }
        if (!hunks.empty() && (line.starts_with("--- ") || line.starts_with("diff ") || line.starts_with("Index: ")))
            return malformed("is of more than one file");
        if (!hunks.empty() && (line[0] == ' ' || line[0] == '+' || line[0] == '-') && line != "-- \n")
            return malformed("has a hunk that is longer than it says, number " + std::to_string(hunks.size() - 1));
        if (line.starts_with("+++ /dev/null")) return malformed("removes the file");
        ++at;
    }
    if (hunks.empty()) return malformed("has no hunk");
    return hunks;
}

// A line without an end can only be the last, in what comes of it too.
bool ends_well(const Lines& lines, std::size_t at, const Hunk& hunk) {
    const auto open = [](const Lines& side) { return !side.empty() && !side.back().ends_with('\n'); };
    const bool at_end = at + hunk.before.size() == lines.size();
    if (open(hunk.after) && !at_end) return false;
    return !hunk.before.empty() || at == 0 || hunk.after.empty() || lines[at - 1].ends_with('\n');
}

bool fits(const Lines& lines, std::size_t at, const Hunk& hunk) {
    if (at > lines.size() || hunk.before.size() > lines.size() - at) return false;
    for (std::size_t i = 0; i < hunk.before.size(); ++i)
        if (lines[at + i] != hunk.before[i]) return false;
    return ends_well(lines, at, hunk);
}

// Where it fits from `from` on: how many places, counted to two, and the first.
std::size_t places(const Lines& lines, std::size_t from, const Hunk& hunk, std::size_t& first) {
    std::size_t count = 0;
    each_match(lines, from, hunk.before, [&](std::size_t at) {
        if (ends_well(lines, at, hunk) && count++ == 0) first = at;
        return count < 2;
    });
    return count;
}

}  // namespace

bool makes_file(std::string_view diff) {
    const auto hunks = parse(diff);
    const auto* found = std::get_if<std::vector<Hunk>>(&hunks);
    return found != nullptr && found->size() == 1 && (*found)[0].old_start == 0 && (*found)[0].before.empty();
}

std::variant<Patched, PatchFailure> apply_patch(std::string_view before, std::string_view diff) {
    auto parsed = parse(diff);
    if (auto* failure = std::get_if<PatchFailure>(&parsed)) return std::move(*failure);
    const auto& hunks = std::get<std::vector<Hunk>>(parsed);
    const Lines lines = split_lines(before);
    std::string text;
    std::size_t done = 0;      // lines that are in the result
    std::ptrdiff_t moved = 0;  // how far the last hunk was from where it said
    for (std::size_t i = 0; i < hunks.size(); ++i) {
        const Hunk& hunk = hunks[i];
        // An empty range is named by the line before it.
        const auto said = static_cast<std::ptrdiff_t>(hunk.old_start) - (hunk.old_count == 0 ? 0 : 1);
        const auto expected = said + moved;
        std::size_t at = 0;
        if (expected >= static_cast<std::ptrdiff_t>(done) && fits(lines, static_cast<std::size_t>(expected), hunk)) {
            at = static_cast<std::size_t>(expected);
        } else {
            const std::size_t count = hunk.before.empty() ? 0 : places(lines, done, hunk, at);
            if (count != 1)
                return PatchFailure{
                    count == 0 ? Failure::kNoMatch : Failure::kAmbiguous,
                    "hunk " + std::to_string(i) + (count == 0 ? " fits nowhere" : " fits in more than one place"),
                    {static_cast<std::uint32_t>(i), count}};
        }
        for (; done < at; ++done) text += lines[done];
        for (const auto line : hunk.after) text += line;
        done = at + hunk.before.size();
        moved = static_cast<std::ptrdiff_t>(at) - said;
    }
    for (; done < lines.size(); ++done) text += lines[done];
    return Patched{std::move(text)};
}

}  // namespace toren::workers
