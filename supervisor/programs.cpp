#include "supervisor/programs.h"

#include <fcntl.h>

#include <climits>
#include <string>
#include <utility>

namespace toren::supervisor {

Result<Programs> Programs::open_beside_this_one() {
    char self[PATH_MAX];
    const ssize_t length = ::readlink("/proc/self/exe", self, sizeof self);
    if (length <= 0) return errno_error("readlink '/proc/self/exe'");
    const std::string path(self, static_cast<std::size_t>(length));
    const std::string folder = path.substr(0, path.rfind('/') + 1);
    Programs programs;
    for (const auto& [slot, name] : {std::pair{&programs.broker, "toren-broker"},
                                     {&programs.spawner, "toren-spawner"},
                                     {&programs.files_worker, "toren-files-worker"},
                                     {&programs.vcs_worker, "toren-vcs-worker"},
                                     {&programs.checkpoint_worker, "toren-checkpoint-worker"},
                                     {&programs.probe, "toren-probe"}}) {
        slot->reset(::open((folder + name).c_str(), O_PATH | O_CLOEXEC));
        if (!*slot) return errno_error("open '" + folder + name + "'");
    }
    return programs;
}

}  // namespace toren::supervisor
