#include "policy/cage_view.h"

#include <unistd.h>

#include "policy/roles.h"

namespace toren {

CageView view_cage(const std::string& segment_path, const Profile& profile, const SegmentLimits& limits,
                   const GuardSpec& guards, const std::vector<std::string>& passed_environment) {
    return {.segment = segment_path,
            .profile = profile,
            .limits = limits,
            .guards = guards,
            .root = cell_root(segment_path, profile, limits, ::geteuid(), ::getegid()),
            .landlock = command_landlock(segment_path, profile),
            .resource_limits = command_limits(profile.limits),
            .environment = command_environment(passed_environment)};
}

}  // namespace toren
