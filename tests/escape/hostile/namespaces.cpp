// Attempts with namespaces, mounts and roots.
#include <fcntl.h>
#include <linux/mount.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

template <std::uint64_t kFlags>
Outcome unshare(const World&) {
    return judge(raw(SYS_unshare, kFlags), "unshare");
}

Outcome ended(long pid, const char* call) {
    if (pid == 0) ::_exit(0);
    if (pid < 0) return refused(call);
    ::waitpid(static_cast<pid_t>(pid), nullptr, __WALL);
    return escaped(std::string(call) + " made a process");
}

template <std::uint64_t kFlags>
Outcome clone_with(const World&) {
    return ended(raw(SYS_clone, kFlags | SIGCHLD, nullptr, nullptr, nullptr, nullptr), "clone");
}

template <std::uint64_t kFlags>
Outcome clone3_with(const World&) {
    clone_args arguments{};
    arguments.flags = kFlags;
    arguments.exit_signal = SIGCHLD;
    return ended(raw(SYS_clone3, &arguments, sizeof arguments), "clone3");
}

Outcome enter_own(const char* name) {
    const int fd = ::open((std::string("/proc/self/ns/") + name).c_str(), O_RDONLY | O_CLOEXEC);
    return fd < 0 ? untried("no such namespace") : judge(raw(SYS_setns, fd, 0), "setns");
}

Outcome setns_anything(const World&) { return reached(raw(SYS_setns, -1, 0), "setns"); }

std::string place(const World& world) {
    std::string folder = world["segment"] + "/place";
    ::mkdir(folder.c_str(), 0700);
    return folder;
}

Outcome mount_tmpfs(const World& world) {
    return judge(raw(SYS_mount, "tmpfs", place(world).c_str(), "tmpfs", 0L, nullptr), "mount tmpfs");
}
Outcome mount_proc(const World& world) {
    return judge(raw(SYS_mount, "proc", place(world).c_str(), "proc",
                     static_cast<long>(MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY), nullptr),
                 "mount proc");
}
Outcome bind_mount(const World& world) {
    return judge(raw(SYS_mount, "/usr", place(world).c_str(), nullptr, static_cast<long>(MS_BIND | MS_REC), nullptr),
                 "bind mount");
}
Outcome remount_writable(const World& world) {
    return judge(raw(SYS_mount, nullptr, world["read_only"].c_str(), nullptr,
                     static_cast<long>(MS_REMOUNT | MS_BIND | MS_NOSUID | MS_NODEV | MS_RDONLY), nullptr),
                 "remount");
}
Outcome change_propagation(const World&) {
    return judge(raw(SYS_mount, nullptr, "/", nullptr, static_cast<long>(MS_REC | MS_PRIVATE), nullptr),
                 "mount MS_PRIVATE");
}
Outcome uncover(const World&) { return judge(raw(SYS_umount2, "/proc", MNT_DETACH), "umount2 /proc"); }

Outcome pivot(const World& world) {
    const std::string folder = place(world);
    if (raw(SYS_mount, "tmpfs", folder.c_str(), "tmpfs", 0L, nullptr) != 0 && errno != EPERM) return refused("mount");
    return ::chdir(folder.c_str()) != 0 ? refused("chdir") : judge(raw(SYS_pivot_root, ".", "."), "pivot_root");
}

Outcome open_filesystem(const World&) { return judge(raw(SYS_fsopen, "tmpfs", 0), "fsopen"); }
Outcome pick_filesystem(const World&) { return judge(raw(SYS_fspick, AT_FDCWD, "/proc", 0), "fspick"); }
Outcome configure_filesystem(const World&) {
    const long fd = raw(SYS_fsopen, "tmpfs", 0);
    return reached(raw(SYS_fsconfig, fd < 0 ? -1 : fd, 6 /* FSCONFIG_CMD_CREATE */, nullptr, nullptr, 0), "fsconfig");
}
Outcome new_mount(const World&) {
    const long fd = raw(SYS_fsopen, "tmpfs", 0);
    if (fd < 0) return refused("fsopen");
    raw(SYS_fsconfig, fd, 6, nullptr, nullptr, 0);
    return judge(raw(SYS_fsmount, fd, 0, 0), "fsmount");
}
Outcome copy_tree(const World&) { return judge(raw(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE), "open_tree"); }
Outcome open_tree_plain(const World&) { return reached(raw(SYS_open_tree, AT_FDCWD, "/usr", 0), "open_tree"); }
Outcome open_tree_attributes(const World&) {
    mount_attr attributes{};
    return reached(raw(467 /* open_tree_attr */, AT_FDCWD, "/usr", 0, &attributes, sizeof attributes),
                   "open_tree_attr");
}
Outcome move_tree(const World& world) {
    const long tree = raw(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE);
    if (tree < 0) return refused("open_tree");
    return judge(raw(SYS_move_mount, tree, "", AT_FDCWD, place(world).c_str(), 4 /* MOVE_MOUNT_F_EMPTY_PATH */),
                 "move_mount");
}
Outcome set_mount_attributes(const World& world) {
    mount_attr attributes{};
    attributes.attr_set = MOUNT_ATTR_NOEXEC;
    return judge(raw(SYS_mount_setattr, AT_FDCWD, world["read_only"].c_str(), 0, &attributes, sizeof attributes),
                 "mount_setattr");
}

// The classic: a root beneath the current folder, then upwards.
Outcome chroot_breakout(const World& world) {
    const std::string folder = place(world);
    const int out = ::open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (raw(SYS_chroot, folder.c_str()) != 0) return refused("chroot");
    ::fchdir(out);
    for (int i = 0; i < 64; ++i) ::chdir("..");
    raw(SYS_chroot, ".");
    return escaped("chroot");
}

struct Handle {
    std::uint32_t bytes = 128;
    std::int32_t type = 0;
    unsigned char data[128] = {};
};

Outcome get_handle(const World& world) {
    Handle handle;
    int mount = 0;
    return judge(raw(SYS_name_to_handle_at, AT_FDCWD, world["segment"].c_str(), &handle, &mount, 0),
                 "name_to_handle_at");
}

// Shocker: the root's inode has the same number everywhere.
Outcome open_handle(const World& world) {
    const int mount = ::open(world["segment"].c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Handle handle;
    handle.bytes = 8;
    handle.type = 1;
    handle.data[0] = 2;
    return judge(raw(SYS_open_by_handle_at, mount, &handle, O_RDONLY), "open_by_handle_at");
}

// A tool that brings its own sandbox.
Outcome nested_tool(const char* program, std::initializer_list<const char*> arguments) {
    if (::access(program, X_OK) != 0) return untried(std::string(program) + " is not installed");
    const pid_t pid = ::fork();
    if (pid == 0) {
        const char* all[16] = {program};
        std::size_t count = 1;
        for (const char* argument : arguments) all[count++] = argument;
        ::execv(program, const_cast<char**>(all));
        ::_exit(127);
    }
    int status = 0;
    ::waitpid(pid, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0 ? escaped(std::string(program) + " worked")
                                                         : refused(program, EPERM);
}

constexpr Attempt kAttempts[] = {
    {"unshare_user", unshare<CLONE_NEWUSER>},
    {"unshare_mounts", unshare<CLONE_NEWNS>},
    {"unshare_pids", unshare<CLONE_NEWPID>},
    {"unshare_network", unshare<CLONE_NEWNET>},
    {"unshare_ipc", unshare<CLONE_NEWIPC>},
    {"unshare_uts", unshare<CLONE_NEWUTS>},
    {"unshare_cgroup", unshare<CLONE_NEWCGROUP>},
    {"unshare_time", unshare<0x80>},
    {"clone_user", clone_with<CLONE_NEWUSER>},
    {"clone_user_with_rubbish", clone_with<CLONE_NEWUSER | 0xdeadbeef00000000ULL>},
    {"clone_mounts", clone_with<CLONE_NEWNS>},
    {"clone_network", clone_with<CLONE_NEWNET>},
    {"clone3_user", clone3_with<CLONE_NEWUSER>},
    {"clone3_plain", clone3_with<0>},
    {"setns_user", [](const World&) { return enter_own("user"); }},
    {"setns_uts", [](const World&) { return enter_own("uts"); }},
    {"setns_network", [](const World&) { return enter_own("net"); }},
    {"setns_anything", setns_anything},
    {"mount_tmpfs", mount_tmpfs},
    {"mount_proc", mount_proc},
    {"bind_mount", bind_mount},
    {"remount", remount_writable},
    {"change_propagation", change_propagation},
    {"umount_proc", uncover},
    {"pivot_root", pivot},
    {"fsopen", open_filesystem},
    {"fsconfig", configure_filesystem},
    {"fsmount", new_mount},
    {"fspick", pick_filesystem},
    {"open_tree", open_tree_plain},
    {"open_tree_clone", copy_tree},
    {"open_tree_attr", open_tree_attributes},
    {"move_mount", move_tree},
    {"mount_setattr", set_mount_attributes},
    {"chroot", chroot_breakout},
    {"name_to_handle_at", get_handle},
    {"open_by_handle_at", open_handle},
    {"nested_unshare",
     [](const World&) {
         return nested_tool("/usr/bin/unshare", {"-Ur", "true"});
     }},
    {"nested_bwrap",
     [](const World&) {
         return nested_tool("/usr/bin/bwrap", {"--ro-bind", "/", "/", "true"});
     }},
};

}  // namespace

std::span<const Attempt> namespace_attempts() { return kAttempts; }

}  // namespace hostile
