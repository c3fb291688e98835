// toren run, the runner.
// PROCESS    one, of whoever calls it; the parent of the cage's init (init.cpp), whose end is the end of everything
// PRIVILEGE  the operator's account, no more: it makes namespaces, forwards signals and moves a terminal's bytes
// DISTRUSTS  the cage's init: its records are of a fixed size and checked; the command's output, which it only copies
// IF OWNED   the attacker has the operator's account, so it parses the command line and the operator's configuration
#include "runner/run.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <memory>
#include <optional>

#include "base/child_process.h"
#include "base/log.h"
#include "policy/namespaces.h"
#include "policy/privileges.h"
#include "runner/init.h"
#include "runner/relay.h"
#include "runner/report.h"
#include "runner/request.h"
#include "runner/terminal.h"
#include "runner/wire.h"

namespace toren::runner {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kMostSeen = 1000;  // of the trace; its sender has a limit of its own

// Those that would end or stop this process without a word to the cage. What the caller has set to be ignored (nohup)
// stays ignored.
constexpr int kWatched[] = {SIGINT,  SIGTERM, SIGHUP,    SIGQUIT, SIGUSR1, SIGUSR2,  SIGALRM,
                            SIGXCPU, SIGPROF, SIGVTALRM, SIGTSTP, SIGCONT, SIGWINCH, SIGCHLD};

Result<UniqueFd> watch_signals() {
    sigset_t watched;
    sigemptyset(&watched);
    for (const int signal : kWatched) {
        struct sigaction now {};
        if (::sigaction(signal, nullptr, &now) == 0 && now.sa_handler == SIG_IGN && signal != SIGCHLD) continue;
        sigaddset(&watched, signal);
    }
    ::signal(SIGCHLD, SIG_DFL);
    if (::sigprocmask(SIG_BLOCK, &watched, nullptr) != 0) return errno_error("sigprocmask");
    ::signal(SIGPIPE, SIG_IGN);
    sigdelset(&watched, SIGCHLD);  // blocked for the init, which inherits that; here the pidfd tells
    UniqueFd signals(::signalfd(-1, &watched, SFD_CLOEXEC | SFD_NONBLOCK));
    if (!signals) return errno_error("signalfd");
    return signals;
}

// Descriptors 0 to 2 are there, lead to no folder (it would lead out of the cage), and are the only ones.
Result<> keep_standard_streams() {
    for (int stream = 0; stream < 3; ++stream) {
        struct stat about {};
        if (::fstat(stream, &about) != 0) {
            if (::open("/dev/null", O_RDWR) != stream) return errno_error("open '/dev/null'");
        } else if (S_ISDIR(about.st_mode)) {
            return error("standard stream " + std::to_string(stream) + " is a folder: it would lead out of the cage");
        }
    }
    ::syscall(SYS_close_range, 3U, ~0U, 0U);
    return Ok{};
}

struct Pipe {
    UniqueFd read, write;
    static Result<Pipe> make() {
        int ends[2];
        if (::pipe2(ends, O_CLOEXEC) != 0) return errno_error("pipe2");
        return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
    }
};

Result<ChildProcess> start_init(Start start, UniqueFd& ours) {
    auto child = ChildProcess::fork(kAllNamespaces);
    if (!child)
        return Error{child.error().code,
                     "namespaces: the kernel refuses an unprivileged user namespace (user.max_user_namespaces, "
                     "kernel.unprivileged_userns_clone and kernel.apparmor_restrict_unprivileged_userns decide; in a "
                     "container its seccomp profile)"};
    if (!*child) {
        ours.reset();
        run_init(std::move(start));
    }
    return std::move(**child);
}

class Runner {
public:
    Runner(const Options& options, Request request) : options_(options), request_(std::move(request)) {}

    Result<> start() {
        TRY_ASSIGN(signals_, watch_signals());
        terminal_ = Terminal::of_standard_streams();
        int ends[2];
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
        channel_.reset(ends[0]);
        Start start;
        start.channel.reset(ends[1]);
        start.request = request_;
        start.trace = options_.report || options_.learn;
        start.user = ::geteuid();
        start.group = ::getegid();
        if (terminal_) start.terminal = terminal_->like();
        Pipe counted[2];
        if (request_.profile.limits.output_bytes != 0) output_left_ = request_.profile.limits.output_bytes;
        if (output_left_)
            for (const int stream : {1, 2}) TRY(count_stream(stream, counted[stream - 1], start));
        began_ = Clock::now();
        TRY_ASSIGN(init_, start_init(std::move(start), channel_));
        counted_[0] = std::move(counted[0].read);
        counted_[1] = std::move(counted[1].read);
        return Ok{};
    }

    // Until nothing is left in the cage and all of its output is out. What it failed at, or nothing.
    Result<> wait() {
        while (init_.running() || moving()) {
            if (init_.running()) let_go_of_streams();
            TRY(turn());
            if (abandoned_) break;
        }
        if (terminal_) terminal_->disengage();
        if (!failure_.empty()) return error(failure_);
        if (!ended_) return error("the cage's init ended before its command did");
        return Ok{};
    }

    Outcome outcome() const {
        const auto wall = std::chrono::duration_cast<std::chrono::microseconds>(Clock::now() - began_).count();
        return {ended_.value_or(Ended{}), static_cast<std::uint64_t>(wall), abandoned_,
                judge_refusals(seen_, request_)};
    }

private:
    enum Slot { kChannel, kSignals, kInit, kKeys, kScreen, kOutput, kErrors, kSlots };

    Result<> count_stream(int stream, Pipe& pipe, Start& start) {
        const auto at = static_cast<std::size_t>(stream);
        if (start.terminal && start.terminal->streams[at]) return Ok{};
        TRY_ASSIGN(pipe, Pipe::make());
        // A command can open its own pipe for reading (/proc/self/fd/1) and be faster than this process, which must not
        // wait for what poll() has promised: it holds the time limit.
        if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return errno_error("fcntl O_NONBLOCK");
        start.streams[at] = pipe.write.get();
        relay(kOutput + stream - 1) = std::make_unique<Relay>(pipe.read.get(), stream);
        return Ok{};
    }

    std::unique_ptr<Relay>& relay(int slot) { return relays_[slot - kKeys]; }

    bool moving() {
        for (const auto slot : {kScreen, kOutput, kErrors})
            if (const auto& mover = relay(slot); mover && !mover->finished()) return true;
        return false;
    }

    // This process holds the caller's pipes open no longer than it needs them itself.
    void let_go_of_streams() {
        if (std::exchange(let_go_, true) || terminal_) return;
        const UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
        if (!null) return;
        ::dup2(null.get(), 0);
        if (!relay(kOutput)) ::dup2(null.get(), 1);
    }

    Result<> turn() {
        pollfd waiting[kSlots];
        // What the init says at its end is read then: a wake-up less.
        waiting[kChannel] = {terminal_ || options_.report || options_.learn ? channel_.get() : -1, POLLIN, 0};
        waiting[kSignals] = {signals_.get(), POLLIN, 0};
        waiting[kInit] = {init_.pidfd(), POLLIN, 0};
        for (int slot = kKeys; slot < kSlots; ++slot)
            waiting[slot] = relay(slot) ? relay(slot)->wanted() : pollfd{-1, 0, 0};
        if (!reading_keys_ && waiting[kKeys].events == POLLIN) waiting[kKeys].fd = -1;
        if (::poll(waiting, kSlots, milliseconds_left()) < 0) {
            if (errno == EINTR) return Ok{};
            return errno_error("poll");
        }
        if (waiting[kChannel].revents != 0) listen();
        if (waiting[kSignals].revents != 0) take_signals();
        for (int slot = kKeys; slot < kSlots; ++slot)
            if (relay(slot)) move(slot, waiting[slot]);
        if (waiting[kInit].revents != 0) bury();
        watch_limits();
        return Ok{};
    }

    void move(int slot, const pollfd& answered) {
        Relay& mover = *relay(slot);
        const bool counted = slot != kKeys && output_left_;
        if (counted) mover.allow(*output_left_);
        const auto before = mover.moved();
        mover.move(answered);
        if (counted) *output_left_ -= mover.moved() - before;
        if (mover.over()) end_for(EndedBy::kOutput);
        // The other end learns that nobody reads it any more: by SIGPIPE, or by its terminal's end.
        if (mover.broken() && slot >= kOutput) counted_[slot - kOutput].reset();
        if (slot == kScreen ? mover.broken() : slot == kKeys && mover.finished()) hang_up();
    }

    void hang_up() {
        for (const auto slot : {kKeys, kScreen})
            if (relay(slot)) relay(slot)->end();
        master_.reset();
        tell({OrderKind::kSignal, SIGHUP});
    }

    int milliseconds_left() const {
        if (!deadline() || !init_.running()) return -1;
        const auto left = std::chrono::ceil<std::chrono::milliseconds>(*deadline() - Clock::now()).count();
        return static_cast<int>(std::clamp<decltype(left)>(left, 0, 1 << 30));
    }
    std::optional<Clock::time_point> deadline() const {
        if (kill_at_) return kill_at_;
        if (request_.milliseconds == 0) return std::nullopt;
        return began_ + std::chrono::milliseconds(request_.milliseconds);
    }

    void watch_limits() {
        if (!init_.running()) return;
        if (const auto limit = deadline(); limit && Clock::now() >= *limit) {
            if (kill_at_) init_.kill(SIGKILL);  // it had its time to end the others in order
            end_for(EndedBy::kTime);
        }
    }

    void end_for(EndedBy limit) {
        if (kill_at_) return;
        kill_at_ = Clock::now() + std::chrono::seconds(2);
        by_ = limit;
        tell({OrderKind::kEnd, static_cast<std::int32_t>(limit)});
    }

    void tell(const Order& order) {
        if (channel_) [[maybe_unused]]
            auto told = send_order(channel_.get(), order);
    }

    void listen() {
        Note note;
        UniqueFd descriptor;
        if (!receive_note(channel_.get(), note, descriptor)) return channel_.reset();
        if (note.kind == NoteKind::kFailed) failure_ = note.words();
        if (note.kind == NoteKind::kEnded) ended_ = note.ended;
        if (note.kind == NoteKind::kRefused && seen_.size() < kMostSeen) seen_.emplace_back(note.words());
        if (note.kind == NoteKind::kTerminal && terminal_ && descriptor && !master_) take_over(std::move(descriptor));
    }

    void take_over(UniqueFd master) {
        master_ = std::move(master);
        ::fcntl(master_.get(), F_SETFL, O_NONBLOCK);
        terminal_->copy_size_to(master_.get());
        if (terminal_->input() >= 0) relay(kKeys) = std::make_unique<Relay>(terminal_->input(), master_.get());
        relay(kScreen) = std::make_unique<Relay>(master_.get(), terminal_->output());
        reading_keys_ = terminal_->engage();
    }

    void take_signals() {
        signalfd_siginfo info;
        while (::read(signals_.get(), &info, sizeof info) == sizeof info) take(static_cast<int>(info.ssi_signo));
    }

    void take(int signal) {
        switch (signal) {
            case SIGWINCH:
                if (terminal_ && master_) terminal_->copy_size_to(master_.get());
                return;
            case SIGTSTP: return stand_still();
            case SIGCONT: return go_on(false);
            default: break;
        }
        if (init_.running()) return tell({OrderKind::kSignal, signal});
        // Only the output of what has ended is still on its way.
        abandoned_ = signal;
    }

    void stand_still() {
        if (!init_.running()) return;
        tell({OrderKind::kStop});
        if (terminal_) terminal_->disengage();
        ::kill(::getpid(), SIGSTOP);
        go_on(true);
    }

    void go_on(bool everyone) {
        if (terminal_ && master_) {
            reading_keys_ = terminal_->engage();
            terminal_->copy_size_to(master_.get());
        }
        tell(everyone ? Order{OrderKind::kContinue} : Order{OrderKind::kSignal, SIGCONT});
    }

    void bury() {
        // Its last words may still lie in the channel.
        while (channel_) {
            pollfd waiting{channel_.get(), POLLIN, 0};
            if (::poll(&waiting, 1, 0) <= 0) break;
            listen();
        }
        if (!init_.try_wait()) return;
        channel_.reset();
        if (relay(kKeys)) relay(kKeys)->end();
        if (ended_ && ended_->by == EndedBy::kNothing && by_ == EndedBy::kTime && ended_->signal == SIGKILL)
            ended_->by = by_;
    }

    const Options& options_;
    const Request request_;
    UniqueFd signals_, channel_, master_, counted_[2];
    std::unique_ptr<Terminal> terminal_;
    ChildProcess init_;
    std::unique_ptr<Relay> relays_[kSlots - kKeys];
    std::optional<std::uint64_t> output_left_;
    bool reading_keys_ = false, let_go_ = false;
    int abandoned_ = 0;
    Clock::time_point began_;
    std::optional<Clock::time_point> kill_at_;
    EndedBy by_ = EndedBy::kNothing;
    std::optional<Ended> ended_;
    std::string failure_;
    std::vector<std::string> seen_;
};

Result<int> run_checked(const Options& options) {
    TRY(keep_standard_streams());
    TRY_ASSIGN(auto request, make_request(options));
    TRY(check_report(options, request));
    TRY(drop_supplementary_groups_if_permitted());
    Runner runner(options, request);
    TRY(runner.start());
    TRY(runner.wait());
    const Outcome outcome = runner.outcome();
    return conclude(options, request, outcome);
}

}  // namespace

int run(const Options& options) {
    auto status = run_checked(options);
    if (status) return *status;
    complain(status.error().text());
    return kFailed;
}

}  // namespace toren::runner
