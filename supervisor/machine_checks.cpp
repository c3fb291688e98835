// The checks of `toren doctor` that look at the machine: a table of layers, each with the function that tries it.
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/mount.h>
#include <linux/openat2.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/vfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <functional>

#include "base/child_process.h"
#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/seccomp.h"
#include "policy/ways_out.h"
#include "supervisor/doctor.h"

namespace toren::supervisor {
namespace {

// --- rows

DoctorRow row(Feature feature, DoctorState state, const std::string& detail) {
    const auto& about = feature_row(feature);
    return {about.layer, about.name, state, detail, state == DoctorState::kOk ? "" : ways_out(feature)};
}
DoctorRow tried(Feature feature, int code, const std::string& detail = "tried: it works") {
    if (code == 0) return row(feature, DoctorState::kOk, detail);
    return row(feature, DoctorState::kMissing, std::string("tried: ") + std::strerror(code));
}

// What came of a step in a child of its own, with the clone flags given: 0 or an errno value.
using Step = std::function<int()>;
int in_child(std::uint64_t clone_flags, const Step& step) {
    auto child = ChildProcess::fork(clone_flags);
    if (!child) return child.error().code;
    if (!*child) ::_exit(step());
    siginfo_t info{};
    constexpr auto kPidfd = static_cast<idtype_t>(3);
    if (::waitid(kPidfd, static_cast<id_t>((*child)->pidfd()), &info, WEXITED | WNOWAIT) != 0) return errno;
    return info.si_code == CLD_EXITED ? info.si_status : EPERM;
}

int code_of(const Result<>& result) { return result ? 0 : result.error().code == 0 ? EPERM : result.error().code; }
int code_of(bool success) { return success ? 0 : errno; }

std::string first_line(const std::string& path) {
    const UniqueFd file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t length = file ? ::read(file.get(), text, sizeof text) : -1;
    if (length < 0) return "";
    const std::string_view all(text, static_cast<std::size_t>(length));
    return std::string(all.substr(0, all.find('\n')));
}

// --- the kernel and its settings

DoctorRow kernel() {
    utsname about{};
    ::uname(&about);
    return {"kernel", "release", DoctorState::kOk, std::string(about.release) + " " + about.machine, ""};
}

DoctorRow settings() {
    std::string detail;
    for (const char* name : {"kernel/unprivileged_userns_clone", "user/max_user_namespaces",
                             "kernel/apparmor_restrict_unprivileged_userns", "kernel/yama/ptrace_scope"}) {
        const auto value = first_line(std::string("/proc/sys/") + name);
        detail += (detail.empty() ? "" : ", ") + std::string(name) + " " + (value.empty() ? "is not there" : value);
    }
    return {"kernel", "settings", DoctorState::kOk, detail, ""};
}

DoctorRow account() {
    if (::geteuid() == 0) return row(Feature::kNotRoot, DoctorState::kDegraded, "running as root");
    return row(Feature::kNotRoot, DoctorState::kOk, "user " + std::to_string(::geteuid()));
}

// --- namespaces and mounts

DoctorRow user_namespace() {
    return tried(Feature::kUserNamespace, in_child(CLONE_NEWUSER, [] { return 0; }));
}

DoctorRow other_namespaces() {
    struct Kind {
        const char* name;
        std::uint64_t flag;
    };
    constexpr Kind kKinds[] = {{"mount", CLONE_NEWNS}, {"pid", CLONE_NEWPID}, {"network", CLONE_NEWNET},
                               {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS}, {"cgroup", CLONE_NEWCGROUP}};
    std::string refused;
    for (const auto& [name, flag] : kKinds)
        if (const int code = in_child(CLONE_NEWUSER | flag, [] { return 0; }); code != 0)
            refused += (refused.empty() ? "tried: " : ", ") + std::string(name) + ": " + std::strerror(code);
    return row(Feature::kOtherNamespaces, refused.empty() ? DoctorState::kOk : DoctorState::kMissing,
               refused.empty() ? "tried: each can be made" : refused);
}

DoctorRow namespace_rights() {
    const unsigned user = ::geteuid(), group = ::getegid();
    const int code = in_child(kAllNamespaces, [&] {
        if (const int failed = code_of(map_own_ids(user, group))) return failed;
        if (const int failed = code_of(bring_loopback_up())) return failed;
        if (const int failed = code_of(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0))
            return failed;
        return code_of(::mount("tmpfs", "/tmp", "tmpfs", MS_NOSUID | MS_NODEV, "size=1m") == 0);
    });
    return tried(Feature::kNamespaceRights, code, "tried: ids mapped, loopback up, tmpfs mounted");
}

int with_private_mounts(const Step& step) {
    return in_child(kAllNamespaces, [&] {
        if (const int failed = code_of(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) == 0))
            return failed;
        return step();
    });
}

DoctorRow fresh_proc() {
    return tried(Feature::kFreshProc, with_private_mounts([] { return code_of(mount_own_proc()); }));
}

UniqueFd copy_of_usr() {
    return UniqueFd(static_cast<int>(
        ::syscall(SYS_open_tree, AT_FDCWD, "/usr", OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE)));
}

DoctorRow mount_api() {
    return tried(Feature::kMountApi, with_private_mounts([] { return code_of(static_cast<bool>(copy_of_usr())); }));
}

DoctorRow set_mount_attributes() {
    const int code = with_private_mounts([] {
        const UniqueFd tree = copy_of_usr();
        if (!tree) return errno;
        mount_attr attr{};
        attr.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV;
        return code_of(::syscall(SYS_mount_setattr, tree.get(), "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) ==
                       0);
    });
    return tried(Feature::kMountSetattr, code);
}

DoctorRow open_beneath() {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    const UniqueFd root(::open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    const UniqueFd found(static_cast<int>(::syscall(SYS_openat2, root.get(), "usr", &how, sizeof how)));
    return tried(Feature::kOpenat2, code_of(static_cast<bool>(found)));
}

DoctorRow close_all() {
    return tried(Feature::kCloseRange, code_of(::syscall(SYS_close_range, ~0U - 1, ~0U, 0U) == 0));
}

// --- what a process takes on itself

DoctorRow capabilities() {
    return tried(Feature::kCapabilities, in_child(CLONE_NEWUSER, [] {
                     if (const int failed = code_of(keep_only_capabilities({}))) return failed;
                     return code_of(drop_all_capabilities());
                 }));
}

DoctorRow no_new_privileges() {
    return tried(Feature::kNoNewPrivileges, in_child(0, [] { return code_of(set_no_new_privileges()); }));
}

DoctorRow filter() {
    return tried(Feature::kSeccomp, in_child(0, [] {
                     if (const int failed = code_of(set_no_new_privileges())) return failed;
                     return code_of(install_filter(FilterRole::kCommand));
                 }));
}

DoctorRow landlock() {
    const auto abi = landlock_abi();
    if (!abi)
        return row(Feature::kLandlock, DoctorState::kMissing, "tried: " + std::string(std::strerror(abi.error().code)));
    return row(Feature::kLandlock, DoctorState::kOk, "ABI " + std::to_string(*abi));
}

DoctorRow landlock_rights() {
    struct Right {
        int abi;
        const char* what;
    };
    constexpr Right kRights[] = {{1, "files and folders"}, {2, "rename and link between folders"},
                                 {3, "truncate"},          {4, "TCP bind and connect"},
                                 {5, "ioctl on devices"},  {6, "abstract sockets and signals of other domains"}};
    const auto found = landlock_abi();
    const int abi = found ? *found : 0;
    std::string has, lacks;
    for (const auto& right : kRights) {
        auto& list = abi >= right.abi ? has : lacks;
        list += (list.empty() ? "" : ", ") + std::string(right.what);
        if (abi < right.abi) list += " (ABI " + std::to_string(right.abi) + ")";
    }
    if (lacks.empty()) return row(Feature::kLandlockRights, DoctorState::kOk, has);
    return row(Feature::kLandlockRights, DoctorState::kDegraded,
               (has.empty() ? "" : "has " + has + "; ") + "lacks " + lacks + ": other layers stop the attacks");
}

// --- limits

// Where this process is in the one hierarchy of cgroup v2; empty: nowhere.
std::string own_cgroup_folder() {
    const UniqueFd file(::open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC));
    char text[4096];
    const ssize_t length = file ? ::read(file.get(), text, sizeof text) : 0;
    std::string_view rest(text, length > 0 ? static_cast<std::size_t>(length) : 0);
    for (const char* mount : {"/sys/fs/cgroup", "/sys/fs/cgroup/unified"}) {
        struct statfs about {};
        if (::statfs(mount, &about) != 0 || about.f_type != CGROUP2_SUPER_MAGIC) continue;
        for (std::size_t at = rest.find("0::"); at != std::string_view::npos; at = rest.find("0::", at + 1))
            if (at == 0 || rest[at - 1] == '\n')
                return mount + std::string(rest.substr(at + 3, rest.find('\n', at) - at - 3));
    }
    return "";
}

DoctorRow cgroup() {
    const auto folder = own_cgroup_folder();
    if (folder.empty())
        return row(Feature::kCgroup, DoctorState::kDegraded, "no cgroup v2 is mounted at /sys/fs/cgroup");
    const auto controllers = " " + first_line(folder + "/cgroup.controllers") + " ";
    std::string missing;
    for (const char* name : {"cpu", "io", "memory", "pids"})
        if (controllers.find(" " + std::string(name) + " ") == std::string::npos) missing += std::string(" ") + name;
    const bool delegated =
        ::access(folder.c_str(), W_OK) == 0 && ::access((folder + "/cgroup.procs").c_str(), W_OK) == 0;
    const std::string detail = folder + (delegated ? " is delegated" : " is not delegated to this account") +
                               ", controllers:" + (controllers == "  " ? " none " : controllers) +
                               (missing.empty() ? "" : "(without" + missing + ")");
    return row(Feature::kCgroup, delegated && missing.empty() ? DoctorState::kOk : DoctorState::kDegraded, detail);
}

DoctorRow process_count() {
    if (::getuid() == 0) return row(Feature::kProcessCount, DoctorState::kDegraded, "root is exempt from RLIMIT_NPROC");
    // The child counts as one, this process and its parent outside would be two more.
    const int code = in_child(CLONE_NEWUSER, [] {
        const rlimit two{2, 2};
        if (::setrlimit(RLIMIT_NPROC, &two) != 0) return errno;
        const pid_t child = ::fork();
        if (child == 0) ::_exit(0);
        return code_of(child > 0);
    });
    if (code == 0) return row(Feature::kProcessCount, DoctorState::kOk, "tried: processes outside do not count");
    return row(Feature::kProcessCount, DoctorState::kDegraded, std::string("tried: ") + std::strerror(code));
}

DoctorRow inotify() {
    constexpr long kWatches = 65536, kInstances = 128;
    const auto watches = first_line("/proc/sys/fs/inotify/max_user_watches");
    const auto instances = first_line("/proc/sys/fs/inotify/max_user_instances");
    const bool enough = std::atol(watches.c_str()) >= kWatches && std::atol(instances.c_str()) >= kInstances;
    return row(Feature::kInotify, enough ? DoctorState::kOk : DoctorState::kDegraded,
               "fs.inotify.max_user_watches " + watches + ", max_user_instances " + instances +
                   "; each folder of a work tree takes a watch");
}

constexpr DoctorRow (*kChecks[])() = {
    kernel,
    settings,
    account,
    user_namespace,
    other_namespaces,
    namespace_rights,
    fresh_proc,
    mount_api,
    set_mount_attributes,
    open_beneath,
    close_all,
    capabilities,
    no_new_privileges,
    landlock,
    landlock_rights,
    filter,
    cgroup,
    process_count,
    inotify,
};

}  // namespace

std::vector<DoctorRow> check_machine() {
    std::vector<DoctorRow> rows;
    for (const auto check : kChecks) rows.push_back(check());
    return rows;
}

}  // namespace toren::supervisor
