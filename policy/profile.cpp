#include "policy/profile.h"

#include <algorithm>

namespace toren {
namespace {

// The smaller of two limits of which 0 is none.
std::uint64_t lower(std::uint64_t one, std::uint64_t other) {
    if (one == 0 || other == 0) return std::max(one, other);
    return std::min(one, other);
}

CommandLimits lower(const CommandLimits& one, const CommandLimits& other) {
    return {.memory_bytes = lower(one.memory_bytes, other.memory_bytes),
            .swap_bytes = std::min(one.swap_bytes, other.swap_bytes),  // here 0 is the lowest
            .processes = lower(one.processes, other.processes),
            .cpu_seconds = lower(one.cpu_seconds, other.cpu_seconds),
            .seconds = lower(one.seconds, other.seconds),
            .output_bytes = lower(one.output_bytes, other.output_bytes),
            .file_bytes = lower(one.file_bytes, other.file_bytes),
            .open_files = lower(one.open_files, other.open_files)};
}

}  // namespace

Profile read_only_profile(const CommandLimits& limits) {
    return {.name = "read-only", .writes = false, .limits = limits};
}

Profile workspace_write_profile(const CommandLimits& limits) { return {.name = "workspace-write", .limits = limits}; }

Profile narrow(const Profile& segment, const Profile& command) {
    Profile narrowed = segment;
    narrowed.name = command.name;
    narrowed.writes = segment.writes && command.writes;
    for (const auto& path : command.hidden)
        if (std::ranges::find(narrowed.hidden, path) == narrowed.hidden.end()) narrowed.hidden.push_back(path);
    narrowed.limits = lower(segment.limits, command.limits);
    return narrowed;
}

}  // namespace toren
