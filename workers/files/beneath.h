// Resolution beneath a segment: every path is a text that only the kernel interprets, from one directory descriptor,
// in the same call that opens. There is no check before use, so there is nothing to win by swapping a link in between.
#pragma once

#include <fcntl.h>

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::workers {

// openat2 with RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS. EXDEV: the path, or a link on it, leaves the segment.
Result<UniqueFd> open_beneath(int folder, const std::string& path, int flags, mode_t mode = 0);

// A file's folder and its own name, where the name is no symlink: links that stay beneath are followed to the end.
struct Place {
    UniqueFd folder;  // O_PATH
    std::string name;
};

// `create_parents`: folders on the way that are missing are made (0777 less the umask).
Result<Place> place_beneath(int segment, const std::string& path, bool create_parents);

}  // namespace toren::workers
