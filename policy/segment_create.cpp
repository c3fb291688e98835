// The one place where a client's text becomes a new folder: a name of one component, in a root of the operator's.
#include <fcntl.h>
#include <linux/openat2.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

#include "base/unique_fd.h"
#include "policy/segments.h"

namespace toren {

Result<std::string> create_segment_folder(const SegmentSet& set, const std::string& root, const std::string& name) {
    const std::string what = "create segment '" + name + "' in '" + root + '\'';
    if (!is_segment_name(name))
        return Error{EINVAL, what +
                                 ": a name has 1 to 100 bytes, no '/', no control character, and begins with "
                                 "neither '.', '-' nor a space"};
    if (std::ranges::find(set.roots, root) == set.roots.end())
        return Error{ENOENT, what + ": not one of the configured roots"};
    // The new folder must neither push another segment to "name-2" nor catch requests that were meant for one and
    // differ in case, as the old command line's do.
    for (const auto& segment : set.segments)
        if (::strcasecmp(segment.name.c_str(), name.c_str()) == 0)
            return Error{EEXIST, what + ": a segment of that name already exists"};

    open_how how{};
    how.flags = O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    const UniqueFd folder(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, root.c_str(), &how, sizeof how)));
    if (!folder) return errno_error(what + ": open the root");
    if (::mkdirat(folder.get(), name.c_str(), 0755) != 0)
        return errno_error(what + (errno == EEXIST ? ": already exists" : ""));
    return root + '/' + name;
}

}  // namespace toren
