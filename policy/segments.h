// Segments found on disk, by the supervisor at start and after each creation.
// Invariant: no segment, root or approved folder is, holds or lies in a place whose loss would undo the cage
// (forbidden_places.h), whatever symbolic links led there.
// A canonical path is still only text: who opens it later must refuse links (openat2, RESOLVE_NO_SYMLINKS).
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/config.h"
#include "policy/segment_names.h"

namespace toren {

// `created`: absolute paths of folders made by create_segment_folder earlier, which the supervisor remembers.
Result<SegmentSet> discover_segments(const Config& config, const std::vector<std::string>& created,
                                     const std::string& state_dir, const std::string& home);

// Makes the folder `name` in `root`, one of set.roots, and returns its path. EINVAL: the name is not allowed,
// ENOENT: no such root, EEXIST: the folder, or a segment of that name, is there already.
Result<std::string> create_segment_folder(const SegmentSet& set, const std::string& root, const std::string& name);

}  // namespace toren
