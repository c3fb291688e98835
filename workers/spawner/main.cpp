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

#include <cstdlib>
#include <cstring>

#include "base/child_process.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "policy/privileges.h"
#include "workers/spawner/spawner.h"

using namespace toren;

namespace {

Result<> ladder(UniqueFd& signals) {
    TRY(die_with_parent(ipc::kSpawnerSupervisorFd));
    TRY(set_not_dumpable());
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    if (::sigprocmask(SIG_BLOCK, &child, nullptr) != 0) return errno_error("sigprocmask");
    signals.reset(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return errno_error("signalfd");
    return Ok{};
}

}  // namespace

int main(int argc, char** argv) {
    set_log_process("spawner");
    if (argc < 3) {
        log_error("toren-spawner is started by toren serve");
        return 2;
    }
    UniqueFd signals;
    if (auto ready = ladder(signals); !ready) {
        log_error(ready.error().text());
        return 1;
    }
    const spawner::CellSettings settings{.segment_path = argv[1],
                                         .ring_bytes = std::strtoull(argv[2], nullptr, 10),
                                         .landlock = argc < 4 || std::strcmp(argv[3], ipc::kWithoutLandlock) != 0};
    return spawner::Spawner(settings, std::move(signals)).run();
}
