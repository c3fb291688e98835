// May a command read, write, execute a path, and which rule says so: the answer of `toren policy explain`, worked out
// from the specs that make the cage (cage_view.h). Pure but for the look-ups, which the caller hands in.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "policy/cage_view.h"

namespace toren {

// What stands at a path of the host.
struct HostEntry {
    enum Kind : std::uint8_t { kMissing, kFile, kFolder, kLink, kSocket, kOther } kind = kMissing;
    std::string target = {};                                   // of a link
    bool readable = true, writable = true, executable = true;  // by its owner and mode, to this account
};
using LookUp = std::function<HostEntry(const std::string& host_path)>;

// The host as it is; a process without capabilities of this process's account is assumed.
HostEntry look_up_on_host(const std::string& path);

enum class DecidedBy : std::uint8_t { kRoot, kMount, kProfile, kSecret, kGuard, kLandlock, kPermissions };
const char* decider_name(DecidedBy by);  // "root", "mount", "profile", …

struct Ruling {
    bool allowed;
    DecidedBy by;
    std::string rule;
};

struct Explanation {
    std::string asked, path;         // absolute; `path` after the links were followed, as the cage follows them
    std::vector<std::string> links;  // "/a/link -> target", in the order in which they were met
    std::optional<bool> exists;      // absent: what is in a private folder is the cage's own
    std::string note;                // what else is worth knowing, or ""
    Ruling read, write, execute;
};

// What is also known by another name is judged by the name asked for: a hard link, and where somebody else's link
// leads.
Explanation explain(const CageView& cage, const std::string& absolute_path, const LookUp& look_up);

}  // namespace toren
