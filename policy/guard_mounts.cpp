#include "policy/guard_mounts.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>

#include "policy/guards.h"
#include "policy/namespaces.h"

namespace toren {
namespace {

// Each mount is copied for every command; the kernel's own limit (fs.mount-max) is 100000 for a namespace.
constexpr unsigned kMostMounts = 20000;

// Folders of every cell's root (roles.cpp) one of which is laid over what must not be reached. Of the first that has no
// tree in it, a copy covers the hidden folder again, so that nobody sees a difference.
constexpr std::array kPlaces = {"/dev/shm", "/home/toren", "/tmp", "/dev/pts"};

constexpr unsigned kFlags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH;

Result<UniqueFd> open_exactly(const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
    if (!fd) return errno_error("guards: open '" + path + "'");
    return fd;
}

// A private copy of the mount at `fd`, with `attributes` added. Private, or what is mounted on the copy would appear
// in the tree as well.
Result<UniqueFd> copy_of(int fd, std::uint64_t attributes) {
    const unsigned flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH;
    unsigned recursive = 0;
    UniqueFd copy(static_cast<int>(::syscall(SYS_open_tree, fd, "", flags)));
    if (!copy && errno == EINVAL) {
        // A mount of the host's is below: the kernel does not let what it covers be uncovered.
        recursive = AT_RECURSIVE;
        copy.reset(static_cast<int>(::syscall(SYS_open_tree, fd, "", flags | recursive)));
    }
    if (!copy) return errno_error("guards: open_tree");
    mount_attr attr{};
    attr.attr_set = attributes;
    attr.propagation = MS_PRIVATE;
    if (::syscall(SYS_mount_setattr, copy.get(), "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) != 0)
        return errno_error("guards: mount_setattr");
    return copy;
}

Result<> move_onto(int mount, int target) {
    if (::syscall(SYS_move_mount, mount, "", target, "", kFlags) != 0) return errno_error("guards: move_mount");
    return Ok{};
}

Result<> share(int fd, unsigned recursive) {
    mount_attr attr{};
    attr.propagation = MS_SHARED;
    if (::syscall(SYS_mount_setattr, fd, "", AT_EMPTY_PATH | recursive, &attr, sizeof attr) != 0)
        return errno_error("guards: make a mount shared");
    return Ok{};
}

Result<UniqueFd> new_tmpfs() {
    UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "tmpfs", FSOPEN_CLOEXEC)));
    if (!context || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_SET_STRING, "mode", "0700", 0) != 0 ||
        ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return errno_error("guards: make a tmpfs");
    UniqueFd mount(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
                                              MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)));
    if (!mount) return errno_error("guards: fsmount");
    return mount;
}

Result<UniqueFd> open_in(int folder, const char* name) {
    UniqueFd fd(::openat(folder, name, O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return errno_error("guards: open a folder of copies");
    return fd;
}

bool lies_in(const std::string& path, const std::string& folder) {
    return path == folder || path.starts_with(folder + '/');
}

Result<std::string> free_place(const std::vector<std::string>& trees) {
    for (const std::string place : kPlaces) {
        bool free = ::access(place.c_str(), F_OK) == 0;
        for (const auto& tree : trees) free = free && !lies_in(tree, place) && !lies_in(place, tree);
        if (free) return place;
    }
    return error("guards: no folder of the cell's root is free to hide copies in");
}

}  // namespace

bool on_read_only_mount(int fd) {
    struct statvfs about {};
    return ::fstatvfs(fd, &about) == 0 && (about.f_flag & ST_RDONLY) != 0;
}

Result<GuardMounts> GuardMounts::prepare(const std::vector<std::string>& trees) {
    GuardMounts mounts;
    struct stat about {};
    if (::stat(kNothingFolder, &about) != 0) return errno_error(std::string("guards: stat '") + kNothingFolder + "'");
    mounts.device_ = about.st_dev;
    TRY_ASSIGN(const auto place, free_place(trees));
    TRY(mounts.attach(place));
    for (const auto& tree : trees) {
        TRY_ASSIGN(const auto root, open_exactly(tree));
        TRY(share(root.get(), AT_RECURSIVE));
    }
    return mounts;
}

// Two things keep the copies out of reach: a copy of the place lies over them, and their folder has mode 0 on a
// read-only mount.
Result<> GuardMounts::attach(const std::string& place) {
    TRY_ASSIGN(const auto covered, open_exactly(place));
    TRY_ASSIGN(const auto cover, copy_of(covered.get(), 0));
    TRY_ASSIGN(const auto root, new_tmpfs());
    if (::mkdirat(root.get(), "pins", 0700) != 0) return errno_error("guards: make the folder of copies");
    // Before Linux 6.15 what is not attached cannot be copied.
    TRY(move_onto(root.get(), covered.get()));
    TRY_ASSIGN(pins_, open_in(root.get(), "pins"));
    const UniqueFd locked(::openat(root.get(), ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!locked || ::fchmod(locked.get(), 0) != 0) return errno_error("guards: close the folder of copies");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, root.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return errno_error("guards: make the folder of copies read-only");
    TRY(share(root.get(), 0));
    return move_onto(cover.get(), covered.get());
}

Result<> GuardMounts::count() {
    if (++mounts_ <= kMostMounts) return Ok{};
    return error("guards: more than " + std::to_string(kMostMounts) + " mounts are needed");
}

Result<> GuardMounts::mask(int fd) {
    struct stat about {};
    if (::fstat(fd, &about) != 0) return errno_error("guards: fstat");
    if (is_mask(about.st_dev)) return Ok{};
    TRY(count());
    return cover_with_nothing(fd, S_ISDIR(about.st_mode));
}

Result<> GuardMounts::make_read_only(int fd) {
    if (on_read_only_mount(fd)) return Ok{};
    TRY(count());
    TRY_ASSIGN(const auto copy, copy_of(fd, MOUNT_ATTR_RDONLY));
    return move_onto(copy.get(), fd);
}

// The folder of the copies once more, where one can make folders in it. Only when it is needed: its end costs a grace
// period of RCU.
Result<> GuardMounts::open_pins() {
    if (pins_writable_) return Ok{};
    TRY_ASSIGN(pins_writable_, copy_of(pins_.get(), 0));
    mount_attr attr{};
    attr.attr_clr = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, pins_writable_.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return errno_error("guards: make a copy writable");
    return Ok{};
}

Result<> GuardMounts::pin(int fd) {
    if (on_read_only_mount(fd)) return Ok{};
    struct stat about {};
    if (::fstat(fd, &about) != 0) return errno_error("guards: fstat");
    const bool folder = S_ISDIR(about.st_mode);
    TRY(count());
    TRY_ASSIGN(const auto copy, copy_of(fd, MOUNT_ATTR_RDONLY));
    TRY(open_pins());
    const auto name = std::to_string(copies_++);
    const int made = folder ? ::mkdirat(pins_writable_.get(), name.c_str(), 0700)
                            : ::mknodat(pins_writable_.get(), name.c_str(), S_IFREG | 0600, 0);
    if (made != 0) return errno_error("guards: make a folder for a copy");
    TRY_ASSIGN(const auto target, open_in(pins_.get(), name.c_str()));
    TRY(move_onto(copy.get(), target.get()));
    return cover_with_nothing(copy.get(), folder);
}

Result<> follow_guards() {
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0)
        return errno_error("guards: follow the cell's mounts");
    return Ok{};
}

}  // namespace toren
