// Watches one command's limits from the init of its pid namespace: the clock, its output, and, where the kernel holds
// them for nobody, its tree's memory and processor time. Resource limits are not its matter.
#pragma once

#include <cstdint>

#include "base/limits.h"
#include "base/unique_fd.h"

namespace toren {

class LimitWatch {
public:
    // `memory_is_held`: a cgroup holds memory_bytes. `proc`: the /proc of the tree's pid namespace; may be nothing
    // where measures() is false.
    LimitWatch(const CommandLimits& limits, bool memory_is_held, UniqueFd proc);
    static bool measures(const CommandLimits& limits, bool memory_is_held);

    // The clock starts: the command was executed.
    void start();
    // For poll(): until the next look is due, -1 where none is.
    int milliseconds_to_next() const;
    // The limit that the tree has exceeded now, if any.
    EndedBy exceeded(std::uint64_t output_bytes);

private:
    EndedBy measure(std::uint64_t now);

    CommandLimits limits_;
    bool watch_memory_;
    UniqueFd proc_;
    std::uint64_t deadline_ = 0;   // milliseconds of the monotonic clock; 0: none
    std::uint64_t next_look_ = 0;  // the same
};

}  // namespace toren
