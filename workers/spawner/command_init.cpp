#include "workers/spawner/command_init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "base/child_process.h"
#include "base/log.h"
#include "ipc/channel.h"
#include "ipc/inherited.h"
#include "policy/guards.h"
#include "policy/limit_watch.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "policy/roles.h"
#include "policy/seccomp.h"
#include "workers/spawner/command.h"
#include "workers/spawner/flow.h"

namespace toren::spawner {
namespace {

struct Pipe {
    UniqueFd read;
    UniqueFd write;
};

Result<Pipe> make_pipe() {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2");
    return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

// A command can open its own pipe for reading (/proc/self/fd/1) and be faster: this process must never wait for what
// poll() has promised, or no limit and no EndCommand would reach the command any more.
Result<Pipe> make_output_pipe() {
    TRY_ASSIGN(auto pipe, make_pipe());
    if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return errno_error("fcntl O_NONBLOCK");
    return pipe;
}

// The command's terminal: its master stays with the init, the other end is the command's.
struct TerminalEnds {
    UniqueFd master;
    UniqueFd terminal;
};

Result<TerminalEnds> make_terminal(std::uint16_t rows, std::uint16_t columns) {
    UniqueFd master(::open("/dev/pts/ptmx", O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC));
    if (!master) return errno_error("terminal: open '/dev/pts/ptmx'");
    int unlocked = 0;
    if (::ioctl(master.get(), TIOCSPTLCK, &unlocked) != 0) return errno_error("terminal: TIOCSPTLCK");
    UniqueFd terminal(::ioctl(master.get(), TIOCGPTPEER, O_RDWR | O_NOCTTY | O_CLOEXEC));
    if (!terminal) return errno_error("terminal: TIOCGPTPEER");
    termios settings{};
    if (::tcgetattr(terminal.get(), &settings) != 0) return errno_error("terminal: tcgetattr");
    settings.c_iflag |= IUTF8;
    if (::tcsetattr(terminal.get(), TCSANOW, &settings) != 0) return errno_error("terminal: tcsetattr");
    const winsize size{rows, columns, 0, 0};
    if (::ioctl(terminal.get(), TIOCSWINSZ, &size) != 0) return errno_error("terminal: TIOCSWINSZ");
    return TerminalEnds{std::move(master), std::move(terminal)};
}

std::uint64_t nanoseconds(clockid_t clock) {
    timespec now{};
    ::clock_gettime(clock, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1'000'000'000 + static_cast<std::uint64_t>(now.tv_nsec);
}

std::uint64_t microseconds(const timeval& time) {
    return static_cast<std::uint64_t>(time.tv_sec) * 1'000'000 + static_cast<std::uint64_t>(time.tv_usec);
}

// Of what a pipe may still bring once its command's tree is gone: more than an ordinary user's pipe can hold.
constexpr std::uint64_t kMostAfterEnd = 2ULL << 20;

constexpr const char* kEndOfTransmission = "\x04";

// All that the init holds while its command runs.
struct HeldFds {
    UniqueFd control;
    UniqueFd input;  // to write; a terminal's master, as `output` is then
    UniqueFd output;
    UniqueFd errors;    // none where there is a terminal
    UniqueFd terminal;  // as long as it is open here, it does not hang up when no command has it open
    UniqueFd failure;
    UniqueFd signals;
    GroupMeter meter;  // where a cgroup holds the command
    UniqueFd proc;     // where none does, and something has to be measured
};

class CommandInit {
public:
    CommandInit(HeldFds held, bool terminal, ipc::LogWriter log, pid_t command, LimitWatch limits)
        : control_(std::move(held.control), ipc::Role::kCommand, ipc::Role::kBroker, ipc::Phase::kOpen),
          log_(std::move(log)),
          command_(command),
          terminal_(terminal),
          input_(std::move(held.input)),
          output_(std::move(held.output)),
          errors_(std::move(held.errors)),
          failure_(std::move(held.failure)),
          signals_(std::move(held.signals)),
          terminal_end_(std::move(held.terminal)),
          limits_(std::move(limits)) {}

    // Until the command has ended and its output is in the log, or the broker has gone.
    void run() {
        while (!(ended_ && !output_ && !errors_)) {
            const bool rests = resting();
            const bool room = !rests && log_.has_room(kept());
            pollfd waiting[] = {{control_.fd(), POLLIN, 0},
                                {ended_ ? -1 : signals_.get(), POLLIN, 0},
                                {room && output_ ? output_.get() : -1, POLLIN, 0},
                                {room && errors_ ? errors_.get() : -1, POLLIN, 0},
                                {started_ ? -1 : failure_.get(), POLLIN, 0},
                                {pending_input_.empty() ? -1 : input_.get(), POLLOUT, 0}};
            const int wait = ended_ ? (room ? 0 : -1) : limits_.milliseconds_to_next();
            const timespec rest{0, kRest}, time{wait / 1000, wait % 1000 * 1'000'000};
            const timespec* longest = rests ? &rest : wait < 0 ? nullptr : &time;
            if (::ppoll(waiting, std::size(waiting), longest, nullptr) < 0 && errno != EINTR) return;
            if (waiting[4].revents != 0) take_start();
            if (waiting[2].revents != 0 || ended_) take(output_, ipc::Stream::kStdout);
            if (waiting[3].revents != 0 || ended_) take(errors_, ipc::Stream::kStderr);
            if (waiting[5].revents != 0) give_input();
            if (waiting[1].revents != 0) reap();
            if (waiting[0].revents != 0 && !obey()) return;
            if (!ended_) hold_to_limits();
            if (!ended_) announce();
            else if (output_ || errors_) announce_if_full();
        }
        report_exit();
    }

private:
    // From which place on nothing may be overwritten.
    std::uint64_t kept() const { return held_ ? std::max(consumed_, log_.tail()) : log_.place(); }

    void take(UniqueFd& pipe, ipc::Stream stream) {
        if (!pipe || !log_.has_room(kept())) return;
        const auto length = log_.append_from(pipe.get(), stream, kept());
        if (length > 0 && !ended_) note_flow(pipe, static_cast<std::uint64_t>(length));
        if (length > 0) output_bytes_ += static_cast<std::uint64_t>(length);
        if (length > 0 && ended_) bytes_after_end_ += static_cast<std::uint64_t>(length);
        // Once the tree is gone its output is what lies in the pipe: another command of the segment may have been
        // given the other end, and keeps nobody waiting.
        if (length == 0 || (ended_ && (length < 0 || bytes_after_end_ > kMostAfterEnd))) pipe.reset();
    }

    void note_flow(const UniqueFd& pipe, std::uint64_t length) {
        const bool was_fast = flow_.fast();
        const std::uint64_t now = nanoseconds(CLOCK_MONOTONIC);
        flow_.note(length, now);
        // Little is left: the pipe may fill for a while.
        if (flow_.fast() && length < kMuchInWindow) rest_until_ = now + kRest;
        // Where the user has too many such pipes already, this one stays as it is.
        if (!was_fast && flow_.fast() && !terminal_) ::fcntl(pipe.get(), F_SETPIPE_SZ, kLargePipe);
    }

    bool resting() {
        if (rest_until_ != 0 && (ended_ || nanoseconds(CLOCK_MONOTONIC) >= rest_until_)) rest_until_ = 0;
        return rest_until_ != 0;
    }

    // The failure pipe ends when the command is executed, or brings why it could not be.
    void take_start() {
        started_ = true;
        began_ = nanoseconds(CLOCK_MONOTONIC);
        if (::read(failure_.get(), &start_failure_, sizeof start_failure_) == 0) limits_.start();
        tell_start();
    }

    void hold_to_limits() {
        const auto limit = ended_by_ == EndedBy::kNothing ? limits_.exceeded(output_bytes_) : EndedBy::kNothing;
        if (limit == EndedBy::kNothing) return;
        ended_by_ = limit;
        end_tree();
    }

    // Everyone in this pid namespace but this process.
    void end_tree() {
        limits_.kill();
        ::kill(-1, SIGKILL);
    }

    void announce() {
        if (awaiting_consumed_ || log_.place() == announced_) return;
        if (!control_.send(ipc::Output{})) ::_exit(1);
        announced_ = log_.place();
        awaiting_consumed_ = true;
    }
    // After the end Exited tells everything; only a full log still needs its reader first.
    void announce_if_full() {
        if (!log_.has_room(kept())) announce();
    }

    // False once nobody holds the other end any more: its command goes with it.
    bool obey() {
        ipc::Packet packet;
        if (control_.receive(packet) != ipc::Received::kPacket) return false;
        if (const auto consumed = packet.as<ipc::Consumed>()) return take_consumed(consumed->place);
        if (const auto pace = packet.as<ipc::Pace>()) return set_pace(*pace), true;
        if (auto input = packet.as<ipc::Input>()) return take_input(std::move(input->bytes));
        if (const auto size = packet.as<ipc::Resize>()) return resize(*size), true;
        if (const auto signal = packet.as<ipc::SignalCommand>()) return send_signal(signal->signal), true;
        if (!packet.as<ipc::EndCommand>()) return false;
        end_tree();
        return true;
    }

    void set_pace(const ipc::Pace& pace) {
        held_ = pace.held;
        log_.set_held(held_);
        tell_start_ = pace.tell_start;
        if (started_) tell_start();
    }

    void tell_start() {
        if (!std::exchange(tell_start_, false) || start_failure_.step != ipc::StartStep::kNone) return;
        [[maybe_unused]] const auto sent = control_.send(ipc::Started{});
    }

    // A broker that took over from another one may know less than that one did; beyond the end knows nobody.
    bool take_consumed(std::uint64_t place) {
        if (place > log_.place()) return false;
        consumed_ = std::max(consumed_, place);
        awaiting_consumed_ = false;
        return true;
    }

    // One piece at a time, each answered once the pipe has it.
    bool take_input(std::string bytes) {
        if (!pending_input_.empty()) return false;
        if (!bytes.empty()) {
            pending_input_ = std::move(bytes);
            give_input();
            return true;
        }
        // The end: of a terminal's line its own character says so.
        if (terminal_) pending_input_ = kEndOfTransmission, give_input();
        else input_.reset(), answer_input(true);
        return true;
    }

    void give_input() {
        const ssize_t length =
            input_ && !ended_ ? ::write(input_.get(), pending_input_.data(), pending_input_.size()) : -1;
        if (length > 0) pending_input_.erase(0, static_cast<std::size_t>(length));
        else if (!input_ || ended_ || (errno != EAGAIN && errno != EINTR)) close_input();
        if (pending_input_.empty()) answer_input(static_cast<bool>(input_));
    }
    void close_input() {
        pending_input_.clear();
        input_.reset();
    }
    void answer_input(bool open) { [[maybe_unused]] const auto sent = control_.send(ipc::InputTaken{open}); }

    void resize(const ipc::Resize& size) const {
        const winsize now{size.rows, size.columns, 0, 0};
        if (terminal_ && output_) ::ioctl(output_.get(), TIOCSWINSZ, &now);
    }

    // To what a terminal's user would reach with a key; else to the command's own process group.
    void send_signal(int signal) const {
        if (ended_) return;
        pid_t group = command_;
        if (terminal_ && output_ && (::ioctl(output_.get(), TIOCGPGRP, &group) != 0 || group <= 1)) group = command_;
        if (::kill(-group, signal) != 0) ::kill(command_, signal);
    }

    void reap() {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof info) > 0) {
            // From outside this pid namespace: the spawner says that the segment's memory is used up.
            if (info.ssi_signo != SIGTERM || info.ssi_code != SI_USER || info.ssi_pid != 0) continue;
            ended_by_ = EndedBy::kMemory;
            end_tree();
        }
        int status = 0;
        pid_t pid = 0;
        while ((pid = wait_for_any(&status, WNOHANG)) > 0)
            if (pid == command_) end(status);
    }

    // Adds up what whoever is reaped has used; of its own children what it has waited for.
    pid_t wait_for_any(int* status, int flags) {
        rusage used{};
        const pid_t pid = ::wait4(-1, status, flags, &used);
        if (pid <= 0) return pid;
        exited_.cpu_us += microseconds(used.ru_utime) + microseconds(used.ru_stime);
        exited_.peak_memory = std::max(exited_.peak_memory, static_cast<std::uint64_t>(used.ru_maxrss) * 1024);
        return pid;
    }

    // The command has ended: what it left running ends now, so that Exited means that nothing is left.
    void end(int status) {
        ended_ = true;
        exited_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        exited_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        end_tree();
        while (wait_for_any(nullptr, 0) > 0 || errno == EINTR) {
        }
        exited_.wall_us = (nanoseconds(CLOCK_MONOTONIC) - began_) / 1000;
        exited_.ended_ns = static_cast<std::int64_t>(nanoseconds(CLOCK_REALTIME));
        if (const auto used = limits_.group_cpu_us(); used > 0) exited_.cpu_us = used;
        if (const auto peak = limits_.group_peak_memory(); peak > 0) exited_.peak_memory = peak;
        if (!started_) take_start();
        exited_.failed_step = start_failure_.step;
        exited_.start_errno = start_failure_.code;
        exited_.ended_by = ended_by_ != EndedBy::kNothing ? ended_by_ : limits_.held_by_kernel(exited_.signal);
    }

    void report_exit() {
        exited_.place = log_.place();
        log_.finish(exited_);
        if (!pending_input_.empty()) answer_input(false);
        [[maybe_unused]] const auto sent = control_.send(exited_);
    }

    ipc::Channel control_;
    ipc::LogWriter log_;
    pid_t command_;
    bool terminal_;
    UniqueFd input_;
    std::string pending_input_;
    UniqueFd output_;
    UniqueFd errors_;
    UniqueFd failure_;
    UniqueFd signals_;
    UniqueFd terminal_end_;
    LimitWatch limits_;
    StartFailure start_failure_{};
    EndedBy ended_by_ = EndedBy::kNothing;
    std::uint64_t output_bytes_ = 0;
    std::uint64_t bytes_after_end_ = 0;
    bool started_ = false;
    std::uint64_t began_ = nanoseconds(CLOCK_MONOTONIC);
    Flow flow_;
    std::uint64_t rest_until_ = 0;  // 0: it reads
    bool held_ = true;
    bool tell_start_ = false;
    std::uint64_t consumed_ = 0;
    std::uint64_t announced_ = 0;
    bool awaiting_consumed_ = false;
    bool ended_ = false;
    ipc::Exited exited_;
};

[[noreturn]] void give_up(const Error& why) {
    log_error("a command's namespace could not be made: " + why.text());
    ::_exit(1);
}

template <typename T>
T or_give_up(Result<T> result) {
    if (!result) give_up(result.error());
    return std::move(*result);
}

// The slot's own view: what the profile takes away from the cell's.
Result<> narrow_mounts(const CommandTerms& terms) {
    TRY(follow_guards());
    if (!terms.profile.writes)
        for (const auto& tree : terms.cell.writable) TRY(make_tree_read_only(tree));
    for (const auto& path : terms.profile.hidden) TRY(hide_path(path));
    return mount_own_proc();
}

// Beneath its filter the init needs nothing. It is under no Landlock: it ends and measures processes of another domain.
Result<> confine_init() {
    TRY(drop_all_capabilities());
    TRY(set_no_new_privileges());
    return install_filter(FilterRole::kCommandInit);
}

// Those descriptors, each at a number of its own from 3 on, and of all others the ruleset alone stay open.
Result<> keep_open(std::span<UniqueFd* const> fds, int ruleset) {
    std::vector<InheritedFd> kept;
    if (ruleset >= 0) kept.push_back({ruleset, ruleset});
    std::vector<int> numbers;
    for (int number = 3; const UniqueFd* fd : fds) {
        if (number == ruleset) ++number;
        numbers.push_back(number);
        if (*fd) kept.push_back({fd->get(), number++});
    }
    TRY(inherit_only(kept));
    for (std::size_t i = 0; i < fds.size(); ++i)
        if (*fds[i]) {
            fds[i]->release();
            fds[i]->reset(numbers[i]);
        }
    return Ok{};
}

// All that the init holds from here on.
Result<> hold_only(HeldFds& held) {
    GroupMeter& meter = held.meter;
    UniqueFd* const all[] = {&held.control,        &held.input,        &held.output,    &held.errors,
                             &held.terminal,       &held.failure,      &held.signals,   &meter.kill_switch,
                             &meter.memory_events, &meter.memory_peak, &meter.cpu_stat, &held.proc};
    return keep_open(all, -1);
}

}  // namespace

void run_command_init(InitEnds ends, const CommandTerms& terms, int born_into, GroupMeter meter) {
    // Nothing of the spawner's stays open here but what the command needs to start, and the group's meter.
    const int ruleset = !terms.cell.landlock   ? -1
                        : terms.profile.writes ? ipc::kSpawnerCommandRulesetFd
                                               : ipc::kSpawnerReadOnlyRulesetFd;
    HeldFds held;
    held.meter = std::move(meter);
    UniqueFd start = std::move(ends.start), group(born_into);
    held.control = std::move(ends.control);
    UniqueFd* const own[] = {&start,
                             &held.control,
                             &group,
                             &held.meter.kill_switch,
                             &held.meter.memory_events,
                             &held.meter.memory_peak,
                             &held.meter.cpu_stat};
    or_give_up(keep_open(own, ruleset));
    or_give_up(narrow_mounts(terms));
    // Opened here: the spawner's descriptor leads to the cell's mount, which the profile has not narrowed.
    UniqueFd segment(::open(terms.cell.segment.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!segment) give_up(errno_error("open '" + terms.cell.segment + "'"));
    CommandLimits limits = terms.limits;
    if (group) limits.processes = 0;  // pids.max holds them for the tree; RLIMIT_NPROC counts the cell's
    or_give_up(set_resource_limits(command_limits(limits)));
    CommandEnds given;
    if (terms.rows != 0) {
        auto terminal = or_give_up(make_terminal(terms.rows, terms.columns));
        given.terminal = std::move(terminal.terminal);
        held.terminal.reset(::fcntl(given.terminal.get(), F_DUPFD_CLOEXEC, 3));
        held.input.reset(::fcntl(terminal.master.get(), F_DUPFD_CLOEXEC, 3));
        held.output = std::move(terminal.master);
        if (!held.input || !held.terminal) give_up(errno_error("fcntl"));
    } else {
        Pipe input = or_give_up(make_pipe()), output = or_give_up(make_output_pipe()),
             errors = or_give_up(make_output_pipe());
        if (::fcntl(input.write.get(), F_SETFL, O_NONBLOCK) != 0) give_up(errno_error("fcntl O_NONBLOCK"));
        given.input = std::move(input.read);
        given.output = std::move(output.write);
        given.errors = std::move(errors.write);
        held.input = std::move(input.write);
        held.output = std::move(output.read);
        held.errors = std::move(errors.read);
    }
    Pipe failure = or_give_up(make_pipe());
    held.failure = std::move(failure.read);
    const bool reads_proc = LimitWatch::reads_proc(limits, static_cast<bool>(group));
    if (reads_proc) held.proc.reset(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    sigset_t watched;  // blocked already, by the spawner
    sigemptyset(&watched);
    for (const int signal : {SIGCHLD, SIGTERM}) sigaddset(&watched, signal);
    held.signals.reset(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!held.signals || (reads_proc && !held.proc)) give_up(errno_error("descriptors"));
    ::signal(SIGPIPE, SIG_IGN);  // a command that reads no input; it has the default again (command.cpp)
    auto command = or_give_up(ChildProcess::fork(0, group.get()));
    if (!command) {
        given.start = std::move(start);
        given.segment = std::move(segment);
        given.failure = std::move(failure.write);
        run_command(std::move(given), ruleset, terms.cell.environment);
    }
    const pid_t pid = command->release();  // reaped with all others
    for (UniqueFd* closed : {&start, &segment, &group, &failure.write}) closed->reset();
    given = CommandEnds{};
    or_give_up(hold_only(held));
    or_give_up(confine_init());
    LimitWatch watch(limits, std::move(held.meter), std::move(held.proc));
    CommandInit(std::move(held), terms.rows != 0, std::move(ends.log), pid, std::move(watch)).run();
    ::_exit(0);
}

}  // namespace toren::spawner
