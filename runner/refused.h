// What the trace saw (violation_trace.h), judged and put into words. The texts come from a cage: they are bounded,
// shown with control characters escaped, and looked up on the host only by name, without following a link.
#pragma once

#include <string>
#include <vector>

#include "runner/request.h"

namespace toren::runner {

struct Refusal {
    enum class Kind { kRead, kWrite, kCall, kNetwork } kind;
    std::string text;  // a path, or a sentence
};

// `seen`: lines of the trace. Those that the cage has nothing to do with are left out.
std::vector<Refusal> judge_refusals(const std::vector<std::string>& seen, const Request& request);

// "refused: read /srv/data"
std::string refusal_line(const Refusal& refusal);

// The narrowest profile that would have let the refused accesses pass, as text for the configuration.
std::string proposed_profile(const std::vector<Refusal>& refusals, const Request& request);

}  // namespace toren::runner
