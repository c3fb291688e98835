// Profiles and guards as the configuration gives them: names become paths that are canonical and refused where a cage
// may not have them (forbidden_places.h). Looks at the file system, opens nothing.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "policy/config.h"
#include "policy/guards.h"
#include "policy/profile.h"
#include "policy/segment_names.h"

namespace toren {

// What profiles are made from. The references must outlive it.
struct ProfileSources {
    const Config& config;
    const SegmentSet& segments;
    std::string home, state;  // as discover_segments takes them
};

// A built-in profile or one of the configuration's. An error names the profile's key and what is wrong with the path.
Result<Profile> find_profile(const ProfileSources& sources, std::string_view name);

// The one that shapes this segment's cell.
Result<Profile> segment_profile(const ProfileSources& sources, const Segment& segment);

// Every profile that a command may ask for in a cell made for `own`, narrowed to it; `own` itself first.
Result<std::vector<Profile>> command_profiles(const ProfileSources& sources, const Profile& own);

// The guards of this segment's cell, made for the profile `own`.
GuardSpec guard_spec(const Config& config, const Segment& segment, const Profile& own);

// The variables of this process that the profile names, "NAME=value"; one that is not set is left out.
std::vector<std::string> passed_environment(const Profile& profile);

// What only a look at the machine shows, for the start: every profile must be whole (the error), and a [segment.NAME]
// that no segment has is worth a line.
Result<std::vector<std::string>> check_profiles(const ProfileSources& sources);

}  // namespace toren
