#include "runner/hidden.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "base/unique_fd.h"

namespace toren::runner {
namespace {

// Where the covers are made, over what stands there and only for as long: the root is read-only already.
constexpr const char* kStaging = "/tmp";
constexpr const char* kFileCover = "/tmp/file";
constexpr const char* kFolderCover = "/tmp/folder";

Result<> make_covers() {
    if (::mount("tmpfs", kStaging, "tmpfs", MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0755,size=16k,nr_inodes=8") != 0)
        return errno_error("hide: mount tmpfs");
    const UniqueFd file(::open(kFileCover, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0));
    if (!file) return errno_error("hide: create a file");
    if (::mkdir(kFolderCover, 0) != 0) return errno_error("hide: create a folder");
    return Ok{};
}

Result<> cover(const std::string& path, const UniqueFd& found) {
    struct stat about {};
    if (::fstat(found.get(), &about) != 0) return errno_error("hide: fstat '" + path + "'");
    const char* with = S_ISDIR(about.st_mode) ? kFolderCover : kFileCover;
    const UniqueFd tree(
        static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, with, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC;
    if (!tree || ::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return errno_error("hide: make a cover");
    if (::syscall(SYS_move_mount, tree.get(), "", found.get(), "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) !=
        0)
        return errno_error("hide '" + path + "'");
    return Ok{};
}

}  // namespace

Result<> hide(const std::vector<std::string>& paths) {
    if (paths.empty()) return Ok{};
    std::vector<UniqueFd> found;
    for (const auto& path : paths) {
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_NO_SYMLINKS;
        found.emplace_back(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
        if (!found.back()) return errno_error("hide '" + path + "'");
    }
    TRY(make_covers());
    for (std::size_t i = 0; i < paths.size(); ++i) TRY(cover(paths[i], found[i]));
    if (::umount2(kStaging, MNT_DETACH) != 0) return errno_error("hide: umount");
    return Ok{};
}

}  // namespace toren::runner
