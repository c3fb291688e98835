// A sandbox as pure data: what a role's root holds, what Landlock lets it touch, which filter it gets. roles.h makes
// one for each role, confine.h carries it out; whoever wants to know what a role may do reads this and nothing else.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace toren {

enum class MountKind : std::uint8_t {
    kReadOnly,  // `source` of the host with everything mounted below it; read-only, no setuid, no devices
    kWritable,  // the same, writable
    kDevice,    // one device node of the host
    kTmpfs,     // private, `bytes` large
    kProc,      // a fresh /proc of this pid namespace, read-only
    kDevpts,    // a private instance
    kSymlink,   // to `source`
    kFile,      // a read-only file whose content is `source`
    kCopy,      // a read-only file that holds what the host's small file at `source` does now: cheaper than a mount
};

inline constexpr std::int64_t kLargestCopy = 16 * 1024;

struct Mount {
    MountKind kind;
    std::string target;  // absolute, in the new root
    std::string source = {};
    std::uint64_t bytes = 0;
    const char* mode = "0755";  // of a tmpfs
    bool optional = false;      // a missing source is no error
    bool canonical = false;     // no link on the way to the source is followed
};

// What Landlock grants beneath a path; everything else in the handled set is refused.
enum class Access : std::uint8_t {
    kRead,         // files and folders
    kReadExecute,  // and execute
    kReadWrite,    // everything but execute
    kAll,          // everything
    kDevices,      // read, write and ioctl
};

struct PathRule {
    std::string path;  // in the new root
    Access access;
    bool optional = false;
};

struct LandlockSpec {
    std::vector<PathRule> rules = {};
    bool refuse_tcp = true;  // where the kernel can (ABI 4): the empty network namespace stops it before
};

struct ResourceLimit {
    int resource;  // RLIMIT_…
    std::uint64_t value;
};

// How many of a kernel object a user namespace may hold (/proc/sys/user). Without it they count against the operator's
// own share alone, and one cell can take all of it.
struct ObjectLimit {
    const char* name;  // "max_user_namespaces"
    std::uint64_t value;
};

// What a process is born into. Its namespaces are always all of them: user, mount, pid, network, ipc, uts, cgroup.
struct RootSpec {
    std::vector<Mount> mounts;
    bool loopback = false;  // bring the loopback interface of the empty network namespace up
};

}  // namespace toren
