// PROCESS    the command of `toren run`, until it executes; child of the cage's init (init.cpp)
// PRIVILEGE  every capability of the cage's user namespace at first; none, Landlock and the filter before it looks at
//            the folder and the program
#include "runner/command.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <vector>

#include "policy/cage.h"
#include "policy/working_folder.h"
#include "runner/wire.h"

namespace toren::runner {
namespace {

[[noreturn]] void fail(int pipe, StartStep step, int code) {
    const StartFailure failure{step, code};
    [[maybe_unused]] const auto written = ::write(pipe, &failure, sizeof failure);
    ::_exit(127);
}

// A session of its own either way: the operator's terminal is nobody's controlling terminal in here.
bool take_streams(const Start& start, int terminal) {
    if (::setsid() < 0) return false;
    if (terminal >= 0 && ::ioctl(terminal, TIOCSCTTY, 0) != 0) return false;
    // Upwards, and what comes later is never below: a stream is either itself or a descriptor beyond all three.
    for (int number = 0; number < 3; ++number) {
        const auto at = static_cast<std::size_t>(number);
        const int source = start.terminal && start.terminal->streams[at] ? terminal : start.streams[at];
        if (source != number && ::dup2(source, number) < 0) return false;
    }
    return true;
}

// As a new program expects them, whatever the operator's shell ignored.
void reset_signals() {
    for (int signal = 1; signal < NSIG; ++signal) ::signal(signal, SIG_DFL);
    sigset_t none;
    sigemptyset(&none);
    ::sigprocmask(SIG_SETMASK, &none, nullptr);
}

std::vector<char*> pointers(const std::vector<std::string>& strings) {
    std::vector<char*> out;
    for (const auto& text : strings) out.push_back(const_cast<char*>(text.c_str()));
    out.push_back(nullptr);
    return out;
}

}  // namespace

void run_command(const Start& start, const CommandEnds& ends) {
    const auto variables = pointers(start.request.environment);
    const auto arguments = pointers(start.request.command);
    char nothing;
    if (ends.go >= 0) [[maybe_unused]]
        const auto ended = ::read(ends.go, &nothing, 1);
    if (!take_streams(start, ends.terminal)) fail(ends.failure, StartStep::kConfine, errno);
    if (auto confined = confine_command(ends.ruleset); !confined)
        fail(ends.failure, StartStep::kConfine, confined.error().code);
    if (auto entered = enter_folder(ends.folder, start.request.beneath); !entered)
        fail(ends.failure, StartStep::kFolder, entered.error().code);
    // Every descriptor is close-on-exec; this holds even for one that somebody forgot.
    ::syscall(SYS_close_range, 3U, ~0U, CLOSE_RANGE_CLOEXEC);
    reset_signals();
    ::environ = const_cast<char**>(variables.data());
    ::execvp(arguments[0], arguments.data());
    fail(ends.failure, StartStep::kExecute, errno);
}

}  // namespace toren::runner
