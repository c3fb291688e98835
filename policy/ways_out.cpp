#include "policy/ways_out.h"

#include <fcntl.h>
#include <unistd.h>

#include <string_view>

#include "base/unique_fd.h"

namespace toren {
namespace {

// clang-format off
constexpr FeatureRow kFeatures[] = {
    {Feature::kClone3,          "processes",          "clone3 with a pidfd (Linux 5.3)"},
    {Feature::kUserNamespace,   "user namespace",     "user namespaces without privileges (CONFIG_USER_NS)"},
    {Feature::kOtherNamespaces, "namespaces",         "mount, pid, network, ipc, uts and cgroup namespaces"},
    {Feature::kNamespaceRights, "user namespace",     "capabilities inside a new user namespace"},
    {Feature::kFreshProc,       "mount namespace",    "a fresh /proc in a new pid namespace"},
    {Feature::kOpenat2,         "mount namespace",    "openat2 (Linux 5.6)"},
    {Feature::kMountApi,        "mount namespace",    "open_tree and move_mount (Linux 5.2)"},
    {Feature::kMountSetattr,    "mount namespace",    "mount_setattr (Linux 5.12)"},
    {Feature::kRealPath,        "mount namespace",    "a folder that is there, reached without a symbolic link"},
    {Feature::kCloseRange,      "descriptors",        "close_range (Linux 5.9)"},
    {Feature::kCapabilities,    "capabilities",       "dropping capabilities and locking securebits"},
    {Feature::kNoNewPrivileges, "no_new_privs",       "PR_SET_NO_NEW_PRIVS (Linux 3.5)"},
    {Feature::kLandlock,        "landlock",           "Landlock (Linux 5.13, CONFIG_SECURITY_LANDLOCK)"},
    {Feature::kLandlockRights,  "landlock",           "the rights of Landlock ABI 6 (Linux 6.12)"},
    {Feature::kSeccomp,         "seccomp",            "system call filters (CONFIG_SECCOMP_FILTER)"},
    {Feature::kCgroup,          "cgroup",             "a delegated cgroup v2 subtree"},
    {Feature::kProcessCount,    "resource limits",    "a process count of each user namespace's own (Linux 5.14)"},
    {Feature::kInotify,         "guards",             "enough inotify watches for a work tree"},
    {Feature::kNotRoot,         "account",            "an ordinary account"},
    {Feature::kExecutableState, "self-probe",         "a state folder whose file system allows programs"},
    {Feature::kFullCage,        "self-probe",         "a cage that holds"},
};

struct WayOut {
    Feature feature;
    const char* sign;   // a file that shows that this is what is in the way; null: where nothing else shows
    const char* value;  // what it then holds; null: that it is there is enough
    const char* text;
};

constexpr const char* kClone = "/proc/sys/kernel/unprivileged_userns_clone";
constexpr const char* kMaximum = "/proc/sys/user/max_user_namespaces";
constexpr const char* kAppArmor = "/proc/sys/kernel/apparmor_restrict_unprivileged_userns";
constexpr const char* kDocker = "/.dockerenv";
constexpr const char* kPodman = "/run/.containerenv";
constexpr const char* kWithDocker =
    "this is a container: start it with --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
    "--security-opt systempaths=unconfined (docker), for its own cage refuses what makes Toren's";
constexpr const char* kWithPodman =
    "this is a container: start it with --security-opt seccomp=unconfined --security-opt unmask=ALL (podman), for its "
    "own cage refuses what makes Toren's";
constexpr const char* kWithProfile =
    "AppArmor withholds them (kernel.apparmor_restrict_unprivileged_userns is 1): give toren a profile, "
    "/etc/apparmor.d/toren with `abi <abi/4.0>, profile toren /PATH/TO/toren flags=(unconfined) { userns, }`, and load "
    "it with `apparmor_parser -r /etc/apparmor.d/toren`; or `sysctl kernel.apparmor_restrict_unprivileged_userns=0`";
constexpr const char* kNewer = "a newer kernel: Debian 12 (6.1) has everything that is required";

constexpr WayOut kWaysOut[] = {
    {Feature::kClone3, kDocker, nullptr, kWithDocker},
    {Feature::kClone3, kPodman, nullptr, kWithPodman},
    {Feature::kClone3, nullptr, nullptr, kNewer},

    {Feature::kUserNamespace, kClone, "0", "`sysctl kernel.unprivileged_userns_clone=1`, which is 0 (a file in /etc/sysctl.d keeps it)"},
    {Feature::kUserNamespace, kMaximum, "0", "`sysctl user.max_user_namespaces=15000`, which is 0 (a file in /etc/sysctl.d keeps it)"},
    {Feature::kUserNamespace, kAppArmor, "1", kWithProfile},
    {Feature::kUserNamespace, kDocker, nullptr, kWithDocker},
    {Feature::kUserNamespace, kPodman, nullptr, kWithPodman},
    {Feature::kUserNamespace, nullptr, nullptr,
     "a kernel with CONFIG_USER_NS, where kernel.unprivileged_userns_clone is 1 (or not there), user.max_user_namespaces "
     "is large enough, and neither a chroot nor an outer sandbox's filter refuses them"},

    {Feature::kOtherNamespaces, kDocker, nullptr, kWithDocker},
    {Feature::kOtherNamespaces, kPodman, nullptr, kWithPodman},
    {Feature::kOtherNamespaces, nullptr, nullptr,
     "a kernel with every kind of namespace (CONFIG_NAMESPACES, CONFIG_NET_NS), and user.max_{mnt,pid,net,ipc,uts,cgroup}_namespaces large enough"},

    {Feature::kNamespaceRights, kAppArmor, "1", kWithProfile},
    {Feature::kNamespaceRights, kDocker, nullptr, kWithDocker},
    {Feature::kNamespaceRights, kPodman, nullptr, kWithPodman},
    {Feature::kNamespaceRights, nullptr, nullptr,
     "a security module (AppArmor, SELinux) or an outer sandbox withholds them from toren: let it have them"},

    {Feature::kFreshProc, kDocker, nullptr, kWithDocker},
    {Feature::kFreshProc, kPodman, nullptr, kWithPodman},
    {Feature::kFreshProc, nullptr, nullptr,
     "the kernel mounts one only where nothing covers parts of the /proc outside: run Toren where /proc is whole"},

    {Feature::kOpenat2, nullptr, nullptr, kNewer},
    {Feature::kMountApi, nullptr, nullptr, kNewer},
    {Feature::kMountSetattr, nullptr, nullptr, kNewer},
    {Feature::kRealPath, nullptr, nullptr, "name the folder by its real path in the configuration, and see that it is there"},
    {Feature::kCloseRange, nullptr, nullptr, kNewer},
    {Feature::kCapabilities, nullptr, nullptr, "run Toren where an outer sandbox lets it use capset(2) and prctl(2)"},
    {Feature::kNoNewPrivileges, nullptr, nullptr, "run Toren where an outer sandbox lets it use prctl(2)"},

    {Feature::kLandlock, "/sys/kernel/security/lsm", nullptr,
     "put `landlock` into the kernel's lsm= list (CONFIG_LSM or the boot command line; /sys/kernel/security/lsm shows "
     "it), on Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK; or run without this layer: "
     "confinement.allow_degraded = ['landlock']"},
    {Feature::kLandlock, nullptr, nullptr,
     "Linux 5.13 or newer with CONFIG_SECURITY_LANDLOCK and `landlock` in its lsm= list, and, in a container, a runtime "
     "whose filter knows Landlock; or run without this layer: confinement.allow_degraded = ['landlock']"},
    {Feature::kLandlockRights, nullptr, nullptr, "Linux 6.12 or newer"},
    {Feature::kSeccomp, nullptr, nullptr,
     "a kernel with CONFIG_SECCOMP_FILTER, as every Debian 12 kernel is, where an outer sandbox permits seccomp(2)"},
    {Feature::kCgroup, nullptr, nullptr,
     "run it as a systemd unit with Delegate=yes, or with `systemd-run --user --scope -p Delegate=yes toren serve`, on a "
     "machine with cgroup v2; without it resource limits and a watchdog hold the limits"},
    {Feature::kProcessCount, nullptr, nullptr, "Linux 5.14 or newer, and an ordinary account; or cgroup v2"},
    {Feature::kInotify, nullptr, nullptr, "`sysctl fs.inotify.max_user_watches=524288 fs.inotify.max_user_instances=1024`"},
    {Feature::kNotRoot, nullptr, nullptr, "run it as an ordinary account: root is exempt from RLIMIT_NPROC, and a command in a cage owns root's files in its segment"},
    {Feature::kExecutableState, nullptr, nullptr, "a state folder (--state) on a file system that is not mounted noexec"},
    {Feature::kFullCage, nullptr, nullptr,
     "do not run agents here before this is understood: `toren doctor` shows every attempt; look for another kernel, a "
     "security module or an outer sandbox that changes what a layer does, and report it where you have Toren from"},
};
// clang-format on

bool shows(const WayOut& way) {
    if (way.sign == nullptr) return false;
    const UniqueFd file(::open(way.sign, O_RDONLY | O_CLOEXEC));
    if (!file || way.value == nullptr) return static_cast<bool>(file);
    char text[32];
    const ssize_t length = ::read(file.get(), text, sizeof text);
    if (length <= 0) return false;
    std::string_view value(text, static_cast<std::size_t>(length));
    return value.substr(0, value.find('\n')) == way.value;
}

}  // namespace

const FeatureRow& feature_row(Feature feature) { return kFeatures[static_cast<std::size_t>(feature)]; }

std::string ways_out(Feature feature) {
    std::string shown, usual;
    for (const WayOut& way : kWaysOut) {
        if (way.feature != feature) continue;
        if (way.sign == nullptr) usual += way.text;
        else if (shows(way)) shown += (shown.empty() ? "" : "; and ") + std::string(way.text);
    }
    return shown.empty() ? usual : shown;
}

Error layer_error(Feature feature, const std::string& tried, int code) {
    const FeatureRow& row = feature_row(feature);
    return Error{code, std::string("layer ") + row.layer + ": " + tried,
                 std::string("needed: ") + row.name + "; the way out: " + ways_out(feature)};
}

Error layer_error(Feature feature, const std::string& tried) {
    const int code = errno;
    return layer_error(feature, tried, code);
}

static_assert([] {
    for (std::size_t i = 0; i < std::size(kFeatures); ++i)
        if (static_cast<std::size_t>(kFeatures[i].feature) != i) return false;
    return std::size(kFeatures) == static_cast<std::size_t>(Feature::kFullCage) + 1;
}());

}  // namespace toren
