#include "workers/spawner/slot.h"

#include <unistd.h>

#include "ipc/channel.h"
#include "ipc/output_log.h"
#include "policy/namespaces.h"
#include "workers/spawner/command_init.h"

namespace toren::spawner {

Result<Slot> make_slot(std::uint64_t ring_bytes, bool landlock) {
    TRY_ASSIGN(auto start, ipc::socket_pair());
    TRY_ASSIGN(auto control, ipc::socket_pair());
    TRY_ASSIGN(auto log, ipc::LogWriter::create(ring_bytes));
    TRY_ASSIGN(auto child, ChildProcess::fork(kCommandNamespaces));
    if (!child) {
        start.first.reset();
        control.first.reset();
        log.close_fd();
        run_command_init(std::move(start.second), std::move(control.second), std::move(log), landlock);
    }
    Slot slot{std::move(*child), std::move(start.first), std::move(control.first), UniqueFd(::dup(log.fd()))};
    if (!slot.log) return errno_error("dup");
    return slot;
}

}  // namespace toren::spawner
