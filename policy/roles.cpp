#include "policy/roles.h"

#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

namespace toren {
namespace {

// What programs look up in /etc and that tells nothing about the host. Everything else of /etc stays outside.
constexpr std::array kEtc = {
    "/etc/alternatives",   "/etc/ca-certificates", "/etc/ca-certificates.conf",
    "/etc/debian_version", "/etc/fonts",           "/etc/host.conf",
    "/etc/inputrc",        "/etc/java-17-openjdk", "/etc/ld.so.cache",
    "/etc/ld.so.conf",     "/etc/ld.so.conf.d",    "/etc/locale.alias",
    "/etc/magic",          "/etc/mime.types",      "/etc/openssl",
    "/etc/perl",           "/etc/pki/tls/certs",   "/etc/protocols",
    "/etc/services",       "/etc/ssl/certs",       "/etc/ssl/openssl.cnf",
    "/etc/terminfo",       "/etc/timezone",
};

// A mount costs more to make, to give to every command and to take away than a page. Programs replace these files and
// do not write to them, so a mount would not show a later one either.
bool is_better_copied(const struct stat& about) {
    return S_ISREG(about.st_mode) && about.st_size <= kLargestCopy && (about.st_mode & S_IROTH) != 0;
}

// A symlink of the host is made again, a folder or file is bound.
void show(std::vector<Mount>& mounts, const std::string& path) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0) return;
    if (!S_ISLNK(about.st_mode)) {
        const auto kind = is_better_copied(about) ? MountKind::kCopy : MountKind::kReadOnly;
        mounts.push_back({.kind = kind, .target = path, .source = path});
        return;
    }
    char target[PATH_MAX];
    const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
    if (length > 0)
        mounts.push_back({.kind = MountKind::kSymlink,
                          .target = path,
                          .source = std::string(target, static_cast<std::size_t>(length))});
}

void add_file(std::vector<Mount>& mounts, const std::string& target, const std::string& content) {
    mounts.push_back({.kind = MountKind::kFile, .target = target, .source = content});
}

// Accounts as the cell knows them: root, nobody, and whoever runs the daemon under the name toren.
void add_accounts(std::vector<Mount>& mounts, unsigned user, unsigned group) {
    std::string passwd = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n";
    std::string groups = "root:x:0:\nnogroup:x:65534:\n";
    if (user != 0)
        passwd +=
            "toren:x:" + std::to_string(user) + ":" + std::to_string(group) + ":toren:" + kCellHome + ":/bin/sh\n";
    if (group != 0) groups += "toren:x:" + std::to_string(group) + ":\n";
    add_file(mounts, "/etc/passwd", passwd);
    add_file(mounts, "/etc/group", groups);
    add_file(mounts, "/etc/nsswitch.conf", "passwd: files\ngroup: files\nhosts: files\n");
    add_file(mounts, "/etc/hosts", "127.0.0.1 localhost\n::1 localhost\n");
    add_file(mounts, "/etc/hostname", "toren\n");
}

void add_devices(std::vector<Mount>& mounts, std::uint64_t shm_bytes) {
    for (const char* node : {"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty"})
        mounts.push_back({.kind = MountKind::kDevice, .target = node, .source = node});
    mounts.push_back({.kind = MountKind::kDevpts, .target = "/dev/pts"});
    mounts.push_back({.kind = MountKind::kTmpfs, .target = "/dev/shm", .bytes = shm_bytes, .mode = "1777"});
    for (const auto& [target, source] : {std::pair{"/dev/ptmx", "pts/ptmx"},
                                         {"/dev/fd", "/proc/self/fd"},
                                         {"/dev/stdin", "/proc/self/fd/0"},
                                         {"/dev/stdout", "/proc/self/fd/1"},
                                         {"/dev/stderr", "/proc/self/fd/2"}})
        mounts.push_back({.kind = MountKind::kSymlink, .target = target, .source = source});
}

constexpr const char* kVarTmp = "/var/tmp";

bool shows_something_in(const std::string& folder, const std::string& segment_path, const Profile& profile) {
    const auto lies_in = [&](const std::string& path) { return path.starts_with(folder + "/"); };
    return lies_in(segment_path) || std::ranges::any_of(profile.read_only, lies_in) ||
           std::ranges::any_of(profile.writable, lies_in);
}

}  // namespace

std::vector<Mount> system_mounts(bool libraries_only) {
    std::vector<Mount> mounts;
    if (libraries_only)
        for (const char* path : {"/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/libx32"}) show(mounts, path);
    else show(mounts, "/usr");
    for (const char* path : {"/lib", "/lib32", "/lib64", "/libx32"}) show(mounts, path);
    if (!libraries_only)
        for (const char* path : {"/bin", "/sbin"}) show(mounts, path);
    return mounts;
}

RootSpec broker_root(const std::string& state_dir) {
    RootSpec root{.mounts = system_mounts(true)};
    show(root.mounts, "/etc/ld.so.cache");
    root.mounts.push_back({.kind = MountKind::kWritable, .target = kBrokerState, .source = state_dir});
    return root;
}

LandlockSpec broker_landlock() { return {.rules = {{kBrokerState, Access::kReadWrite}}}; }

RootSpec cell_root(const std::string& segment_path, const Profile& profile, const SegmentLimits& limits, unsigned user,
                   unsigned group) {
    RootSpec root{.mounts = system_mounts(false), .loopback = true};
    for (const char* path : kEtc) show(root.mounts, path);
    for (const char* path : {"/etc/localtime", "/etc/os-release"}) show(root.mounts, path);
    add_accounts(root.mounts, user, group);
    add_devices(root.mounts, limits.tmp_bytes);
    root.mounts.push_back({.kind = MountKind::kProc, .target = "/proc"});
    root.mounts.push_back({.kind = MountKind::kTmpfs, .target = "/tmp", .bytes = limits.tmp_bytes, .mode = "1777"});
    root.mounts.push_back({.kind = MountKind::kTmpfs, .target = kCellHome, .bytes = limits.tmp_bytes});
    // /var/tmp is /tmp, unless something is shown in it: a link cannot hold a mount.
    if (shows_something_in(kVarTmp, segment_path, profile))
        root.mounts.push_back(
            {.kind = MountKind::kTmpfs, .target = kVarTmp, .bytes = limits.tmp_bytes, .mode = "1777"});
    else root.mounts.push_back({.kind = MountKind::kSymlink, .target = kVarTmp, .source = "../tmp"});
    // Last, so that a segment under /tmp or a home lies over the private folder, and not below it. Of folders that lie
    // in each other the outer goes first, so that the most specific decides.
    std::vector<Mount> shown = {{.kind = profile.writes ? MountKind::kWritable : MountKind::kReadOnly,
                                 .target = segment_path,
                                 .source = segment_path}};
    for (const auto& path : profile.read_only)
        shown.push_back({.kind = MountKind::kReadOnly, .target = path, .source = path});
    for (const auto& path : profile.writable)
        shown.push_back(
            {.kind = profile.writes ? MountKind::kWritable : MountKind::kReadOnly, .target = path, .source = path});
    for (auto& mount : shown) mount.canonical = true;
    std::ranges::stable_sort(shown, {}, [](const Mount& mount) { return mount.target.size(); });
    root.mounts.insert(root.mounts.end(), shown.begin(), shown.end());
    return root;
}

LandlockSpec command_landlock(const std::string& segment_path, const Profile& profile) {
    // Reading is the root's decision: it shows what a command may read and nothing else. A descriptor that leads out
    // of the root leads out of "/" here as well, and reads nothing.
    LandlockSpec spec{.rules = {{"/", Access::kRead},
                                {"/usr", Access::kReadExecute},
                                {"/dev", Access::kDevices},
                                {"/dev/shm", Access::kAll},
                                {"/tmp", Access::kAll},
                                {kCellHome, Access::kAll}},
                      .refuse_tcp = false};  // servers under test need loopback; the network namespace is empty
    for (const char* path : {"/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"})
        spec.rules.push_back({path, Access::kReadExecute, true});  // where usr is not merged
    if (shows_something_in(kVarTmp, segment_path, profile)) spec.rules.push_back({kVarTmp, Access::kAll});
    const Access access = profile.writes ? Access::kAll : Access::kReadExecute;
    spec.rules.push_back({segment_path, access});
    for (const auto& path : profile.read_only) spec.rules.push_back({path, Access::kReadExecute});
    for (const auto& path : profile.writable) spec.rules.push_back({path, access});
    return spec;
}

std::vector<ResourceLimit> command_limits(const CommandLimits& limits) {
    // A real-time command would take a processor from the whole machine; an account may be allowed to have them.
    std::vector<ResourceLimit> all = {
        {RLIMIT_CORE, 0}, {RLIMIT_RTPRIO, 0}, {RLIMIT_NICE, 0}, {RLIMIT_NOFILE, limits.open_files}};
    if (limits.processes != 0) all.push_back({RLIMIT_NPROC, limits.processes});
    if (limits.file_bytes != 0) all.push_back({RLIMIT_FSIZE, limits.file_bytes});
    return all;
}

std::vector<ObjectLimit> object_limits() {
    return {{"max_user_namespaces", 0},      // a second reason why no nested one can be made, behind the filter
            {"max_inotify_instances", 64}};  // of 128 that the operator has for everything
}

std::vector<std::string> command_environment(const std::vector<std::string>& passed) {
    const std::string home = kCellHome;
    std::vector<std::string> all = {"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                                    "HOME=" + home,
                                    "USER=toren",
                                    "LOGNAME=toren",
                                    "SHELL=/bin/sh",
                                    "LANG=C.UTF-8",
                                    "TERM=dumb",
                                    "TOREN=1"};
    for (const auto& entry : passed) set_variable(all, entry);
    return all;
}

LandlockSpec files_landlock(const std::string& segment_path, const Profile& profile) {
    return {.rules = {{segment_path, profile.writes ? Access::kReadWrite : Access::kRead}}};
}

LandlockSpec vcs_landlock(const std::string& segment_path, const std::string& common) {
    LandlockSpec spec{.rules = {{segment_path, Access::kRead}}};
    if (!common.empty()) spec.rules.push_back({common, Access::kRead});
    return spec;
}

LandlockSpec checkpoints_landlock(const std::string& segment_path, const Profile& profile) {
    return files_landlock(segment_path, profile);
}

void set_variable(std::vector<std::string>& environment, const std::string& entry) {
    const auto name = entry.substr(0, entry.find('=') + 1);
    std::erase_if(environment, [&](const auto& old) { return old.starts_with(name); });
    environment.push_back(entry);
}

}  // namespace toren
