// All that a command in one cell may do, as the specs that make the cage say it: what `toren policy` shows and
// explains. Nothing is described a second time here.
#pragma once

#include <string>
#include <vector>

#include "base/limits.h"
#include "policy/guards.h"
#include "policy/profile.h"
#include "policy/sandbox_spec.h"

namespace toren {

struct CageView {
    std::string segment;  // its path
    Profile profile;      // the command's, narrowed to the cell's
    SegmentLimits limits;
    GuardSpec guards;
    RootSpec root;
    LandlockSpec landlock;
    std::vector<ResourceLimit> resource_limits;
    std::vector<std::string> environment;  // whole, "NAME=value"
};

CageView view_cage(const std::string& segment_path, const Profile& profile, const SegmentLimits& limits,
                   const GuardSpec& guards, const std::vector<std::string>& passed_environment);

}  // namespace toren
