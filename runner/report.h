// What is said when a run has ended: its exit status, the limit that ended it, and with --report what it used.
#pragma once

#include <cstdint>
#include <string>

#include "base/result.h"
#include "runner/options.h"
#include "runner/refused.h"
#include "runner/request.h"
#include "runner/wire.h"

namespace toren::runner {

struct Outcome {
    Ended ended;
    std::uint64_t wall_microseconds = 0;
    int abandoned = 0;  // the signal by which the runner was told to stop waiting for a reader of the output
    std::vector<Refusal> refusals = {};
};

// One line on standard error, control characters escaped.
void complain(const std::string& text);

// Before the run: whether --report can go where it is to go.
Result<> check_report(const Options& options, const Request& request);

// Says what is to be said; the exit status of this process.
Result<int> conclude(const Options& options, const Request& request, const Outcome& outcome);

}  // namespace toren::runner
