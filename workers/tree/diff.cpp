#include "workers/tree/diff.h"

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <unordered_map>

namespace toren::workers {
namespace {

constexpr int kMostEdits = 1500;                 // the trace takes the square of it, times four bytes
constexpr std::uint64_t kMostWork = 20'000'000;  // comparisons of lines
constexpr std::size_t kContext = 3;

using Numbers = std::vector<std::uint32_t>;

// A run of lines of the old text that a run of the new one replaces.
struct Change {
    std::size_t old_at, old_count, new_at, new_count;
};

// Which lines of the old text go and which of the new one come, by the shortest way from one to the other. False where
// that would take too much work.
bool shortest_edit(const Numbers& a, const Numbers& b, std::vector<bool>& gone, std::vector<bool>& come) {
    const int n = static_cast<int>(a.size()), m = static_cast<int>(b.size());
    const int most = std::min(kMostEdits, n + m);
    std::vector<int> furthest(static_cast<std::size_t>(2 * most + 2), 0);
    const auto at = [&](int k) -> int& { return furthest[static_cast<std::size_t>(k + most)]; };
    std::vector<std::vector<int>> trace;
    std::uint64_t work = 0;
    for (int d = 0; d <= most; ++d) {
        trace.emplace_back(&at(-d), &at(d) + 1);
        for (int k = -d; k <= d; k += 2) {
            int x = d == 0 ? 0 : k == -d || (k != d && at(k - 1) < at(k + 1)) ? at(k + 1) : at(k - 1) + 1;
            int y = x - k;
            while (x < n && y < m && a[static_cast<std::size_t>(x)] == b[static_cast<std::size_t>(y)]) ++x, ++y, ++work;
            at(k) = x;
            if (++work > kMostWork) return false;
            if (x < n || y < m) continue;
            // Back along the trace.
            for (int step = d; step > 0; --step) {
                const auto& before = trace[static_cast<std::size_t>(step)];
                const auto value = [&](int i) { return before[static_cast<std::size_t>(i + step)]; };
                const int diagonal = x - y;
                const bool down = diagonal == -step || (diagonal != step && value(diagonal - 1) < value(diagonal + 1));
                const int from = down ? diagonal + 1 : diagonal - 1;
                x = value(from);
                y = x - from;
                if (down) come[static_cast<std::size_t>(y)] = true;
                else gone[static_cast<std::size_t>(x)] = true;
            }
            return true;
        }
    }
    return false;
}

// Equal lines get one number, so that lines are compared at once.
void number_lines(const std::vector<std::string_view>& lines,
                  std::unordered_map<std::string_view, std::uint32_t>& known, Numbers& numbers) {
    numbers.reserve(lines.size());
    for (const auto line : lines)
        numbers.push_back(known.try_emplace(line, static_cast<std::uint32_t>(known.size())).first->second);
}

std::vector<Change> changes_between(const std::vector<std::string_view>& before,
                                    const std::vector<std::string_view>& after) {
    std::size_t head = 0, tail = 0;
    const std::size_t shorter = std::min(before.size(), after.size());
    while (head < shorter && before[head] == after[head]) ++head;
    while (tail < shorter - head && before[before.size() - 1 - tail] == after[after.size() - 1 - tail]) ++tail;
    const std::vector<std::string_view> a(before.begin() + static_cast<long>(head),
                                          before.end() - static_cast<long>(tail)),
        b(after.begin() + static_cast<long>(head), after.end() - static_cast<long>(tail));
    if (a.empty() && b.empty()) return {};
    std::unordered_map<std::string_view, std::uint32_t> known;
    Numbers old_numbers, new_numbers;
    number_lines(a, known, old_numbers);
    number_lines(b, known, new_numbers);
    std::vector<bool> gone(a.size() + 1), come(b.size() + 1);
    if (!shortest_edit(old_numbers, new_numbers, gone, come)) return {{head, a.size(), head, b.size()}};
    std::vector<Change> changes;
    for (std::size_t x = 0, y = 0; x < a.size() || y < b.size();) {
        if (!gone[x] && !come[y]) {
            ++x, ++y;
            continue;
        }
        Change change{head + x, 0, head + y, 0};
        while (gone[x]) ++x, ++change.old_count;
        while (come[y]) ++y, ++change.new_count;
        changes.push_back(change);
    }
    return changes;
}

void put_line(std::string& out, char mark, std::string_view line) {
    out += mark;
    out += line;
    if (!line.ends_with('\n')) out += "\n\\ No newline at end of file\n";
}

std::string range(std::size_t at, std::size_t count) {
    // An empty range is named by the line before it.
    const auto first = std::to_string(count == 0 ? at : at + 1);
    return count == 1 ? first : first + ',' + std::to_string(count);
}

// As git does: a name with control characters, quotes or backslashes is quoted as in C.
std::string quoted(const std::string& name) {
    std::string text;
    bool special = false;
    for (const char c : name) {
        const auto byte = static_cast<unsigned char>(c);
        if (byte < 0x20 || byte >= 0x7f) {
            char octal[5];
            std::snprintf(octal, sizeof octal, "\\%03o", byte);
            text += octal;
        } else {
            if (c == '"' || c == '\\') text += '\\';
            text += c;
        }
        special = special || byte < 0x20 || byte == 0x7f || c == '"' || c == '\\';
    }
    return special ? '"' + text + '"' : name;
}

}  // namespace

std::vector<std::string_view> split_lines(std::string_view text) {
    std::vector<std::string_view> lines;
    while (!text.empty()) {
        const auto end = text.find('\n');
        lines.push_back(text.substr(0, end == text.npos ? end : end + 1));
        text.remove_prefix(lines.back().size());
    }
    return lines;
}

std::string unified_diff(std::string_view before, std::string_view after, const std::string& path, bool made,
                         bool removed) {
    const auto old_lines = split_lines(before), new_lines = split_lines(after);
    const auto changes = changes_between(old_lines, new_lines);
    if (changes.empty()) return "";
    std::string out = "--- " + (made ? std::string("/dev/null") : quoted("a/" + path)) + "\n+++ " +
                      (removed ? std::string("/dev/null") : quoted("b/" + path)) + '\n';
    for (std::size_t first = 0; first < changes.size();) {
        // Changes whose contexts touch are one hunk.
        std::size_t last = first;
        while (last + 1 < changes.size() &&
               changes[last + 1].old_at - (changes[last].old_at + changes[last].old_count) <= 2 * kContext)
            ++last;
        const std::size_t lead = std::min(kContext, changes[first].old_at);
        const std::size_t old_start = changes[first].old_at - lead, new_start = changes[first].new_at - lead;
        const std::size_t behind = changes[last].old_at + changes[last].old_count;
        const std::size_t old_end = std::min(old_lines.size(), behind + kContext);
        const std::size_t new_end = changes[last].new_at + changes[last].new_count + (old_end - behind);
        out += "@@ -" + range(old_start, old_end - old_start) + " +" + range(new_start, new_end - new_start) + " @@\n";
        std::size_t at = old_start;
        for (; first <= last; ++first) {
            const Change& change = changes[first];
            for (; at < change.old_at; ++at) put_line(out, ' ', old_lines[at]);
            for (std::size_t i = 0; i < change.old_count; ++i) put_line(out, '-', old_lines[at++]);
            for (std::size_t i = 0; i < change.new_count; ++i) put_line(out, '+', new_lines[change.new_at + i]);
        }
        for (; at < old_end; ++at) put_line(out, ' ', old_lines[at]);
    }
    return out;
}

}  // namespace toren::workers
