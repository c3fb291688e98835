// The attempts of toren-probe, one row each: what is tried, which layer must stop it, and what must come of it inside a
// cage and outside of one. The probe tries them in this order and prints a line for each; the supervisor judges the
// lines by this table (supervisor/self_probe.h).
#pragma once

#include <cstdint>

namespace toren::ipc {

enum class Must : std::uint8_t {
    kSucceed,
    kFail,
    kFailEnosys,  // fail as a call that the kernel does not have
    kAnything,    // what comes of it outside is the host's own policy: it is shown and not judged
};

struct ProbeAttempt {
    const char* name;
    const char* layer;
    Must inside;
    Must outside;         // the positive control: where this must succeed and does not, a failure inside proves nothing
    const char* meaning;  // what has happened when it succeeds
    int landlock_abi = 0;  // inside it is judged only where Landlock stands, of this ABI or newer
};

using enum Must;

// clang-format off
inline constexpr ProbeAttempt kProbeAttempts[] = {
    // What a command must be able to do: a cage in which nothing works would pass every other row.
    {"write-segment",        "cell",              kSucceed,    kSucceed,  "a file was written in the segment"},
    {"fork-and-execute",     "cell",              kSucceed,    kSucceed,  "a child executed a program"},
    // Files.
    {"read-outside",         "mount namespace",   kFail,       kSucceed,  "a file outside the segment was read"},
    {"write-outside",        "mount namespace",   kFail,       kSucceed,  "a file outside the segment was written"},
    {"mount",                "mount namespace",   kFail,       kAnything, "mounts were changed, in a new user namespace if need be"},
    {"unconfined-files",     "landlock",          kFail,       kAnything, "no Landlock domain holds the command", 1},
    // Other processes.
    {"share-namespace",      "namespaces",        kFail,       kSucceed,  "a namespace is the host's"},
    {"see-host-process",     "pid namespace",     kFail,       kSucceed,  "/proc shows a process of the host"},
    {"signal-host-process",  "pid namespace",     kFail,       kSucceed,  "a process of the host takes signals"},
    {"use-host-memory",      "ipc namespace",     kFail,       kAnything, "shared memory of the host is there"},
    {"signal-init",          "landlock",          kFail,       kSucceed,  "the command's init takes signals", 6},
    {"end-init",             "pid namespace",     kFail,       kSucceed,  "the command's init was ended"},
    {"trace-init",           "privileges",        kFail,       kAnything, "the command's init can be traced"},
    // The network.
    {"connect-loopback",     "network namespace", kFail,       kSucceed,  "a TCP listener of the host answered"},
    {"connect-abstract",     "network namespace", kFail,       kSucceed,  "an abstract Unix socket of the host answered"},
    // What a process is born with (invariant 4).
    {"inherit-descriptor",   "descriptors",       kFail,       kSucceed,  "a descriptor beyond 0 to 2 is open"},
    {"inherit-variable",     "environment",       kFail,       kSucceed,  "a variable of the operator's is in the environment"},
    {"open-terminal",        "session",           kFail,       kAnything, "there is a controlling terminal"},
    // Privileges.
    {"hold-capability",      "capabilities",      kFail,       kAnything, "a capability set is not empty"},
    {"gain-privileges",      "no_new_privs",      kFail,       kAnything, "exec can give more than the process has"},
    {"write-kernel-setting", "mount namespace",   kFail,       kAnything, "a file in /proc/sys can be written"},
    // System calls.
    {"unfiltered",           "seccomp",           kFail,       kAnything, "no filter is on"},
    {"new-user-namespace",   "seccomp",           kFail,       kSucceed,  "a user namespace was made"},
    {"clone3",               "seccomp",           kFailEnosys, kAnything, "a call whose flags no filter sees was looked at"},
    {"unknown-call",         "seccomp",           kFailEnosys, kAnything, "a call that does not exist was looked at"},
    {"bpf",                  "seccomp",           kFail,       kAnything, "a call that loads kernel code was looked at"},
    {"keyring",              "seccomp",           kFail,       kAnything, "a keyring was reached"},
    {"io-uring",             "seccomp",           kFail,       kAnything, "a call that goes around filters worked"},
};
// clang-format on

// What the probe is told, as NAME=VALUE arguments.
//   inside=1           in a cage (pid 1 is the command's init); outside, a child of the probe's own stands in for it
//   canary=PATH        a file outside the segment
//   process=PID:START  a process of the host, and field 22 of its /proc/PID/stat: a pid alone may be another process's
//   port=N socket=NAME listeners of the host on its loopback and with an abstract name
//   memory=ID          System V shared memory of the host
//   variable=NAME      a variable of the supervisor's environment
//   namespaces=LIST    the host's: the inode numbers of kProbeNamespaces, in order, with commas
inline constexpr const char* kProbeNamespaces[] = {"user", "mnt", "pid", "net", "ipc", "uts", "cgroup"};

}  // namespace toren::ipc
