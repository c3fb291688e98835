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
#include <string>
#include <vector>

#include "base/child_process.h"
#include "base/unique_fd.h"
#include "policy/ways_out.h"

namespace toren {

const std::uint64_t kAllNamespaces =
    CLONE_NEWUSER | CLONE_NEWNS | CLONE_NEWPID | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS;
const std::uint64_t kCommandNamespaces = CLONE_NEWNS | CLONE_NEWPID;

namespace {

// Where the new root is put together. It must exist on every host; what is beneath it stays reachable, because every
// source was opened before it is covered.
constexpr const char* kStaging = "/tmp";

constexpr std::uint64_t kNoSetuidNoDevices = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;

Result<> write_file(const char* path, const std::string& text) {
    UniqueFd file(::open(path, O_WRONLY | O_CLOEXEC));
    if (!file || ::write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return layer_error(Feature::kUserNamespace, std::string("write ") + path);
    return Ok{};
}

// Which feature a mount call that just failed was short of: the call itself, or the rights to use it.
Feature mount_feature(Feature call) { return errno == EPERM || errno == EACCES ? Feature::kNamespaceRights : call; }

// A detached copy of the host's mount at `source`, with everything mounted below it: whatever is mounted later over
// the way to it, or swapped on the way, no longer matters.
Result<UniqueFd> detached_copy(const Mount& mount) {
    if (mount.kind == MountKind::kCopy) {
        UniqueFd file(::open(mount.source.c_str(), O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
        if (!file) return errno_error("open '" + mount.source + "'");
        return file;
    }
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    // What is writable, or lies where a command may write, was canonical when it was configured; a link that a caged
    // process has put there since is refused.
    how.resolve = mount.canonical || mount.kind == MountKind::kWritable ? RESOLVE_NO_SYMLINKS : 0;
    UniqueFd found(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, mount.source.c_str(), &how, sizeof how)));
    if (!found)
        return layer_error(errno == ENOSYS ? Feature::kOpenat2 : Feature::kRealPath, "open '" + mount.source + "'");
    UniqueFd tree(static_cast<int>(
        ::syscall(SYS_open_tree, found.get(), "", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_EMPTY_PATH | AT_RECURSIVE)));
    if (!tree) return layer_error(mount_feature(Feature::kMountApi), "open_tree '" + mount.source + "'");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_NOSUID;
    if (mount.kind != MountKind::kDevice) attr.attr_set |= MOUNT_ATTR_NODEV;
    if (mount.kind == MountKind::kReadOnly) attr.attr_set |= MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0)
        return layer_error(mount_feature(Feature::kMountSetattr), "mount_setattr '" + mount.source + "'");
    return tree;
}

// The folders above `path`. Most mounts share them with the one before: those are not asked for again.
Result<> make_folders(const std::string& path) {
    static std::string made;  // up to its last slash
    const std::size_t shared = static_cast<std::size_t>(std::ranges::mismatch(made, path).in1 - made.begin());
    for (std::size_t slash = path.find('/', 1); slash != std::string::npos; slash = path.find('/', slash + 1))
        if (slash >= shared && ::mkdir(path.substr(0, slash).c_str(), 0755) != 0 && errno != EEXIST)
            return errno_error("mkdir '" + path.substr(0, slash) + "'");
    made = path.substr(0, path.rfind('/') + 1);
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

Result<> make_copy(const std::string& path, const UniqueFd& file) {
    std::string content(kLargestCopy + 1, '\0');
    const ssize_t length = ::read(file.get(), content.data(), content.size());
    if (length < 0) return errno_error("read for '" + path + "'");
    if (length > kLargestCopy) return Error{EFBIG, "read for '" + path + "'"};  // it grew since it was chosen
    return make_file(path, content.substr(0, static_cast<std::size_t>(length)));
}

// For a mount to stand on: never opened.
Result<> make_empty_file(const std::string& path) {
    TRY(make_folders(path));
    if (::mknod(path.c_str(), S_IFREG | 0644, 0) != 0 && errno != EEXIST) return errno_error("create '" + path + "'");
    return Ok{};
}

Result<> attach(const UniqueFd& tree, const std::string& target) {
    struct stat about {};
    if (::fstat(tree.get(), &about) != 0) return errno_error("fstat '" + target + "'");
    if (S_ISDIR(about.st_mode)) TRY(make_folder(target));
    else TRY(make_empty_file(target));
    if (::syscall(SYS_move_mount, tree.get(), "", AT_FDCWD, target.c_str(), MOVE_MOUNT_F_EMPTY_PATH) != 0)
        return layer_error(mount_feature(Feature::kMountApi), "move_mount to '" + target + "'");
    return Ok{};
}

Result<> mount_new(Feature feature, const char* type, const std::string& target, unsigned long flags,
                   const std::string& options) {
    TRY(make_folder(target));
    if (::mount(type, target.c_str(), type, flags, options.c_str()) != 0)
        return layer_error(feature, std::string("mount ") + type + " on '" + target + "'");
    return Ok{};
}

// It names the operator's keys to every process of his.
Result<> cover_keys(const std::string& proc) {
    if (::mount("/dev/null", (proc + "/keys").c_str(), nullptr, MS_BIND, nullptr) != 0 && errno != ENOENT)
        return layer_error(Feature::kFreshProc, "cover /proc/keys");
    return Ok{};
}

Result<> put(const Mount& mount, const UniqueFd& tree) {
    const std::string target = kStaging + mount.target;
    switch (mount.kind) {
        case MountKind::kReadOnly:
        case MountKind::kWritable:
        case MountKind::kDevice: return attach(tree, target);
        case MountKind::kTmpfs:
            // The kernel's own bound on files is half of the machine's pages: empty ones cost memory, too.
            return mount_new(Feature::kNamespaceRights, "tmpfs", target, MS_NOSUID | MS_NODEV,
                             std::string("mode=") + mount.mode + ",size=" + std::to_string(mount.bytes) +
                                 ",nr_inodes=" + std::to_string(std::max<std::uint64_t>(mount.bytes / 4096, 1024)));
        case MountKind::kProc:
            TRY(mount_new(Feature::kFreshProc, "proc", target, MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, ""));
            return cover_keys(target);
        case MountKind::kDevpts:
            return mount_new(Feature::kNamespaceRights, "devpts", target, MS_NOSUID | MS_NOEXEC,
                             "newinstance,ptmxmode=0666,mode=0620");
        case MountKind::kSymlink:
            TRY(make_folders(target));
            if (::symlink(mount.source.c_str(), target.c_str()) != 0) return errno_error("symlink '" + target + "'");
            return Ok{};
        case MountKind::kFile: return make_file(target, mount.source);
        case MountKind::kCopy: return make_copy(target, tree);
    }
    return error("a mount of no kind");
}

Result<> make_nothing() {
    const std::string file = std::string(kStaging) + kNothingFile, folder = std::string(kStaging) + kNothingFolder;
    TRY(make_file(file, ""));
    TRY(make_folder(folder));
    if (::chmod(file.c_str(), 0) != 0 || ::chmod(folder.c_str(), 0) != 0) return errno_error("chmod '" + folder + "'");
    return Ok{};
}

bool of_the_host(MountKind kind) {
    return kind == MountKind::kReadOnly || kind == MountKind::kWritable || kind == MountKind::kDevice ||
           kind == MountKind::kCopy;
}

}  // namespace

Error refused_namespaces(int code) {
    if (code == ENOSYS) return layer_error(Feature::kClone3, "clone3", code);
    const auto user_alone = ChildProcess::fork(CLONE_NEWUSER);
    if (user_alone && !*user_alone) ::_exit(0);
    if (!user_alone) return layer_error(Feature::kUserNamespace, "clone3 with CLONE_NEWUSER", code);
    return layer_error(Feature::kOtherNamespaces, "clone3 with every kind of namespace", code);
}

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

Result<UniqueFd> mount_nowhere(const std::string& folder) {
    UniqueFd tree(
        static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, folder.c_str(),
                                   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | AT_SYMLINK_NOFOLLOW)));
    if (!tree) return layer_error(mount_feature(Feature::kMountApi), "open_tree '" + folder + "'");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_NOEXEC | kNoSetuidNoDevices;
    if (::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) != 0)
        return layer_error(mount_feature(Feature::kMountSetattr), "mount_setattr '" + folder + "'");
    return tree;
}

Result<> enter_root(const RootSpec& spec) {
    // Nothing that is mounted here may spread to the host.
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0)
        return layer_error(Feature::kNamespaceRights, "make '/' private in the mount namespace");
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
        return layer_error(Feature::kNamespaceRights, "mount tmpfs in the mount namespace");
    for (std::size_t i = 0; i < spec.mounts.size(); ++i)
        if (!left_out[i]) TRY(put(spec.mounts[i], trees[i]));
    TRY(make_nothing());
    if (::chdir(kStaging) != 0) return errno_error("chdir to the new root");
    // The old root lands on top of the new one and is detached from there.
    if (::syscall(SYS_pivot_root, ".", ".") != 0)
        return layer_error(Feature::kNamespaceRights, "pivot_root in the mount namespace");
    if (::umount2(".", MNT_DETACH) != 0)
        return layer_error(Feature::kNamespaceRights, "detach the old root in the mount namespace");
    if (::chdir("/") != 0) return errno_error("chdir '/'");
    mount_attr read_only{};
    read_only.attr_set = MOUNT_ATTR_RDONLY | kNoSetuidNoDevices;
    if (::syscall(SYS_mount_setattr, AT_FDCWD, "/", 0, &read_only, sizeof read_only) != 0)
        return layer_error(mount_feature(Feature::kMountSetattr), "make the root read-only");
    return Ok{};
}

Result<> bring_loopback_up() {
    UniqueFd socket(::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    if (!socket) return layer_error(Feature::kOtherNamespaces, "socket in the network namespace");
    ifreq request{};
    request.ifr_name[0] = 'l';
    request.ifr_name[1] = 'o';
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    if (::ioctl(socket.get(), SIOCSIFFLAGS, &request) != 0)
        return layer_error(Feature::kNamespaceRights, "loopback up in the network namespace");
    return Ok{};
}

Result<> make_tree_read_only(const std::string& path) {
    mount_attr read_only{};
    read_only.attr_set = MOUNT_ATTR_RDONLY;
    if (::syscall(SYS_mount_setattr, AT_FDCWD, path.c_str(), AT_RECURSIVE | AT_SYMLINK_NOFOLLOW, &read_only,
                  sizeof read_only) != 0)
        return errno_error("mount namespace: make '" + path + "' read-only");
    return Ok{};
}

Result<> hide_path(const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_NO_MAGICLINKS;  // a link is followed as a command would: what it leads to is hidden
    UniqueFd found(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
    if (!found && (errno == ENOENT || errno == ENOTDIR)) return Ok{};
    struct stat about {};
    if (!found || ::fstat(found.get(), &about) != 0) return errno_error("hide '" + path + "'");
    return cover_with_nothing(found.get(), S_ISDIR(about.st_mode));
}

Result<> cover_with_nothing(int found, bool folder) {
    UniqueFd nothing(static_cast<int>(::syscall(SYS_open_tree, AT_FDCWD, folder ? kNothingFolder : kNothingFile,
                                                OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC)));
    if (!nothing) return errno_error("mount namespace: open_tree of the cell's empty file");
    mount_attr attr{};
    attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOEXEC | kNoSetuidNoDevices;
    if (::syscall(SYS_mount_setattr, nothing.get(), "", AT_EMPTY_PATH, &attr, sizeof attr) != 0)
        return errno_error("mount namespace: mount_setattr of the cell's empty file");
    if (::syscall(SYS_move_mount, nothing.get(), "", found, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) != 0)
        return errno_error("mount namespace: hide a file");
    return Ok{};
}

Result<> mount_own_proc() {
    if (::mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY, nullptr) != 0)
        return layer_error(Feature::kFreshProc, "mount a fresh /proc");
    return cover_keys("/proc");
}

}  // namespace toren
