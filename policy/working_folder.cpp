#include "policy/working_folder.h"

#include <fcntl.h>
#include <unistd.h>

#include <climits>

#include "base/unique_fd.h"
#include "policy/segment_names.h"

namespace toren {

Result<> enter_folder(int base, const std::string& path) {
    char root[PATH_MAX], here[PATH_MAX];
    if (::fchdir(base) != 0 || ::getcwd(root, sizeof root) == nullptr) return errno_error("enter the segment");
    const UniqueFd folder(::open(path.empty() ? "." : path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!folder || ::fchdir(folder.get()) != 0 || ::getcwd(here, sizeof here) == nullptr)
        return errno_error("cwd '" + path + "'");
    if (is_within(here, root)) return Ok{};
    [[maybe_unused]] const int back = ::fchdir(base);
    return Error{EXDEV, "cwd '" + path + "' leaves the segment"};
}

}  // namespace toren
