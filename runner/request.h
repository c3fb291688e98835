// What a run is, resolved: which folders, under which profile and limits. Made by process A (run.cpp) before there is a
// cage, from the command line and, where a segment or a profile is named, the configuration.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "policy/forbidden_places.h"
#include "policy/guards.h"
#include "policy/profile.h"
#include "runner/options.h"

namespace toren::runner {

struct Request {
    std::string segment;  // canonical, as everything below
    Profile profile;      // with what the options add
    SegmentLimits segment_limits;
    std::uint64_t milliseconds = 0;  // by the clock; 0: none
    std::vector<std::string> command;
    std::vector<std::string> environment;  // whole
    std::string folder;                    // one of the folders shown …
    std::string beneath = ".";             // … and where beneath it the command starts
    bool landlock = true;
    OperatorsPlaces own;
    GuardSpec guards;
};

Result<Request> make_request(const Options& options);

}  // namespace toren::runner
