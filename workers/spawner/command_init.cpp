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
#include "policy/namespaces.h"
#include "policy/privileges.h"
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

class CommandInit {
public:
    CommandInit(UniqueFd control, ipc::LogWriter log, pid_t command, UniqueFd output, UniqueFd errors, UniqueFd failure,
                UniqueFd signals)
        : control_(std::move(control), ipc::Role::kCommand, ipc::Role::kBroker, ipc::Phase::kOpen),
          log_(std::move(log)),
          command_(command),
          output_(std::move(output)),
          errors_(std::move(errors)),
          failure_(std::move(failure)),
          signals_(std::move(signals)) {}

    // Until the command has ended and its output is in the log, or the broker has gone.
    void run() {
        while (!(ended_ && !output_ && !errors_)) {
            const bool room = log_.has_room(consumed_);
            pollfd waiting[] = {{control_.fd(), POLLIN, 0},
                                {ended_ ? -1 : signals_.get(), POLLIN, 0},
                                {room && output_ ? output_.get() : -1, POLLIN, 0},
                                {room && errors_ ? errors_.get() : -1, POLLIN, 0}};
            if (::poll(waiting, std::size(waiting), -1) < 0 && errno != EINTR) return;
            if (waiting[2].revents != 0) take(output_, ipc::Stream::kStdout);
            if (waiting[3].revents != 0) take(errors_, ipc::Stream::kStderr);
            if (waiting[1].revents != 0) reap();
            if (waiting[0].revents != 0 && !obey()) return;
            if (!ended_) announce();
            else if (output_ || errors_) announce_if_full();
        }
        report_exit();
    }

private:
    void take(UniqueFd& pipe, ipc::Stream stream) {
        const auto length = log_.append_from(pipe.get(), stream, consumed_);
        if (length == 0) pipe.reset();
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
        ::kill(-1, SIGKILL);  // everyone in this pid namespace but this process
        return true;
    }

    void reap() {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof info) > 0) {
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
        ::kill(-1, SIGKILL);
        while (::waitpid(-1, nullptr, 0) > 0 || errno == EINTR) {
        }
        StartFailure failure{};
        if (::read(failure_.get(), &failure, sizeof failure) == sizeof failure) {
            exited_.failed_step = failure.step;
            exited_.start_errno = failure.code;
        }
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

}  // namespace

void run_command_init(UniqueFd start, UniqueFd control, ipc::LogWriter log, bool landlock) {
    // Nothing of the spawner's stays open here but what the command needs to start: its segment and its ruleset.
    constexpr int kStart = 3, kControl = 5;
    std::vector<InheritedFd> kept = {
        {start.release(), kStart}, {ipc::kSpawnerSegmentFd, ipc::kSpawnerSegmentFd}, {control.release(), kControl}};
    if (landlock) kept.push_back({ipc::kSpawnerCommandRulesetFd, ipc::kSpawnerCommandRulesetFd});
    or_give_up(inherit_only(kept));
    start.reset(kStart);
    control.reset(kControl);
    or_give_up(mount_own_proc());
    Pipe output = or_give_up(make_pipe());
    Pipe errors = or_give_up(make_pipe());
    Pipe failure = or_give_up(make_pipe());
    sigset_t child;
    sigemptyset(&child);
    sigaddset(&child, SIGCHLD);
    UniqueFd signals(::signalfd(-1, &child, SFD_CLOEXEC | SFD_NONBLOCK));  // blocked already, by the spawner
    const pid_t command = ::fork();
    if (!signals || command < 0) give_up(errno_error("fork"));
    if (command == 0)
        run_command({std::move(start), std::move(output.write), std::move(errors.write), std::move(failure.write)},
                    landlock);
    start.reset();
    output.write.reset();
    errors.write.reset();
    failure.write.reset();
    or_give_up(inherit_only(std::vector<InheritedFd>{{control.release(), 3},
                                                     {output.read.release(), 4},
                                                     {errors.read.release(), 5},
                                                     {failure.read.release(), 6},
                                                     {signals.release(), 7}}));
    control.reset(3);
    output.read.reset(4);
    errors.read.reset(5);
    failure.read.reset(6);
    signals.reset(7);
    or_give_up(drop_all_capabilities());
    or_give_up(set_no_new_privileges());
    or_give_up(install_filter(FilterRole::kCommandInit));
    CommandInit(std::move(control), std::move(log), command, std::move(output.read), std::move(errors.read),
                std::move(failure.read), std::move(signals))
        .run();
    ::_exit(0);
}

}  // namespace toren::spawner
