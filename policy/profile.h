// A profile: what a command may do in its cell. The segment's profile decides what the cell holds; a command's own can
// only take away from that. Pure data.
#pragma once

#include <string>
#include <vector>

#include "base/limits.h"

namespace toren {

struct Profile {
    std::string name;
    bool writes = true;                       // the segment and `writable`; the private folders always
    std::vector<std::string> read_only = {};  // further folders and files of the host, absolute, shown where they are
    std::vector<std::string> writable = {};   // the same, writable
    std::vector<std::string> hidden = {};     // relative to the segment, or absolute: nothing is there to read or write
    std::vector<std::string> environment = {};  // names of the daemon's own variables that a command gets
    CommandLimits limits = {};
};

// "read-only" and "workspace-write", with the limits that the configuration gives.
Profile read_only_profile(const CommandLimits& limits);
Profile workspace_write_profile(const CommandLimits& limits);

// What a command under `command` gets in a cell made for `segment`: never more than `segment`. What `command` would add
// (paths, variables, larger limits) has no effect; what it leaves out, hides or makes read-only has.
Profile narrow(const Profile& segment, const Profile& command);

}  // namespace toren
