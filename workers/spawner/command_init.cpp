#include "workers/spawner/command_init.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

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

// Of what a pipe may still bring once its command's tree is gone: more than an ordinary user's pipe can hold.
constexpr std::uint64_t kMostAfterEnd = 2ULL << 20;

// All that the init holds while its command runs.
struct HeldFds {
    UniqueFd control;
    UniqueFd output;
    UniqueFd errors;
    UniqueFd failure;
    UniqueFd signals;
    GroupMeter meter;  // where a cgroup holds the command
    UniqueFd proc;     // where none does, and something has to be measured
};

class CommandInit {
public:
    CommandInit(HeldFds held, ipc::LogWriter log, pid_t command, LimitWatch limits)
        : control_(std::move(held.control), ipc::Role::kCommand, ipc::Role::kBroker, ipc::Phase::kOpen),
          log_(std::move(log)),
          command_(command),
          output_(std::move(held.output)),
          errors_(std::move(held.errors)),
          failure_(std::move(held.failure)),
          signals_(std::move(held.signals)),
          limits_(std::move(limits)) {}

    // Until the command has ended and its output is in the log, or the broker has gone.
    void run() {
        while (!(ended_ && !output_ && !errors_)) {
            const bool room = log_.has_room(consumed_);
            pollfd waiting[] = {{control_.fd(), POLLIN, 0},
                                {ended_ ? -1 : signals_.get(), POLLIN, 0},
                                {room && output_ ? output_.get() : -1, POLLIN, 0},
                                {room && errors_ ? errors_.get() : -1, POLLIN, 0},
                                {started_ ? -1 : failure_.get(), POLLIN, 0}};
            const int wait = ended_ ? (room ? 0 : -1) : limits_.milliseconds_to_next();
            if (::poll(waiting, std::size(waiting), wait) < 0 && errno != EINTR) return;
            if (waiting[4].revents != 0) take_start();
            if (waiting[2].revents != 0 || ended_) take(output_, ipc::Stream::kStdout);
            if (waiting[3].revents != 0 || ended_) take(errors_, ipc::Stream::kStderr);
            if (waiting[1].revents != 0) reap();
            if (waiting[0].revents != 0 && !obey()) return;
            if (!ended_) hold_to_limits();
            if (!ended_) announce();
            else if (output_ || errors_) announce_if_full();
        }
        report_exit();
    }

private:
    void take(UniqueFd& pipe, ipc::Stream stream) {
        if (!pipe || !log_.has_room(consumed_)) return;
        const auto length = log_.append_from(pipe.get(), stream, consumed_);
        if (length > 0) output_bytes_ += static_cast<std::uint64_t>(length);
        if (length > 0 && ended_) bytes_after_end_ += static_cast<std::uint64_t>(length);
        // Once the tree is gone its output is what lies in the pipe: another command of the segment may have been
        // given the other end, and keeps nobody waiting.
        if (length == 0 || (ended_ && (length < 0 || bytes_after_end_ > kMostAfterEnd))) pipe.reset();
    }

    // The failure pipe ends when the command is executed, or brings why it could not be.
    void take_start() {
        started_ = true;
        if (::read(failure_.get(), &start_failure_, sizeof start_failure_) == 0) limits_.start();
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
        if (awaiting_consumed_ || log_.position() == announced_) return;
        if (!control_.send(ipc::Output{})) ::_exit(1);
        announced_ = log_.position();
        awaiting_consumed_ = true;
    }
    // After the end Exited tells everything; only a full log still needs its reader first.
    void announce_if_full() {
        if (!log_.has_room(consumed_)) announce();
    }

    // False once the broker has gone: its command goes with it.
    bool obey() {
        ipc::Packet packet;
        if (control_.receive(packet) != ipc::Received::kPacket) return false;
        if (const auto consumed = packet.as<ipc::Consumed>()) {
            if (consumed->position < consumed_ || consumed->position > log_.position()) return false;
            consumed_ = consumed->position;
            awaiting_consumed_ = false;
            return true;
        }
        if (!packet.as<ipc::EndCommand>()) return false;
        end_tree();
        return true;
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
        while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0)
            if (pid == command_) end(status);
    }

    // The command has ended: what it left running ends now, so that Exited means that nothing is left.
    void end(int status) {
        ended_ = true;
        exited_.code = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
        exited_.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
        end_tree();
        while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
        }
        if (!started_) take_start();
        exited_.failed_step = start_failure_.step;
        exited_.start_errno = start_failure_.code;
        exited_.ended_by = ended_by_ != EndedBy::kNothing ? ended_by_ : limits_.held_by_kernel(exited_.signal);
    }

    void report_exit() {
        exited_.position = log_.position();
        [[maybe_unused]] const auto sent = control_.send(exited_);
    }

    ipc::Channel control_;
    ipc::LogWriter log_;
    pid_t command_;
    UniqueFd output_;
    UniqueFd errors_;
    UniqueFd failure_;
    UniqueFd signals_;
    LimitWatch limits_;
    StartFailure start_failure_{};
    EndedBy ended_by_ = EndedBy::kNothing;
    std::uint64_t output_bytes_ = 0;
    std::uint64_t bytes_after_end_ = 0;
    bool started_ = false;
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
    UniqueFd* const all[] = {&held.control,   &held.output,       &held.errors,         &held.failure,
                             &held.signals,   &meter.kill_switch, &meter.memory_events, &meter.memory_peak,
                             &meter.cpu_stat, &held.proc};
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
    CommandLimits limits = terms.profile.limits;
    if (group) limits.processes = 0;  // pids.max holds them for the tree; RLIMIT_NPROC counts the cell's
    or_give_up(set_resource_limits(command_limits(limits)));
    Pipe output = or_give_up(make_output_pipe());
    Pipe errors = or_give_up(make_output_pipe());
    Pipe failure = or_give_up(make_pipe());
    const bool reads_proc = LimitWatch::reads_proc(limits, static_cast<bool>(group));
    if (reads_proc) held.proc.reset(::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    sigset_t watched;  // blocked already, by the spawner
    sigemptyset(&watched);
    for (const int signal : {SIGCHLD, SIGTERM}) sigaddset(&watched, signal);
    held.signals.reset(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!held.signals || (reads_proc && !held.proc)) give_up(errno_error("descriptors"));
    auto command = or_give_up(ChildProcess::fork(0, group.get()));
    if (!command)
        run_command({std::move(start), std::move(segment), std::move(output.write), std::move(errors.write),
                     std::move(failure.write)},
                    ruleset, terms.cell.environment);
    const pid_t pid = command->release();  // reaped with all others
    held.output = std::move(output.read);
    held.errors = std::move(errors.read);
    held.failure = std::move(failure.read);
    for (UniqueFd* closed : {&start, &segment, &group, &output.write, &errors.write, &failure.write}) closed->reset();
    or_give_up(hold_only(held));
    or_give_up(confine_init());
    LimitWatch watch(limits, std::move(held.meter), std::move(held.proc));
    CommandInit(std::move(held), std::move(ends.log), pid, std::move(watch)).run();
    ::_exit(0);
}

}  // namespace toren::spawner
