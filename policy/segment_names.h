// Segments as names and texts: what the supervisor found, and what the broker looks up. Nothing here touches the
// file system: a match only chooses the worker, and openat2 in that worker judges the rest of the path.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace toren {

struct Segment {
    enum Source { kGlob, kPath, kRoot, kApproved };
    std::string name;       // unique in its set
    std::string path;       // absolute and canonical when it was found
    Source source = kPath;  // kApproved is served by path and not listed
};

// "glob", "path", "root", "approved"
const char* source_name(Segment::Source source);

struct SegmentSet {
    std::vector<Segment> segments;   // the listed ones in the order of their paths, then the approved folders
    std::vector<std::string> roots;  // canonical folders beneath which segments may be created
    std::vector<std::string> warnings;
};

// The exact name, else the only one that differs in ASCII case alone; the pointer lives as long as the set does.
const Segment* find_segment_by_name(const SegmentSet& set, std::string_view name);

struct PathInSegment {
    const Segment* segment = nullptr;
    std::string relative;  // "." for the segment itself; may hold "..", which RESOLVE_BENEATH judges
};

// The deepest segment that an absolute path's text lies in. Only `//` and `/./` are collapsed: cleaning `..` as
// text would be wrong wherever a symbolic link stands before it.
std::optional<PathInSegment> locate(const SegmentSet& set, std::string_view absolute_path);

// Whether `path` is `folder` or lies beneath it, component by component; both canonical.
bool is_within(std::string_view path, std::string_view folder);

// A name that create_segment_folder accepts and every client can show: 1 to 100 bytes of UTF-8, no '/', no
// control character, no '.' or '-' first, no space at either end.
bool is_segment_name(std::string_view name);

// A workspace is addressed as SEGMENT@NAME wherever a segment is named.
struct WorkspaceAddress {
    std::string_view segment, workspace;
};
// At the last '@'; nothing where there is none. A segment's own name may hold one: look for that first.
std::optional<WorkspaceAddress> split_workspace(std::string_view text);
std::string workspace_address(std::string_view segment, std::string_view workspace);

// A segment's name without '@'.
bool is_workspace_name(std::string_view name);

// Valid UTF-8 without control characters (C0, DEL, C1).
bool is_printable_utf8(std::string_view text);

}  // namespace toren
