// The audit log: append-only lines in the supervisor's own part of the state folder, which no other process sees.
// A line is on disk before record() returns (invariant 6).
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::supervisor {

class AuditLog {
public:
    static Result<AuditLog> open(const std::string& state_dir);
    // One line: time, event, detail; control characters escaped. What cannot be recorded is said on the log.
    void record(std::string_view event, std::string_view detail);

private:
    explicit AuditLog(UniqueFd file) : file_(std::move(file)) {}
    UniqueFd file_;
};

}  // namespace toren::supervisor
