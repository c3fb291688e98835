#include "workers/spawner/service.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "policy/privileges.h"

namespace toren::spawner {
namespace {

struct Program {
    const char* name;
    int fd;
    int ruleset;
    int store = -1;
};

constexpr Program kPrograms[] = {
    {"toren-files-worker", ipc::kSpawnerFilesProgramFd, ipc::kSpawnerFilesRulesetFd},
    {"toren-vcs-worker", ipc::kSpawnerVcsProgramFd, ipc::kSpawnerVcsRulesetFd},
    {"toren-checkpoint-worker", ipc::kSpawnerCheckpointProgramFd, ipc::kSpawnerCheckpointRulesetFd,
     ipc::kSpawnerStoreFd},
};

Result<> become(const Program& program, const UniqueFd& channel, const ipc::CellSettings& cell) {
    TRY(drop_all_capabilities());
    TRY(set_no_new_privileges());
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    constexpr int kProgram = ipc::kServiceStoreFd + 1;
    std::vector<InheritedFd> kept = {{channel.get(), ipc::kServiceBrokerFd},
                                     {ipc::kSpawnerSegmentFd, ipc::kServiceSegmentFd},
                                     {program.fd, kProgram}};
    if (program.store >= 0) kept.push_back({program.store, ipc::kServiceStoreFd});
    if (cell.landlock) kept.push_back({program.ruleset, ipc::kServiceRulesetFd});
    TRY(inherit_only(kept));
    if (::fcntl(kProgram, F_SETFD, FD_CLOEXEC) != 0) return errno_error("fcntl");
    const char* arguments[] = {program.name, cell.segment.c_str(), cell.landlock ? nullptr : ipc::kWithoutLandlock,
                               nullptr};
    const char* environment[] = {"LANG=C.UTF-8", nullptr};
    ::syscall(SYS_execveat, kProgram, "", arguments, environment, AT_EMPTY_PATH);
    return errno_error(std::string("execute ") + program.name);
}

}  // namespace

Result<StartedService> spawn_service(ipc::Service service, const ipc::CellSettings& cell) {
    TRY_ASSIGN(auto ends, ipc::socket_pair());
    TRY_ASSIGN(auto child, ChildProcess::fork());
    if (!child) {
        const auto failed = become(kPrograms[static_cast<int>(service)], ends.second, cell);
        log_error(failed.error().text());
        ::_exit(127);
    }
    return StartedService{std::move(*child), std::move(ends.first)};
}

}  // namespace toren::spawner
