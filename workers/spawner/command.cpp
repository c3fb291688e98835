#include "workers/spawner/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <vector>

#include "base/child_process.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "policy/cage.h"
#include "policy/roles.h"
#include "policy/working_folder.h"

namespace toren::spawner {
namespace {

using ipc::StartStep;

[[noreturn]] void fail(int pipe, StartStep step, int code) {
    const StartFailure failure{step, code};
    [[maybe_unused]] const auto written = ::write(pipe, &failure, sizeof failure);
    ::_exit(127);
}

// Signals as a new program expects them: the spawner blocks what it reads by descriptor.
void reset_signals() {
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
    ::signal(SIGPIPE, SIG_DFL);
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (auto& text : strings) out.push_back(text.data());
    out.push_back(nullptr);
    return out;
}

bool holds_nul(const std::vector<std::string>& strings) {
    return std::any_of(strings.begin(), strings.end(), [](const auto& text) { return text.find('\0') != text.npos; });
}

bool take_streams(const CommandEnds& ends, int null) {
    if (ends.terminal) {
        if (::ioctl(ends.terminal.get(), TIOCSCTTY, 0) != 0) return false;
        for (const int stream : {0, 1, 2})
            if (::dup2(ends.terminal.get(), stream) < 0) return false;
        return true;
    }
    return ::dup2(null, 0) >= 0 && ::dup2(ends.output.get(), 1) >= 0 && ::dup2(ends.errors.get(), 2) >= 0;
}

// What the cell gives, and the request's additions over it.
std::vector<std::string> merged_environment(const std::vector<std::string>& passed,
                                            const std::vector<std::string>& additions) {
    auto all = command_environment(passed);
    for (const auto& addition : additions) set_variable(all, addition);
    return all;
}

}  // namespace

void run_command(CommandEnds ends, int ruleset, const std::vector<std::string>& passed) {
    // From here on the process holds its standard streams, its start channel and what confines it; all else is closed.
    UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
    if (!null || ::setsid() < 0 || !take_streams(ends, null.get()))
        fail(ends.failure.get(), StartStep::kConfine, errno);
    constexpr int kStart = 3, kSegment = 4, kFailure = 5, kInput = 6;
    std::vector<InheritedFd> kept = {
        {ends.start.release(), kStart}, {ends.segment.release(), kSegment}, {ends.failure.release(), kFailure}};
    const bool has_pipe = static_cast<bool>(ends.input);
    if (has_pipe) kept.push_back({ends.input.release(), kInput});
    if (ruleset >= 0) kept.push_back({ruleset, ruleset});
    if (auto alone = inherit_only(kept); !alone) ::_exit(127);
    for (UniqueFd* closed : {&null, &ends.output, &ends.errors, &ends.terminal}) closed->release();
    const int failure = kFailure;
    ::fcntl(failure, F_SETFD, FD_CLOEXEC);
    if (auto confined = confine_command(ruleset); !confined) {
        log_error(confined.error().text());  // to whoever reads the command's output
        fail(failure, StartStep::kConfine, confined.error().code);
    }
    reset_signals();

    ipc::Channel channel(UniqueFd(kStart), ipc::Role::kCommand, ipc::Role::kBroker, ipc::Phase::kOpen);
    ipc::Packet packet;
    // A slot that nobody used, or whose broker died before it said what to execute.
    if (channel.receive(packet) != ipc::Received::kPacket) fail(failure, StartStep::kRequest, ECANCELED);
    auto start = packet.as<ipc::Start>();
    if (!start || start->argv.empty() || holds_nul(start->argv) || holds_nul(start->environment))
        fail(failure, StartStep::kRequest, EINVAL);
    if (has_pipe && start->input && ::dup2(kInput, 0) < 0) fail(failure, StartStep::kRequest, errno);
    if (auto entered = enter_folder(kSegment, start->cwd); !entered)
        fail(failure, StartStep::kDirectory, entered.error().code);

    auto environment = merged_environment(passed, start->environment);
    auto variables = pointers(environment);
    auto arguments = pointers(start->argv);
    // Most descriptors are close-on-exec; this holds for the others, and for one that somebody forgot.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    ::environ = variables.data();
    ::execvp(arguments[0], arguments.data());
    fail(failure, StartStep::kExecute, errno);
}

}  // namespace toren::spawner
