#include "policy/namespaces.h"

#include <fcntl.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <net/if.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/unique_fd.h"

namespace toren {

const std::uint64_t kAllNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWCGROUP;
const std::uint64_t kCommandNamespaces = CLONE_NEWNS | CLONE_NEWPID;

namespace {

// Where the new root is put together. It must exist on every host; what is beneath it stays reachable, because every
// source was opened before it is covered.
constexpr const char* kStaging = "/tmp";

constexpr std::uint64_t kNoSetuidNoDevices = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

Result<> write_file(const char* path, const std::string& text) {
    UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return errno_error(std::string("user namespace: write ") + path);
    return Ok{};
}

// A detached copy of the host's mount at `source`, with everything mounted below it: whatever is mounted later over
// the way to it, or swapped on the way, no longer matters.
Result<UniqueFd> detached_copy(const Mount& mount) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    // A writable folder was canonical when it was configured; a link that a caged process has put there since is
    // refused.
    how.resolve = mount.kind == MountKind::kWritable ? RESOLVE_NO_SYMLINKS : 0;
    UniqueFd found(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, mount.source.c_str(), &how, sizeof how)));
    if (!found) return errno_error("mount namespace: open '" + mount.source + "'");
    UniqueFd tree(static_cast<int>(
        ::syscall(SYS_open_tree, found.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)));
    if (!tree) return errno_error("mount namespace: open_tree '" + mount.source + "'");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_NOSUID;
    if (mount.kind != MountKind::kDevice) attr.attr_set |= MOUNT_ATTR_NODEV;
    if (mount.kind == MountKind::kReadOnly) attr.attr_set |= MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0)
        return errno_error("mount namespace: mount_setattr '" + mount.source + "' (Linux 5.12 or newer is needed)");
    return tree;
}

Result<> make_folders(const std::string& path) {
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
        if (::mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST)
            return errno_error("mkdir '" + path.substr(0, slash) + "'");
    return Ok{};
}

Result<> make_folder(const std::string& path) {
    TRY(make_folders(path));
    if (::mkdir(path.c_str(), 0755) != 0 && errno != EEXIST) return errno_error("mkdir '" + path + "'");
    return Ok{};
}

Result<> make_file(const std::string& path, const std::string& content) {
    TRY(make_folders(path));
    UniqueFd file(::open(path.c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    if (!file || ::write(file.get(), content.data(), content.size()) != static_cast<ssize_t>(content.size()))
        return errno_error("create '" + path + "'");
    return Ok{};
}

Result<> attach(const UniqueFd& tree, const std::string& target) {
    struct stat about {};
    if (::fstat(tree.get(), &about) != 0) return errno_error("fstat '" + target + "'");
    if (S_ISDIR(about.st_mode)) TRY(make_folder(target));
    else TRY(make_file(target, ""));
    if (::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return errno_error("mount namespace: move_mount to '" + target + "'");
    return Ok{};
}

Result<> mount_new(const char* type, const std::string& target, unsigned long flags, const std::string& options) {
    TRY(make_folder(target));
    if (::mount(type, target.c_str(), type, flags, options.c_str()) != 0)
        return errno_error(std::string("mount namespace: mount ") + type + " on '" + target + "'");
    return Ok{};
}

Result<> put(const Mount& mount, const UniqueFd& tree) {
    const std::string target = kStaging + mount.target;
    switch (mount.kind) {
        case MountKind::kReadOnly:
        case MountKind::kWritable:
        case MountKind::kDevice: return attach(tree, target);
        case MountKind::kTmpfs:
            return mount_new("tmpfs", target, MS_NOSUID | MS_NODEV,
                             std::string("mode=") + mount.mode + ",size=" + std::to_string(mount.bytes) +
                                 // The kernel's own bound is half of the machine's pages: empty files cost memory, too.
                                 ",nr_inodes=" + std::to_string(std::max<std::uint64_t>(mount.bytes / 4096, 1024)));
        case MountKind::kProc: return mount_new("proc", target, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, "");
        case MountKind::kDevpts:
            return mount_new("devpts", target, MS_NOSUID | MS_NOEXEC, "newinstance,ptmxmode=0666,mode=0620");
        case MountKind::kSymlink:
            TRY(make_folders(target));
            if (::symlink(mount.source.c_str(), target.c_str()) != 0) return errno_error("symlink '" + target + "'");
            return Ok{};
        case MountKind::kFile: return make_file(target, mount.source);
    }
    return error("a mount of no kind");
}

bool of_the_host(MountKind kind) {
    return kind == MountKind::kReadOnly || kind == MountKind::kWritable || kind == MountKind::kDevice;
}

}  // namespace

Result<> map_own_ids(unsigned user, unsigned group) {
    const auto itself = [](unsigned id) { return std::to_string(id) + " " + std::to_string(id) + " 1"; };
    TRY(write_file("/proc/self/setgroups", "deny"));
    TRY(write_file("/proc/self/gid_map", itself(group)));
    return write_file("/proc/self/uid_map", itself(user));
}

void bound_objects(std::span<const ObjectLimit> limits) {
    for (const auto& [name, value] : limits)
        [[maybe_unused]] const auto done =
            write_file(("/proc/sys/user/" + std::string(name)).c_str(), std::to_string(value));
}

Result<> enter_root(const RootSpec& spec) {
    // Nothing that is mounted here may spread to the host.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return errno_error("mount namespace: make '/' private (is AppArmor restricting user namespaces?)");
    std::vector<UniqueFd> trees(spec.mounts.size());
    std::vector<bool> left_out(spec.mounts.size());
    for (std::size_t i = 0; i < spec.mounts.size(); ++i) {
        if (!of_the_host(spec.mounts[i].kind)) continue;
        auto tree = detached_copy(spec.mounts[i]);
        if (tree) trees[i] = std::move(*tree);
        else if (spec.mounts[i].optional && tree.error().code == ENOENT) left_out[i] = true;
        else return std::move(tree.error());
    }
    if (::mount("tmpfs", kStaging, "tmpfs", MS_NOSUID | MS_NODEV, "mode=0755,size=16m") != 0)
        return errno_error("mount namespace: mount tmpfs");
    for (std::size_t i = 0; i < spec.mounts.size(); ++i)
        if (!left_out[i]) TRY(put(spec.mounts[i], trees[i]));
    if (::chdir(kStaging) != 0) return errno_error("chdir to the new root");
    // The old root lands on top of the new one and is detached from there.
    if (::syscall(SYS_pivot_root, ".", ".") != 0) return errno_error("mount namespace: pivot_root");
    if (::umount2(".", MNT_DETACH) != 0) return errno_error("mount namespace: detach the old root");
    if (::chdir("/") != 0) return errno_error("chdir '/'");
    mount_attr read_only{};
    read_only.attr_set = MOUNT_ATTR_RDONLY | kNoSetuidNoDevices;
    if (::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &read_only, sizeof read_only) != 0)
        return errno_error("mount namespace: make the root read-only");
    return Ok{};
}

Result<> bring_loopback_up() {
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return errno_error("network namespace: socket");
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0) return errno_error("network namespace: loopback up");
    return Ok{};
}

Result<> mount_own_proc() {
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, nullptr) != 0)
        return errno_error("mount namespace: mount a fresh /proc");
    // It names the operator's keys to every process of his.
    if (::mount("/dev/null", "/proc/keys", nullptr, MS_BIND, nullptr) != 0 && errno != ENOENT)
        return errno_error("mount namespace: cover /proc/keys");
    return Ok{};
}

}  // namespace toren
