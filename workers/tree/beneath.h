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
// The same, and no symlink on the way either: ELOOP.
Result<UniqueFd> open_without_links(int folder, const std::string& path, int flags);

// A folder and a name in it.
struct Place {
    UniqueFd folder;  // O_PATH
    std::string name;
};

// Of a file: links that stay beneath are followed to the end, so that the name is no symlink.
// `create_parents`: folders on the way that are missing are made (0777 less the umask).
Result<Place> place_beneath(int segment, const std::string& path, bool create_parents);

// Of a name itself, whatever it is: only the way to it is followed. EBUSY: the path has no name of its own.
Result<Place> place_of_name(int segment, const std::string& path);

// The path without slashes at its end; its folder part ("." where there is none) and its last name.
struct SplitPath {
    std::string folder;
    std::string name;
};
SplitPath split_path(std::string path);

// Makes what happened to a folder's names lasting.
Result<> sync_folder(int folder);

}  // namespace toren::workers
