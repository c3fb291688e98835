// What `toren run` was asked, as it was written: nothing is resolved yet.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace toren::runner {

struct LimitOption {
    std::uint64_t value = 0;  // 0: not given
    std::string text = {};    // as it was written
};

struct Options {
    std::vector<std::string> command;
    std::optional<std::string> segment, profile, config, folder;
    std::vector<std::string> writable, read_only, hidden, environment;
    LimitOption milliseconds, memory, cpu_seconds, processes, output;
    bool report = false, learn = false;
    std::string report_file;  // empty: standard error

    // The operator's own places, and the folder that relative paths start at.
    std::string home, state, here;
};

}  // namespace toren::runner
