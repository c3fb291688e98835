// toren-broker: owns the network and authentication; decides who may ask for what, and asks the cells for it.
// PROCESS    one, executed by the supervisor inside namespaces of its own; started again when it dies
// PRIVILEGE  no capabilities, an empty network namespace (inherited listeners accept all the same), its state folder;
//            its filter knows no exec, no fork, no socket, no executable memory
// DISTRUSTS  every byte from the network; every answer and every output log of a cell
// IF OWNED   tokens and requests can be forged; no file outside its state folder, no program, no outgoing connection
#include <sys/stat.h>

#include <cstdlib>
#include <cstring>

#include "base/child_process.h"
#include "base/log.h"
#include "broker/broker.h"
#include "broker/loop.h"
#include "broker/server.h"
#include "ipc/inherited.h"
#include "policy/landlock.h"
#include "policy/privileges.h"
#include "policy/roles.h"
#include "policy/seccomp.h"

using namespace toren;

namespace {

Result<> confine(bool landlock) {
    TRY(die_with_parent(ipc::kBrokerSupervisorFd));
    TRY(set_not_dumpable());
    ::umask(0077);
    if (landlock) {
        TRY(restrict_to_ruleset(ipc::kBrokerRulesetFd));
        ::close(ipc::kBrokerRulesetFd);
    }
    return install_filter(FilterRole::kBroker);
}

Result<int> run(int listeners, bool landlock) {
    TRY(confine(landlock));
    TRY_ASSIGN(auto store, broker::Store::open(kBrokerState));
    TRY_ASSIGN(auto greeted, broker::SupervisorLink::greet(UniqueFd(ipc::kBrokerSupervisorFd)));
    auto& [link, settings] = greeted;
    TRY_ASSIGN(auto auth, broker::Auth::begin(*store, settings));
    const std::chrono::seconds idle(settings.cell_idle_seconds);
    const broker::Processes::Limits limits{settings.commands_per_segment, settings.processes_kept,
                                           settings.process_keep_seconds, settings.spool_bytes};
    broker::SupervisorLink& supervisor = *link;
    broker::Broker broker{.settings = std::move(settings),
                          .store = std::move(store),
                          .auth = std::move(auth),
                          .supervisor = std::move(link),
                          .cells = {supervisor, idle},
                          .processes = {broker.cells, limits, kBrokerState},
                          .ancillaries = {},
                          .workspaces = {*broker.store, broker.settings.workspace_root}};
    broker.supervisor->start();
    broker.processes.take_over(broker.settings.live_cells);
    for (int i = 0; i < listeners; ++i) broker::accept_on(broker, UniqueFd(ipc::kBrokerFirstListenerFd + i));
    broker::run_loop();
    return 0;
}

}  // namespace

int main(int argc, char** argv) {
    set_log_process("broker");
    if (argc < 2) {
        log_error("toren-broker is started by toren serve");
        return 2;
    }
    const bool landlock = argc < 3 || std::strcmp(argv[2], ipc::kWithoutLandlock) != 0;
    const auto status = run(std::atoi(argv[1]), landlock);
    if (!status) log_error(status.error().text());
    return status ? *status : 1;
}
