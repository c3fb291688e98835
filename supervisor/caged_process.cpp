#include "supervisor/caged_process.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>

#include "base/log.h"
#include "policy/cage.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/ways_out.h"

namespace toren::supervisor {
namespace {

// A child that does not read for so long is taken for hostile: the supervisor waits for nobody longer.
constexpr timeval kSendTimeout{5, 0};

// `null` was opened outside: a root may have no /dev.
Result<> standard_streams(const UniqueFd& null, const UniqueFd& log) {
    if (::dup2(null.get(), 0) < 0 || ::dup2(null.get(), 1) < 0 || ::dup2(log.get(), 2) < 0)
        return errno_error("standard streams");
    return Ok{};
}

// A child starts with no signal blocked or ignored, whatever the supervisor does.
void reset_signals() {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
}

// In the child, in this order: each line narrows what the next can do.
Result<> become(const CagedProgram& program, unsigned user, unsigned group, const UniqueFd& channel,
                const UniqueFd& null, const UniqueFd& log) {
    TRY(die_with_parent(channel.get()));
    if (::setsid() < 0) return errno_error("setsid");
    UniqueFd kept_folder;
    if (!program.kept_folder.path.empty()) {
        TRY_ASSIGN(kept_folder, mount_nowhere(program.kept_folder.path));
    }
    TRY_ASSIGN(UniqueFd cgroup, enter_cell({.root = program.root,
                                            .limits = program.limits,
                                            .user = user,
                                            .group = group,
                                            .in_cgroup = program.cgroup >= 0,
                                            .oom_victim = program.oom_victim}));
    auto descriptors = program.descriptors;
    if (cgroup) descriptors.push_back({cgroup.get(), program.cgroup_number});
    if (kept_folder) descriptors.push_back({kept_folder.get(), program.kept_folder.number});
    std::vector<UniqueFd> opened;
    if (program.open_inside) TRY(program.open_inside(descriptors, opened));
    const int program_number = 40;
    descriptors.push_back({channel.get(), program.control_number});
    descriptors.push_back({program.program, program_number});
    TRY(standard_streams(null, log));
    TRY(inherit_only(descriptors));
    for (auto& fd : opened) fd.release();
    cgroup.release();
    kept_folder.release();
    if (::fcntl(program_number, F_SETFD, FD_CLOEXEC) != 0) return errno_error("fcntl");
    reset_signals();
    TRY(keep_only_capabilities(program.capabilities));
    TRY(set_no_new_privileges());
    std::vector<const char*> arguments{program.name};
    for (const auto& argument : program.arguments) arguments.push_back(argument.c_str());
    arguments.push_back(nullptr);
    const char* environment[] = {"LANG=C.UTF-8", nullptr};
    ::syscall(SYS_execveat, program_number, "", arguments.data(), environment, AT_EMPTY_PATH);
    return errno_error(std::string("execute ") + program.name);
}

}  // namespace

Result<CagedProcess> start_caged(const CagedProgram& program) {
    TRY_ASSIGN(auto ends, ipc::socket_pair());
    UniqueFd child_log, null(::open("/dev/null", O_RDWR | O_CLOEXEC));
    if (!null) return errno_error("open '/dev/null'");
    CagedProcess caged;
    TRY_ASSIGN(caged.log, LogRelay::create(child_log));
    ::setsockopt(ends.first.get(), SOL_SOCKET, SO_SNDTIMEO, &kSendTimeout, sizeof kSendTimeout);
    const unsigned user = ::geteuid(), group = ::getegid();
    auto child = ChildProcess::fork(kAllNamespaces, program.cgroup);
    if (!child && program.cgroup >= 0 && child.error().code == EBUSY)
        return Error{EBUSY, "layer cgroup: a process cannot be born into its cell's group"};
    if (!child) return refused_namespaces(child.error().code);
    if (!*child) {
        set_log_process(program.name);
        ends.first.reset();
        const auto failed = become(program, user, group, ends.second, null, child_log);
        // The descriptors may have moved already: what is left of the channel is at its number or where it was.
        ::dup2(child_log.get(), 2);
        log_error(failed.error().text());
        if (program.role == ipc::Role::kSpawner) {
            ipc::Channel channel(std::move(ends.second), program.role, ipc::Role::kSupervisor, ipc::Phase::kGreeting);
            [[maybe_unused]] const auto told = channel.send(ipc::CellFailed{failed.error().text()});
        }
        ::_exit(1);
    }
    caged.process = std::move(**child);
    caged.channel = ipc::Channel(std::move(ends.first), ipc::Role::kSupervisor, program.role, ipc::Phase::kGreeting);
    return caged;
}

}  // namespace toren::supervisor
