// ChildProcess: a child held by its pidfd; when the object ends, so does the child: killed and reaped.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <span>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren {

// How a child ended: `signal` is 0 where it exited with `code`.
struct ExitStatus {
    int code = 0;
    int signal = 0;
};

// "exited with code 3" or "ended by signal 9 (Killed)".
std::string describe(ExitStatus status);

class ChildProcess {
public:
    ChildProcess() = default;
    ChildProcess(ChildProcess&&) = default;
    ChildProcess& operator=(ChildProcess&& other) noexcept;
    ~ChildProcess() { end(); }

    // Forks with the clone(2) flags given besides (CLONE_NEW…). In the child the result is empty (!has_value of
    // *result); in the parent it is the child. The caller must be single-threaded: the child goes on with its memory.
    // `cgroup`: the folder of a cgroup v2 group that the child is born into, or -1.
    static Result<std::optional<ChildProcess>> fork(std::uint64_t clone_flags = 0, int cgroup = -1);

    int pidfd() const { return pidfd_.get(); }
    pid_t pid() const { return pid_; }
    bool running() const { return static_cast<bool>(pidfd_); }
    void kill(int signal) const;

    // Reaps the child if it has ended; the pidfd is readable then.
    std::optional<ExitStatus> try_wait();
    // Gives up the duty to end it, to a caller that reaps by pid.
    pid_t release();

private:
    void end();

    UniqueFd pidfd_;
    pid_t pid_ = 0;
};

// An inherited descriptor: `fd` in the parent becomes `number` in the child.
struct InheritedFd {
    int fd;
    int number;
};

// In a child before exec: puts each descriptor at its number and closes every other from 3 up (invariant 4).
Result<> inherit_only(std::span<const InheritedFd> descriptors);

// Asks the kernel to kill this process when its parent ends; an error if that has happened already.
// `parent_channel`: a socket whose other end only the parent holds (in a new pid namespace getppid() tells nothing).
Result<> die_with_parent(int parent_channel);

}  // namespace toren
