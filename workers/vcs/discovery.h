// Which repository a path of the segment lies in. The way down is made of descriptors, one per level, so that the way
// up meets the folders that the kernel resolved and no text is trusted; it ends at the segment, never above.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ipc/vcs_messages.h"

namespace toren::vcs {

struct Found {
    ipc::VcsKind kind = ipc::VcsKind::kNone;
    std::string folder;  // relative to the segment, without links; "" is the segment
    UniqueFd dot_git;    // O_PATH of the folder's .git: a folder or a gitfile; none beside a .jj that has no Git one
};

// Git's own rules: at each level .jj first, then .git; a .git folder without a HEAD is none. ENOENT: no such path.
// EXDEV: the path, or a link on it, leaves the segment.
Result<Found> discover(int segment, const std::string& path);

}  // namespace toren::vcs
