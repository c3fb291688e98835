#include "workers/vcs/identity.h"

#include <tuple>

namespace toren::vcs {

bool Identity::operator==(const Identity& other) const {
    const auto all = [](const Identity& one) {
        return std::tie(one.device, one.inode, one.mode, one.size, one.modified.tv_sec, one.modified.tv_nsec,
                        one.changed.tv_sec, one.changed.tv_nsec);
    };
    return all(*this) == all(other);
}

Identity identity_of(const struct stat& about) {
    if (S_ISDIR(about.st_mode)) return {about.st_dev, about.st_ino, S_IFDIR, 0, {}, {}};
    return {about.st_dev, about.st_ino, about.st_mode, about.st_size, about.st_mtim, about.st_ctim};
}

Identity identity_of(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 ? identity_of(about) : Identity{};
}

}  // namespace toren::vcs
