// What one segment's cell is made of, compiled from the configuration: pure data, which `toren policy show` prints and
// children.cpp carries out.
#pragma once

#include <string>
#include <vector>

#include "base/limits.h"
#include "base/result.h"
#include "ipc/messages.h"
#include "policy/config_profiles.h"
#include "policy/guards.h"
#include "policy/profile.h"
#include "policy/segment_names.h"
#include "policy/workspaces.h"

namespace toren::supervisor {

struct CellPlan {
    std::string segment;            // the folder
    Profile profile;                // the segment's own: what the cell holds
    std::vector<Profile> commands;  // what a command may run under, narrowed; the segment's own first
    SegmentLimits limits;
    GuardSpec guards;
    std::vector<std::string> environment;  // "NAME=value" that the profile passes
    std::uint64_t ring_bytes = 0;
};

// Looks at the file system (a profile's folders must be there), opens nothing.
Result<CellPlan> plan_cell(const ProfileSources& sources, const Segment& segment);
// A workspace's: its segment's with another folder, and the repository's as one more. One that git has still to fill is
// not guarded: nothing is in it, and git takes no folder with placeholders.
Result<CellPlan> plan_workspace_cell(const ProfileSources& sources, const Segment& segment,
                                     const WorkspaceFolder& workspace);

// What the spawner has to know of it.
ipc::CellSettings cell_settings(const CellPlan& plan, bool landlock, bool cgroup);

}  // namespace toren::supervisor
