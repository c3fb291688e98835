#include "base/child_process.h"

#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>

namespace toren {

#ifndef P_PIDFD
constexpr auto P_PIDFD = static_cast<idtype_t>(3);
#endif

std::string describe(ExitStatus status) {
    if (status.signal == 0) return "exited with code " + std::to_string(status.code);
    return "ended by signal " + std::to_string(status.signal) + " (" + ::strsignal(status.signal) + ")";
}

ChildProcess& ChildProcess::operator=(ChildProcess&& other) noexcept {
    if (this != &other) {
        end();
        pidfd_ = std::move(other.pidfd_);
        pid_ = std::exchange(other.pid_, 0);
    }
    return *this;
}

Result<std::optional<ChildProcess>> ChildProcess::fork(std::uint64_t clone_flags, int cgroup) {
    int pidfd = -1;
    clone_args args{};
    args.flags = clone_flags | CLONE_PIDFD;
    args.pidfd = reinterpret_cast<std::uint64_t>(&pidfd);
    args.exit_signal = SIGCHLD;
    if (cgroup >= 0) {
        args.flags |= CLONE_INTO_CGROUP;
        args.cgroup = static_cast<std::uint64_t>(cgroup);
    }
    const long pid = ::syscall(SYS_clone3, &args, sizeof args);
    if (pid < 0) return errno_error("clone3");
    if (pid == 0) return std::optional<ChildProcess>{};
    ChildProcess child;
    child.pidfd_.reset(pidfd);
    child.pid_ = static_cast<pid_t>(pid);
    return std::optional<ChildProcess>(std::move(child));
}

void ChildProcess::kill(int signal) const {
    if (pidfd_) ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

std::optional<ExitStatus> ChildProcess::try_wait() {
    siginfo_t info{};
    if (!pidfd_ || ::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED | WNOHANG) != 0 ||
        info.si_pid == 0)
        return std::nullopt;
    pidfd_.reset();
    if (info.si_code == CLD_EXITED) return ExitStatus{info.si_status, 0};
    return ExitStatus{0, info.si_status};
}

pid_t ChildProcess::release() {
    pidfd_.reset();
    return std::exchange(pid_, 0);
}

void ChildProcess::end() {
    if (!pidfd_) return;
    kill(SIGKILL);
    siginfo_t info{};
    while (::waitid(P_PIDFD, static_cast<id_t>(pidfd_.get()), &info, WEXITED) != 0 && errno == EINTR) {
    }
    pidfd_.reset();
}

Result<> inherit_only(std::span<const InheritedFd> descriptors) {
    int after = 3;
    for (const auto& [fd, number] : descriptors) after = std::max(after, number + 1);
    // Twice, so that no descriptor is overwritten before it was copied.
    int copies[64];
    if (descriptors.size() > std::size(copies)) return Error{E2BIG, "too many inherited descriptors"};
    for (std::size_t i = 0; i < descriptors.size(); ++i)
        if ((copies[i] = ::fcntl(descriptors[i].fd, F_DUPFD_CLOEXEC, after)) < 0) return errno_error("F_DUPFD_CLOEXEC");
    for (std::size_t i = 0; i < descriptors.size(); ++i)
        if (::dup2(copies[i], descriptors[i].number) < 0) return errno_error("dup2");
    for (int number = 3; number < after; ++number)
        if (std::none_of(descriptors.begin(), descriptors.end(),
                         [&](const auto& kept) { return kept.number == number; }))
            ::close(number);
    if (::syscall(SYS_close_range, static_cast<unsigned>(after), ~0U, 0U) != 0)
        return errno_error("layer descriptors: close_range (Linux 5.9 or newer is needed)");
    return Ok{};
}

Result<> die_with_parent(int parent_channel) {
    if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) return errno_error("prctl PR_SET_PDEATHSIG");
    pollfd parent{parent_channel, 0, 0};
    if (::poll(&parent, 1, 0) > 0 && (parent.revents & (POLLHUP | POLLERR)) != 0) return error("the parent has ended");
    return Ok{};
}

}  // namespace toren
