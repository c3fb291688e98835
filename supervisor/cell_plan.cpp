#include "supervisor/cell_plan.h"

#include <algorithm>

#include "policy/config_limits.h"

namespace toren::supervisor {

Result<CellPlan> plan_cell(const ProfileSources& sources, const Segment& segment) {
    TRY_ASSIGN(auto profile, segment_profile(sources, segment));
    TRY_ASSIGN(auto commands, command_profiles(sources, profile));
    CellPlan plan{.segment = segment.path,
                  .profile = {},
                  .commands = std::move(commands),
                  .limits = segment_limits(sources.config),
                  .guards = guard_spec(sources.config, segment, profile),
                  .environment = passed_environment(profile),
                  .ring_bytes = sources.config.limits.output_ring_bytes};
    plan.profile = std::move(profile);
    return plan;
}

namespace {

// A profile names what it hides relative to the segment, or absolutely.
std::vector<std::string> absolute(const std::vector<std::string>& paths, const std::string& segment) {
    std::vector<std::string> all;
    for (const auto& path : paths) all.push_back(path.starts_with('/') ? path : segment + "/" + path);
    return all;
}

}  // namespace

ipc::CellSettings cell_settings(const CellPlan& plan, bool landlock, bool cgroup) {
    ipc::CellSettings settings{.segment = plan.segment,
                               .ring_bytes = plan.ring_bytes,
                               .landlock = landlock,
                               .cgroup = cgroup,
                               .hidden = absolute(plan.profile.hidden, plan.segment),
                               .writable = plan.profile.writable,
                               .trees = plan.guards.trees,
                               .secrets = plan.guards.secrets,
                               .protect = plan.guards.protect,
                               .protect_repositories = plan.guards.git,
                               .environment = plan.environment,
                               .profiles = {}};
    settings.writable.push_back(plan.segment);
    for (const auto& command : plan.commands) {
        ipc::SlotProfile slot{command.name, command.writes, {}, command.limits};
        for (const auto& path : absolute(command.hidden, plan.segment))
            if (std::ranges::find(settings.hidden, path) == settings.hidden.end()) slot.hidden.push_back(path);
        settings.profiles.push_back(std::move(slot));
    }
    return settings;
}

}  // namespace toren::supervisor
