#include "workers/spawner/slot.h"

#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "ipc/output_log.h"
#include "policy/namespaces.h"
#include "policy/ways_out.h"
#include "workers/spawner/command_init.h"

namespace toren::spawner {

Result<Slot> make_slot(std::uint32_t id, const ipc::CellSettings& cell, const ipc::SlotProfile& profile) {
    TRY_ASSIGN(auto start, ipc::socket_pair());
    TRY_ASSIGN(auto control, ipc::socket_pair());
    TRY_ASSIGN(auto log, ipc::LogWriter::create(cell.ring_bytes));
    CommandGroup group;
    if (cell.cgroup) {
        TRY_ASSIGN(group, CommandGroup::make(ipc::kSpawnerCgroupFd, id, profile.limits));
    }
    auto forked = ChildProcess::fork(kCommandNamespaces);
    if (!forked)
        return layer_error(Feature::kOtherNamespaces, "clone3 with a pid and a mount namespace", forked.error().code);
    auto child = std::move(*forked);
    if (!child) {
        start.first.reset();
        control.first.reset();
        log.close_fd();
        run_command_init({std::move(start.second), std::move(control.second), std::move(log)}, {cell, profile, group});
    }
    Slot slot{std::move(*child), std::move(group), std::move(start.first), std::move(control.first),
              UniqueFd(::dup(log.fd()))};
    if (!slot.log) return errno_error("dup");
    return slot;
}

}  // namespace toren::spawner
