// PROCESS    pid 1 of one run's namespaces; child of the runner (run.cpp), dies with it
// PRIVILEGE  every capability of the cage's user namespace while the cage is made, then CAP_SYS_ADMIN alone, for the
//            guards' mounts; not dumpable, outside the command's Landlock domain, no file of the operator's
// DISTRUSTS  the command: reads nothing that it writes, but its end
// IF OWNED   the attacker has the folders that the cage shows
#include "runner/init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

#include "base/child_process.h"
#include "policy/cage.h"
#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/roles.h"
#include "runner/command.h"
#include "runner/guarding.h"
#include "runner/violation_trace.h"
#include "runner/wire.h"

namespace toren::runner {
namespace {

constexpr int kMeasureMilliseconds = 200;

std::vector<std::string> hidden_paths(const Request& request) {
    std::vector<std::string> paths = request.profile.hidden;
    for (auto& path : paths)
        if (!path.starts_with('/')) path.insert(0, request.segment + "/");
    return paths;
}

// A terminal of the cage's own: the runner gets its master, the command its other end.
Result<UniqueFd> open_terminal(const TerminalLike& like, int channel) {
    UniqueFd master(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!master) return errno_error("terminal: open '/dev/pts/ptmx'");
    int unlocked = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return errno_error("terminal: TIOCSPTLCK");
    UniqueFd terminal(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal) return errno_error("terminal: TIOCGPTPEER");
    if (::tcsetattr(terminal.get(), TCSANOW, &like.settings) != 0) return errno_error("terminal: tcsetattr");
    if (like.size.ws_col != 0) ::ioctl(terminal.get(), TIOCSWINSZ, &like.size);
    Note note{};
    note.kind = NoteKind::kTerminal;
    TRY(send_note(channel, note, master.get()));
    return terminal;
}

class Init {
public:
    explicit Init(Start start) : start_(std::move(start)) {}

    Result<> make_cage() {
        const Request& request = start_.request;
        TRY(die_with_parent(start_.channel.get()));
        if (::setsid() < 0) return errno_error("setsid");
        const auto [user, group] = std::pair(start_.user, start_.group);
        TRY(enter_cell({cell_root(request.segment, request.profile, request.segment_limits, user, group),
                        command_limits(request.profile.limits), user, group}));
        for (const auto& path : hidden_paths(request)) TRY(hide_path(path));
        TRY_ASSIGN(auto guards, Guards::stand(request.guards));
        guards_.emplace(std::move(guards));
        if (request.landlock) {
            TRY_ASSIGN(ruleset_, make_ruleset(command_landlock(request.segment, request.profile)));
        }
        folder_.reset(::open(request.folder.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
        if (!folder_) return errno_error("open '" + request.folder + "' in the cage");
        if (start_.terminal) {
            TRY_ASSIGN(terminal_, open_terminal(*start_.terminal, start_.channel.get()));
        }
        return measuring() ? measure() : Ok{};
    }

    Result<> start_command() {
        int failure[2];
        if (::pipe2(failure, O_CLOEXEC) != 0) return errno_error("pipe2");
        failure_.reset(failure[0]);
        UniqueFd told(failure[1]);
        sigset_t watched;
        sigemptyset(&watched);
        sigaddset(&watched, SIGCHLD);
        signals_.reset(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));  // blocked already, by the runner
        if (!signals_) return errno_error("signalfd");
        int go[2] = {-1, -1};
        if (start_.trace && ::pipe2(go, O_CLOEXEC) != 0) return errno_error("pipe2");
        UniqueFd waits(go[0]), goes(go[1]);
        // vfork: the copy of this process's memory would only be thrown away by exec. A tracer has to run meanwhile.
        // It may only trace a process that is dumpable; nothing but the two of them is in the cage yet.
        if (start_.trace) ::prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
        command_ = start_.trace ? ::fork() : ::vfork();
        const int failed = errno;
        if (start_.trace && command_ != 0) TRY(set_not_dumpable());
        errno = failed;
        if (command_ < 0) return errno_error("fork");
        if (command_ == 0) {
            if (start_.trace) goes.reset();  // or the command would wait for itself
            run_command(start_, {ruleset_.get(), folder_.get(), terminal_.get(), waits.get(), told.get()});
        }
        if (start_.trace) TRY(trace_.follow(command_));
        ruleset_.reset();
        folder_.reset();
        terminal_.reset();
        return Ok{};
    }

    // What only the command needs: the operator's streams, and the rights to make a cage.
    Result<> settle() {
        const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (!null) return errno_error("open '/dev/null'");
        for (int stream = 0; stream < 3; ++stream)
            if (::dup2(null.get(), stream) < 0) return errno_error("dup2");
        for (const int stream : start_.streams)
            if (stream > 2) ::close(stream);
        const cap_value_t kept[] = {CAP_SYS_ADMIN};
        TRY(keep_only_capabilities(kept));
        return set_no_new_privileges();
    }

    // Until the command has ended, or the runner has gone.
    void run() {
        for (;;) {
            pollfd waiting[] = {
                {start_.channel.get(), POLLIN, 0}, {signals_.get(), POLLIN, 0}, {guards_->fd(), POLLIN, 0}};
            const int ready = ::poll(waiting, std::size(waiting), measuring() ? kMeasureMilliseconds : -1);
            if (ready < 0 && errno != EINTR) return;
            if (waiting[0].revents != 0 && !obey()) return;
            if (waiting[1].revents != 0 && reap()) return report();
            if (waiting[2].revents != 0 && !guards_->refresh()) return;  // what is not guarded does not run
            if (measuring() && !measure()) return;
        }
    }

    int channel() const { return start_.channel.get(); }

private:
    bool measuring() const {
        return start_.request.profile.limits.memory_bytes != 0 || start_.request.profile.limits.cpu_seconds != 0;
    }

    Result<> measure() {
        const auto& limits = start_.request.profile.limits;
        TRY_ASSIGN(const auto usage, usage_of_cage(limits.memory_bytes == 0 ? UINT64_MAX : limits.memory_bytes));
        peak_ = std::max(peak_, usage.memory_bytes);
        // Twice in a row: processes that come and go while they are counted may count twice, once.
        const bool memory = limits.memory_bytes != 0 && usage.memory_bytes > limits.memory_bytes;
        const bool cpu = limits.cpu_seconds != 0 && usage.cpu_milliseconds > limits.cpu_seconds * 1000;
        if (memory && std::exchange(over_memory_, memory)) end_for(EndedBy::kMemory);
        if (cpu && std::exchange(over_cpu_, cpu)) end_for(EndedBy::kCpu);
        over_memory_ = memory, over_cpu_ = cpu;
        return Ok{};
    }

    static rusage usage_of_the_reaped() {
        rusage usage{};
        ::getrusage(RUSAGE_CHILDREN, &usage);
        return usage;
    }
    static std::uint64_t microseconds(const timeval& time) {
        return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_usec);
    }

    void end_for(EndedBy limit) {
        if (by_ == EndedBy::kNothing) by_ = limit;
        ::kill(-1, SIGKILL);  // everyone in this pid namespace but this process
    }

    bool obey() {
        Order order{};
        if (!receive_order(start_.channel.get(), order)) return false;
        if (order.kind == OrderKind::kEnd) end_for(static_cast<EndedBy>(order.value));
        if (order.kind == OrderKind::kStop) ::kill(-1, SIGSTOP);
        if (order.kind == OrderKind::kContinue) ::kill(-1, SIGCONT);
        // Before the command has its session there is no such group.
        if (order.kind == OrderKind::kSignal && ::kill(-command_, order.value) != 0) ::kill(command_, order.value);
        return true;
    }

    // Whether the command itself was among them.
    bool reap() {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof info) > 0) {
        }
        int status = 0;
        bool ended = false;
        for (pid_t pid = 0; (pid = ::waitpid(-1, &status, WNOHANG | __WALL)) > 0;) {
            if (WIFSTOPPED(status)) {
                trace_.stopped(pid, status);
                continue;
            }
            trace_.ended(pid);
            if (pid == command_) {
                ended = true;
                status_ = status;
            }
        }
        return ended;
    }

    void report() {
        ::kill(-1, SIGKILL);
        while (::waitpid(-1, nullptr, __WALL) > 0 || errno == EINTR) {
        }
        guards_->release();
        Note note{};
        note.kind = NoteKind::kEnded;
        Ended& ended = note.ended;
        ended.code = WIFEXITED(status_) ? WEXITSTATUS(status_) : 0;
        ended.signal = WIFSIGNALED(status_) ? WTERMSIG(status_) : 0;
        if (ended.signal == SIGKILL) ended.by = by_;
        if (ended.signal == SIGXFSZ) ended.by = EndedBy::kFileSize;
        StartFailure failure;
        ::fcntl(failure_.get(), F_SETFL, O_NONBLOCK);
        if (::read(failure_.get(), &failure, sizeof failure) == sizeof failure) ended.failure = failure;
        const auto usage = usage_of_the_reaped();
        ended.cpu_microseconds = microseconds(usage.ru_utime) + microseconds(usage.ru_stime);
        ended.peak_bytes = std::max(peak_, static_cast<std::uint64_t>(usage.ru_maxrss) * 1024);
        [[maybe_unused]] const auto sent = send_note(start_.channel.get(), note);
    }

    Start start_;
    ViolationTrace trace_{[this](const std::string& line) {
        [[maybe_unused]] const auto sent = send_text(channel(), NoteKind::kRefused, line);
    }};
    UniqueFd ruleset_, folder_, terminal_, failure_, signals_;
    pid_t command_ = -1;
    int status_ = 0;
    EndedBy by_ = EndedBy::kNothing;
    std::uint64_t peak_ = 0;
    bool over_memory_ = false, over_cpu_ = false;
    std::optional<Guards> guards_;
};

Result<> live(Init& init) {
    TRY(init.make_cage());
    TRY(init.start_command());
    TRY(init.settle());
    init.run();
    return Ok{};
}

}  // namespace

void run_init(Start start) {
    Init init(std::move(start));
    auto lived = live(init);
    if (!lived) [[maybe_unused]]
        auto told = send_text(init.channel(), NoteKind::kFailed, lived.error().text());
    ::_exit(0);
}

}  // namespace toren::runner
