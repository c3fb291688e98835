#include "supervisor/cell_plan.h"

#include <algorithm>

namespace toren::supervisor {

Result<CellPlan> plan_cell(const Config& config, const Segment& segment) {
    const CommandLimits limits{.processes = config.limits.processes,
                               .seconds = config.limits.command_seconds,
                               .file_bytes = config.limits.file_bytes,
                               .open_files = config.limits.open_files};
    CellPlan plan{.segment = segment.path,
                  .profile = workspace_write_profile(limits),
                  .commands = {},
                  .limits = {.tmp_bytes = config.limits.tmp_bytes},
                  .guards = {.trees = {segment.path}, .secrets = {}, .protect = {}},
                  .environment = {},
                  .ring_bytes = config.limits.output_ring_bytes};
    plan.commands = {plan.profile, narrow(plan.profile, read_only_profile(limits))};
    return plan;
}

ipc::CellSettings cell_settings(const CellPlan& plan, bool landlock, bool cgroup) {
    ipc::CellSettings settings{.segment = plan.segment,
                               .ring_bytes = plan.ring_bytes,
                               .landlock = landlock,
                               .cgroup = cgroup,
                               .hidden = plan.profile.hidden,
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
        for (const auto& path : command.hidden)
            if (std::ranges::find(plan.profile.hidden, path) == plan.profile.hidden.end()) slot.hidden.push_back(path);
        settings.profiles.push_back(std::move(slot));
    }
    return settings;
}

}  // namespace toren::supervisor
