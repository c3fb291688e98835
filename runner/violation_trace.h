// What a command was refused, seen by ptrace from the cage's init (init.cpp): calls that failed for a path, a socket or
// a filter. It observes and never decides; without it the cage is the same. Every call stops twice, which is slow.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <unordered_map>

#include "base/result.h"

namespace toren::runner {

// What the command wanted, as far as a call tells. Its letter stands before the text that goes to the runner.
enum class Wanted : char {
    kRead = 'r',
    kWrite = 'w',
    kMissing = 'm',
    kMissingToWrite = 'M',
    kCall = 'c',
    kNetwork = 'n'
};

class ViolationTrace {
public:
    using Tell = std::function<void(const std::string&)>;  // a letter of Wanted and a path or a sentence, bounded
    explicit ViolationTrace(Tell tell) : tell_(std::move(tell)) {}

    // Before the command has given anything up, and while it waits.
    Result<> follow(pid_t command);
    // After waitpid has said that a process stopped.
    void stopped(pid_t process, int status);
    void ended(pid_t process) { calls_.erase(process); }

private:
    struct Call {
        std::uint64_t number = 0;
        std::uint64_t arguments[6] = {};
    };
    void judge(pid_t process, const Call& call, std::int64_t error);
    void tell(Wanted wanted, const std::string& text);

    Tell tell_;
    std::unordered_map<pid_t, Call> calls_;  // those that are under way
    std::set<std::string> told_;
};

}  // namespace toren::runner
