// What a child writes to its standard error, passed on line by line with control characters escaped: a child that was
// taken over can lie in the log, but it cannot drive the operator's terminal.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::supervisor {

class LogRelay {
public:
    // The child gets `write_end` as its standard error.
    static Result<LogRelay> create(UniqueFd& write_end);
    LogRelay() = default;

    int fd() const { return read_.get(); }
    // Passes on what has come; closes itself at the end.
    void pass_on();

private:
    UniqueFd read_;
    std::string rest_;
};

}  // namespace toren::supervisor
