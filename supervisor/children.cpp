#include "supervisor/children.h"

#include <fcntl.h>
#include <sys/resource.h>

#include <algorithm>

#include "ipc/inherited.h"
#include "policy/landlock.h"
#include "policy/roles.h"

namespace toren::supervisor {
namespace {

// Opens a ruleset inside the new root and gives it its number.
Result<> add_ruleset(const LandlockSpec& spec, int number, std::vector<InheritedFd>& descriptors,
                     std::vector<UniqueFd>& opened) {
    TRY_ASSIGN(auto ruleset, make_ruleset(spec));
    descriptors.push_back({ruleset.get(), number});
    opened.push_back(std::move(ruleset));
    return Ok{};
}

}  // namespace

Result<CagedProcess> start_broker(const Programs& programs, const std::vector<Listener>& listeners,
                                  const std::string& broker_state, bool landlock) {
    CagedProgram broker{.name = "toren-broker",
                        .program = programs.broker.get(),
                        .root = broker_root(broker_state),
                        .capabilities = {},
                        .limits = {{RLIMIT_CORE, 0}},
                        .arguments = {std::to_string(listeners.size())},
                        .role = ipc::Role::kBroker,
                        .control_number = ipc::kBrokerSupervisorFd,
                        .descriptors = {},
                        .open_inside = {}};
    if (!landlock) broker.arguments.push_back(ipc::kWithoutLandlock);
    int number = ipc::kBrokerFirstListenerFd;
    for (const auto& listener : listeners) broker.descriptors.push_back({listener.socket.get(), number++});
    if (landlock)
        broker.open_inside = [](auto& descriptors, auto& opened) {
            return add_ruleset(broker_landlock(), ipc::kBrokerRulesetFd, descriptors, opened);
        };
    return start_caged(broker);
}

Result<CagedProcess> start_cell(const Programs& programs, const CellPlan& plan, const std::string& store, bool landlock,
                                int cgroup) {
    CommandLimits limits = plan.profile.limits;
    if (cgroup >= 0) limits.processes = 0;  // the group holds them
    CagedProgram cell{.name = "toren-spawner",
                      .program = programs.spawner.get(),
                      .root = cell_root(plan.segment, plan.profile, plan.limits, ::geteuid(), ::getegid()),
                      .capabilities = {CAP_SYS_ADMIN, CAP_SETPCAP},
                      .limits = command_limits(limits),
                      .arguments = {},
                      .role = ipc::Role::kSpawner,
                      .control_number = ipc::kSpawnerSupervisorFd,
                      .descriptors = {{programs.files_worker.get(), ipc::kSpawnerFilesProgramFd},
                                      {programs.vcs_worker.get(), ipc::kSpawnerVcsProgramFd},
                                      {programs.checkpoint_worker.get(), ipc::kSpawnerCheckpointProgramFd}},
                      .cgroup = cgroup,
                      .cgroup_number = ipc::kSpawnerCgroupFd,
                      .oom_victim = true,
                      .open_inside = {}};
    if (!store.empty()) cell.kept_folder = {store, ipc::kSpawnerStoreFd};
    cell.open_inside = [&plan, &store, landlock](auto& descriptors, auto& opened) -> Result<> {
        UniqueFd folder(::open(plan.segment.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!folder) return errno_error("open '" + plan.segment + "' in the cell");
        descriptors.push_back({folder.get(), ipc::kSpawnerSegmentFd});
        opened.push_back(std::move(folder));
        if (!landlock) return Ok{};
        const Profile read_only = narrow(plan.profile, read_only_profile({}));
        for (const auto& [spec, number] :
             {std::pair{files_landlock(plan.segment, plan.profile), ipc::kSpawnerFilesRulesetFd},
              {vcs_landlock(plan.segment, plan.guards.common), ipc::kSpawnerVcsRulesetFd},
              {command_landlock(plan.segment, plan.profile), ipc::kSpawnerCommandRulesetFd},
              {command_landlock(plan.segment, read_only), ipc::kSpawnerReadOnlyRulesetFd}})
            TRY(add_ruleset(spec, number, descriptors, opened));
        if (store.empty()) return Ok{};
        TRY(add_ruleset(checkpoints_landlock(plan.segment, plan.profile), ipc::kSpawnerCheckpointRulesetFd, descriptors,
                        opened));
        const auto kept = std::ranges::find(descriptors, int{ipc::kSpawnerStoreFd}, &InheritedFd::number);
        return grant_folder(opened.back(), kept->fd, Access::kReadWrite);
    };
    TRY_ASSIGN(auto started, start_caged(cell));
    auto told = started.channel.send(cell_settings(plan, landlock, cgroup >= 0));
    if (!told && told.error().code == EMSGSIZE)
        return Error{EMSGSIZE,
                     "the cell's settings are too many: confinement.secrets, confinement.protect and the paths "
                     "of profiles together"};
    // A child that is gone already has said why: it is read like every other answer.
    if (!told && told.error().code != EPIPE && told.error().code != ECONNRESET) return std::move(told.error());
    return started;
}

}  // namespace toren::supervisor
