#include "supervisor/children.h"

#include <fcntl.h>
#include <sys/resource.h>

#include "ipc/inherited.h"
#include "policy/landlock.h"
#include "policy/roles.h"

namespace toren::supervisor {
namespace {

CommandLimits limits_of_commands(const Config::Limits& limits) {
    return {.processes = limits.processes,
            .seconds = limits.command_seconds,
            .file_bytes = limits.file_bytes,
            .open_files = limits.open_files};
}

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

Result<CagedProcess> start_cell(const Programs& programs, const std::string& segment_path, const Config::Limits& limits,
                                bool landlock) {
    const Profile profile = workspace_write_profile(limits_of_commands(limits));
    CagedProgram cell{
        .name = "toren-spawner",
        .program = programs.spawner.get(),
        .root = cell_root(segment_path, profile, {.tmp_bytes = limits.tmp_bytes}, ::geteuid(), ::getegid()),
        .capabilities = {CAP_SYS_ADMIN, CAP_SETPCAP},
        .limits = command_limits(profile.limits),
        .arguments = {segment_path, std::to_string(limits.output_ring_bytes)},
        .role = ipc::Role::kSpawner,
        .control_number = ipc::kSpawnerSupervisorFd,
        .descriptors = {{programs.files_worker.get(), ipc::kSpawnerFilesProgramFd},
                        {programs.vcs_worker.get(), ipc::kSpawnerVcsProgramFd}},
        .open_inside = {}};
    if (!landlock) cell.arguments.push_back(ipc::kWithoutLandlock);
    cell.open_inside = [segment_path, profile, landlock](auto& descriptors, auto& opened) -> Result<> {
        UniqueFd folder(::open(segment_path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
        if (!folder) return errno_error("open '" + segment_path + "' in the cell");
        descriptors.push_back({folder.get(), ipc::kSpawnerSegmentFd});
        opened.push_back(std::move(folder));
        if (!landlock) return Ok{};
        TRY(add_ruleset(files_landlock(segment_path, profile), ipc::kSpawnerFilesRulesetFd, descriptors, opened));
        TRY(add_ruleset(vcs_landlock(segment_path), ipc::kSpawnerVcsRulesetFd, descriptors, opened));
        return add_ruleset(command_landlock(segment_path, profile), ipc::kSpawnerCommandRulesetFd, descriptors, opened);
    };
    return start_caged(cell);
}

}  // namespace toren::supervisor
