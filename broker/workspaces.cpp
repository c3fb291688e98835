#include "broker/workspaces.h"

#include <algorithm>

namespace toren::broker {
namespace {

constexpr const char* kSmall[] = {"Zero",     "One",     "Two",     "Three",     "Four",     "Five",    "Six",
                                  "Seven",    "Eight",   "Nine",    "Ten",       "Eleven",   "Twelve",  "Thirteen",
                                  "Fourteen", "Fifteen", "Sixteen", "Seventeen", "Eighteen", "Nineteen"};
constexpr const char* kTens[] = {"", "", "Twenty", "Thirty", "Forty", "Fifty", "Sixty", "Seventy", "Eighty", "Ninety"};

}  // namespace

std::string workspace_name(unsigned number) {
    if (number < std::size(kSmall)) return kSmall[number];
    if (number > 99) return std::to_string(number);
    std::string name = kTens[number / 10];
    if (number % 10 != 0) name += std::string("-") + kSmall[number % 10];
    return name;
}

std::string default_branch(const std::string& name) {
    std::string branch = "toren/";
    for (const char c : name) {
        if (c >= 'A' && c <= 'Z') branch += static_cast<char>(c - 'A' + 'a');
        else if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '_') branch += c;
        else branch += '-';
    }
    return branch;
}

std::optional<Workspace> Workspaces::find(const std::string& segment, const std::string& name) const {
    for (auto& workspace : store_.workspaces(segment))
        if (workspace.name == name) return std::move(workspace);
    return std::nullopt;
}

std::vector<Workspace> Workspaces::of_segment(const std::string& segment) const { return store_.workspaces(segment); }

std::optional<Segment> Workspaces::place(const std::string& segment, const std::string& name) const {
    const auto found = configured() ? find(segment, name) : std::nullopt;
    if (!found || !found->ready) return std::nullopt;
    return Segment{workspace_address(segment, name), path(segment, name), Segment::kPath};
}

SegmentSet Workspaces::places(std::string_view path) const {
    SegmentSet set;
    if (!configured() || !path.starts_with(root_)) return set;
    for (const auto& workspace : store_.workspaces())
        if (workspace.ready)
            set.segments.push_back({workspace_address(workspace.segment, workspace.name),
                                    this->path(workspace.segment, workspace.name), Segment::kPath});
    return set;
}

}  // namespace toren::broker
