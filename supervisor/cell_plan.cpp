#include "supervisor/cell_plan.h"

#include <algorithm>

#include "policy/config_limits.h"

namespace toren::supervisor {

namespace {

// git would rewrite the reflogs of every worktree when it collects garbage, and the others' are read-only.
constexpr const char* kKeepReflogs[] = {"GIT_CONFIG_COUNT=2", "GIT_CONFIG_KEY_0=gc.reflogExpire",
                                        "GIT_CONFIG_VALUE_0=never", "GIT_CONFIG_KEY_1=gc.reflogExpireUnreachable",
                                        "GIT_CONFIG_VALUE_1=never"};

Result<CellPlan> make_plan(const ProfileSources& sources, const Segment& segment, Profile profile) {
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

// A profile names what it hides relative to the segment, or absolutely.
std::vector<std::string> absolute(const std::vector<std::string>& paths, const std::string& segment) {
    std::vector<std::string> all;
    for (const auto& path : paths) all.push_back(path.starts_with('/') ? path : segment + "/" + path);
    return all;
}

}  // namespace

Result<CellPlan> plan_cell(const ProfileSources& sources, const Segment& segment) {
    TRY_ASSIGN(auto profile, segment_profile(sources, segment));
    return make_plan(sources, segment, std::move(profile));
}

Result<CellPlan> plan_workspace_cell(const ProfileSources& sources, const Segment& segment,
                                     const WorkspaceFolder& workspace) {
    if (!workspace.empty && workspace.entry.empty())
        return error("workspace '" + workspace.path + "' is none of the worktrees of '" + segment.path + "'");
    TRY_ASSIGN(auto profile, segment_profile(sources, segment));
    TRY_ASSIGN(auto common, common_repository(segment));
    profile.writable.push_back(common);
    TRY_ASSIGN(auto cell, make_plan(sources, {segment.name, workspace.path, segment.source}, std::move(profile)));
    if (workspace.empty) std::erase(cell.guards.trees, workspace.path);
    cell.guards.common = std::move(common);
    cell.guards.worktree = workspace.entry;
    cell.environment.insert(cell.environment.end(), std::begin(kKeepReflogs), std::end(kKeepReflogs));
    return cell;
}

ipc::CellSettings cell_settings(const CellPlan& plan, bool landlock, bool cgroup) {
    ipc::CellSettings settings{.segment = plan.segment,
                               .ring_bytes = plan.ring_bytes,
                               .landlock = landlock,
                               .cgroup = cgroup,
                               .memory_bytes = cgroup ? 0 : plan.limits.memory_bytes,
                               .hidden = absolute(plan.profile.hidden, plan.segment),
                               .writable = plan.profile.writable,
                               .trees = plan.guards.trees,
                               .secrets = plan.guards.secrets,
                               .protect = plan.guards.protect,
                               .protect_repositories = plan.guards.git,
                               .common = plan.guards.common,
                               .worktree = plan.guards.worktree,
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
