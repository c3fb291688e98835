// The layers of a cage, by name, so that a test can leave one out: its positive control.
#pragma once

#include <cstdint>
#include <string>

namespace toren::escape {

enum Layer : std::uint32_t {
    kMounts = 1U << 0,        // the cell's root; without it the host's root is shown, with a writable /proc
    kLandlock = 1U << 1,      // the command's ruleset
    kSeccomp = 1U << 2,       // the command's filter
    kNetwork = 1U << 3,       // a network namespace of the cell's own
    kPids = 1U << 4,          // a pid namespace of the cell's own; without it the host's processes and /proc
    kSlot = 1U << 5,          // a pid and mount namespace of the command's own inside the cell
    kIpc = 1U << 6,           // an ipc namespace of the cell's own
    kCapabilities = 1U << 7,  // none; without it every capability of the cell's user namespace
    kNoNewPrivs = 1U << 8,    // needs kSeccomp to be left out as well: the filter insists on it
    kDescriptors = 1U << 9,   // nothing inherited; without it a folder outside is left open at kLeakedFd
    kDumpable = 1U << 10,     // neither the init nor a worker may be dumped or traced
    kLimits = 1U << 11,       // resource limits and the size of each tmpfs
    kEnvironment = 1U << 12,  // built from nothing; without it the operator's
    kSession = 1U << 13,      // a session of its own; without it the operator's terminal
    kUser = 1U << 14,         // the user namespace; without it there is no namespace at all
    kGuards = 1U << 15,       // secrets hidden, and what tools run later held, inside the segment
    kLast = kGuards,
};

using Layers = std::uint32_t;
// What cannot be without a user namespace of one's own.
inline constexpr Layers kNamespaces = kUser | kMounts | kNetwork | kPids | kSlot | kIpc | kCapabilities;

inline constexpr int kLeakedFd = 7;

inline std::string layer_names(Layers layers) {
    constexpr const char* kNames[] = {
        "mounts",       "landlock",    "seccomp",  "network", "pids",        "slot",    "ipc",  "capabilities",
        "no_new_privs", "descriptors", "dumpable", "limits",  "environment", "session", "user", "guards"};
    std::string names;
    for (unsigned i = 0; i < std::size(kNames); ++i)
        if ((layers & (1U << i)) != 0) names += std::string(names.empty() ? "" : "+") + kNames[i];
    return names.empty() ? "none" : names;
}

}  // namespace toren::escape
