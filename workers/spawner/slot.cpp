#include "workers/spawner/slot.h"

#include <unistd.h>

#include <algorithm>

#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "ipc/output_log.h"
#include "policy/namespaces.h"
#include "policy/ways_out.h"
#include "workers/spawner/command_init.h"

namespace toren::spawner {

namespace {

// The lower of two limits, of which 0 is none.
std::uint64_t lower(std::uint64_t one, std::uint64_t other) {
    return one == 0 ? other : other == 0 ? one : std::min(one, other);
}

CommandLimits narrowed(const CommandLimits& profile, const CommandLimits& wanted) {
    CommandLimits both;
    both.memory_bytes = lower(profile.memory_bytes, wanted.memory_bytes);
    both.swap_bytes = profile.swap_bytes;  // 0 is the lowest here
    both.processes = lower(profile.processes, wanted.processes);
    both.cpu_seconds = lower(profile.cpu_seconds, wanted.cpu_seconds);
    both.seconds = lower(profile.seconds, wanted.seconds);
    both.output_bytes = lower(profile.output_bytes, wanted.output_bytes);
    both.file_bytes = lower(profile.file_bytes, wanted.file_bytes);
    both.open_files = lower(profile.open_files, wanted.open_files);
    return both;
}

}  // namespace

Result<Slot> make_slot(std::uint32_t id, const ipc::CellSettings& cell, const ipc::NewSlot& wanted) {
    const ipc::SlotProfile& profile = cell.profiles[wanted.profile];
    const CommandTerms terms{cell, profile, narrowed(profile.limits, wanted.limits), wanted.rows, wanted.columns};
    TRY_ASSIGN(auto start, ipc::socket_pair());
    TRY_ASSIGN(auto control, ipc::socket_pair());
    TRY_ASSIGN(auto log, ipc::LogWriter::create(wanted.ring_bytes != 0 ? wanted.ring_bytes : cell.ring_bytes));
    Group group;
    GroupMeter meter;
    if (cell.cgroup) {
        TRY_ASSIGN(group, make_command_group(ipc::kSpawnerCgroupFd, id, terms.limits));
        TRY_ASSIGN(meter, group.meter());
    }
    auto forked = ChildProcess::fork(kCommandNamespaces);
    if (!forked)
        return layer_error(Feature::kOtherNamespaces, "clone3 with a pid and a mount namespace", forked.error().code);
    auto child = std::move(*forked);
    if (!child) {
        start.first.reset();
        control.first.reset();
        log.close_fd();
        run_command_init({std::move(start.second), std::move(control.second), std::move(log)}, terms, group.fd(),
                         std::move(meter));
    }
    Slot slot{std::move(group), std::move(*child), std::move(start.first), std::move(control.first),
              UniqueFd(::dup(log.fd()))};
    if (!slot.log) return errno_error("dup");
    return slot;
}

}  // namespace toren::spawner
