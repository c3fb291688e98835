// The self-probe: before the daemon listens it makes a real cell, lets toren-probe try a handful of escapes in it, lets
// the same program try the same things outside as the positive control, and compares. Whoever gets an error from here
// must not go on (invariant 1).
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ipc/probe_attempts.h"
#include "policy/config.h"
#include "supervisor/programs.h"

namespace toren::supervisor {

struct ProbeOutcome {
    bool succeeded = false;
    std::string detail;  // "EROFS", a word more
};

struct ProbeResult {
    const ipc::ProbeAttempt* attempt = nullptr;
    std::optional<ProbeOutcome> inside, outside;  // nothing: the probe said nothing of it
    std::string fault;                            // why this row does not hold; empty: it does
};

struct ProbeReport {
    std::vector<ProbeResult> results;  // a row for each of ipc::kProbeAttempts
    std::chrono::microseconds time{};  // of all of it

    bool holds() const;
};

// Makes `state_path`/probe and its like, and removes them. An error where it could not be done at all.
Result<ProbeReport> probe_the_cage(const Programs& programs, const std::string& state_path, const Config& config,
                                   bool landlock);

// What the daemon does at start: an error names layer, attempt and way out of the first thing that does not hold; a
// line in the log says that all do.
Result<> prove_the_cage(const Programs& programs, const std::string& state_path, const Config& config, bool landlock);

// The judgement alone: what the probe printed inside and outside, and the Landlock ABI that stands (0: none).
ProbeReport judge_probe(std::string_view inside, std::string_view outside, int landlock_abi);

}  // namespace toren::supervisor
