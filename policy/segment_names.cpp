#include "policy/segment_names.h"

#include <algorithm>
#include <cstdint>

namespace toren {
namespace {

bool equal_without_case(std::string_view a, std::string_view b) {
    const auto lower = [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; };
    return std::ranges::equal(a, b, {}, lower, lower);
}

// "/a//b/./c/" becomes "/a/b/c/"; the last slash stays, since "file/" asks for a folder.
std::string collapse(std::string_view path) {
    std::string out;
    bool ends_in_folder = false;
    while (!path.empty()) {
        path.remove_prefix(1);  // the slash
        const std::string_view part = path.substr(0, path.find('/'));
        path.remove_prefix(part.size());
        ends_in_folder = part.empty() || part == ".";
        if (!ends_in_folder) (out += '/') += part;
    }
    return ends_in_folder ? out + '/' : out;
}

// One code point from the front of `text`, which is not empty; nothing where the bytes are not UTF-8.
std::optional<std::uint32_t> take_code_point(std::string_view& text) {
    const auto byte = [&](std::size_t i) { return static_cast<unsigned char>(text[i]); };
    const unsigned char first = byte(0);
    const std::size_t length = first < 0x80   ? 1
                               : first < 0xc2 ? 0
                               : first < 0xe0 ? 2
                               : first < 0xf0 ? 3
                               : first < 0xf5 ? 4
                                              : 0;
    if (length == 0 || length > text.size()) return std::nullopt;
    std::uint32_t point = length == 1 ? first : first & (0xffu >> (length + 1));
    for (std::size_t i = 1; i < length; ++i) {
        if ((byte(i) & 0xc0) != 0x80) return std::nullopt;
        point = point << 6 | (byte(i) & 0x3fu);
    }
    const bool overlong = (length == 3 && point < 0x800) || (length == 4 && point < 0x10000);
    if (overlong || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff)) return std::nullopt;
    text.remove_prefix(length);
    return point;
}

}  // namespace

const char* source_name(Segment::Source source) {
    static constexpr const char* kNames[] = {"glob", "path", "root", "approved"};
    return kNames[source];
}

const Segment* find_segment_by_name(const SegmentSet& set, std::string_view name) {
    const Segment* similar = nullptr;
    std::size_t count = 0;
    for (const Segment& segment : set.segments) {
        if (segment.name == name) return &segment;
        if (!equal_without_case(segment.name, name)) continue;
        similar = &segment;
        ++count;
    }
    return count == 1 ? similar : nullptr;
}

bool is_within(std::string_view path, std::string_view folder) {
    if (folder == "/") return path.starts_with('/');
    return path.starts_with(folder) && (path.size() == folder.size() || path[folder.size()] == '/');
}

std::optional<PathInSegment> locate(const SegmentSet& set, std::string_view absolute_path) {
    // What follows a NUL would be seen here and not by the kernel.
    if (!absolute_path.starts_with('/') || absolute_path.find('\0') != absolute_path.npos) return std::nullopt;
    const std::string path = collapse(absolute_path);
    const Segment* deepest = nullptr;
    for (const Segment& segment : set.segments)
        if (is_within(path, segment.path) && (deepest == nullptr || segment.path.size() > deepest->path.size()))
            deepest = &segment;
    if (deepest == nullptr) return std::nullopt;
    std::string relative = path.size() > deepest->path.size() ? path.substr(deepest->path.size() + 1) : "";
    if (relative.empty()) relative = ".";
    return PathInSegment{deepest, std::move(relative)};
}

bool is_printable_utf8(std::string_view text) {
    while (!text.empty()) {
        const auto point = take_code_point(text);
        if (!point || *point < 0x20 || (*point >= 0x7f && *point <= 0x9f)) return false;
    }
    return true;
}

std::optional<WorkspaceAddress> split_workspace(std::string_view text) {
    const auto at = text.rfind('@');
    if (at == text.npos) return std::nullopt;
    return WorkspaceAddress{text.substr(0, at), text.substr(at + 1)};
}

std::string workspace_address(std::string_view segment, std::string_view workspace) {
    return std::string(segment) + '@' + std::string(workspace);
}

bool is_workspace_name(std::string_view name) { return is_segment_name(name) && name.find('@') == name.npos; }

bool is_segment_name(std::string_view name) {
    return !name.empty() && name.size() <= 100 && name.find('/') == name.npos && name.front() != '.' &&
           name.front() != '-' && name.front() != ' ' && name.back() != ' ' && is_printable_utf8(name);
}

}  // namespace toren
