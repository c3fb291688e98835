// toren-spawner: pid 1 of one segment's cell; makes slots for commands, starts the files and vcs workers, reaps.
// PROCESS    one per active segment, executed by the supervisor inside finished namespaces and the cell's root
// PRIVILEGE  CAP_SYS_ADMIN and CAP_SETPCAP of the cell's user namespace (a pid namespace and a /proc per command), no
//            Landlock, for a process under it cannot mount; not dumpable, single-threaded
// DISTRUSTS  the broker: fixed-size records by the table of ipc/protocol.h; it never sees an argument vector
// IF OWNED   the attacker has this segment; the host and the other segments are not in its root
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/child_process.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "policy/guards.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "workers/spawner/spawner.h"

using namespace toren;

namespace {

Result<> ladder(UniqueFd& signals) {
    TRY(die_with_parent(ipc::kSpawnerSupervisorFd));
    TRY(set_not_dumpable());
    note_dropped_capabilities();
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    signals.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    sigset_t blocked = child;
    sigaddset(&blocked, SIGTERM);  // for the inits of commands, which read it
    if (::sigprocmask(SIG_BLOCK, &blocked, nullptr) != 0) return errno_error("sigprocmask");
    if (!signals) return errno_error("signalfd");
    return Ok{};
}

// What the profile hides, what looks like a secret, what tools would run later.
Result<Guards> guard(const ipc::CellSettings& cell) {
    TRY_ASSIGN(auto guards, Guards::stand({.trees = cell.trees,
                                           .secrets = cell.secrets,
                                           .protect = cell.protect,
                                           .hidden = cell.hidden,
                                           .git = cell.protect_repositories,
                                           .common = cell.common,
                                           .worktree = cell.worktree}));
    // Those too that guards do not walk: in a repository's own folder, or in no tree at all.
    for (const auto& path : cell.hidden) TRY(hide_path(path));
    return guards;
}

// What the supervisor says first, and what must stand before a command may run.
Result<int> run(UniqueFd signals) {
    ipc::Channel supervisor(UniqueFd(ipc::kSpawnerSupervisorFd), ipc::Role::kSpawner, ipc::Role::kSupervisor,
                            ipc::Phase::kGreeting);
    ipc::Packet packet;
    if (supervisor.receive(packet) != ipc::Received::kPacket) return error("the supervisor said nothing");
    auto settings = packet.as<ipc::CellSettings>();
    if (!settings || settings->profiles.empty()) return error("no settings for this cell");
    auto guards = guard(*settings);
    if (!guards) {
        TRY(supervisor.send(ipc::CellFailed{guards.error().text().substr(0, 4096)}));
        return std::move(guards.error());
    }
    return spawner::Spawner(std::move(supervisor), std::move(*settings), std::move(*guards), std::move(signals)).run();
}

}  // namespace

int main() {
    set_log_process("spawner");
    UniqueFd signals;
    auto ready = ladder(signals);
    auto status = ready ? run(std::move(signals)) : Result<int>(std::move(ready.error()));
    if (status) return *status;
    log_error(status.error().text());
    return 1;
}
