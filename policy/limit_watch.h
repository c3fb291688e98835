// Watches one command's limits from the init of its pid namespace: the clock, its output, its tree's processor time,
// and its memory where no cgroup holds that. Resource limits are not its matter.
#pragma once

#include <cstdint>

#include "base/limits.h"
#include "base/unique_fd.h"
#include "policy/cgroup.h"

namespace toren {

class LimitWatch {
public:
    // `meter`: of the cgroup that holds the tree's memory, or empty. `proc`: the /proc of its pid namespace, open for
    // reading; may be empty where reads_proc() is false.
    LimitWatch(const CommandLimits& limits, GroupMeter meter, UniqueFd proc);
    static bool reads_proc(const CommandLimits& limits, bool in_group);

    // The clock starts: the command was executed.
    void start();
    // For poll(): until the next look is due, -1 where none is.
    int milliseconds_to_next() const;
    // The limit that the tree has exceeded now, if any.
    EndedBy exceeded(std::uint64_t output_bytes);
    // Ends the tree at once where it has a group; its pid namespace's init does the rest.
    void kill() const;
    // The limit that the kernel held, as far as the tree's end tells. `signal`: what ended the command, or 0.
    EndedBy held_by_kernel(int signal) const;
    // What the tree's group has used, for whoever tells of the end; 0 where it has none.
    std::uint64_t group_cpu_us() const { return meter_.cpu_stat ? meter_.cpu_microseconds() : 0; }
    std::uint64_t group_peak_memory() const { return meter_.memory_peak ? meter_.peak_memory_bytes() : 0; }

private:
    EndedBy measure(std::uint64_t now);

    CommandLimits limits_;
    GroupMeter meter_;
    UniqueFd proc_;
    std::uint64_t deadline_ = 0;   // milliseconds of the monotonic clock; 0: none
    std::uint64_t next_look_ = 0;  // the same
    EndedBy suspected_ = EndedBy::kNothing;
};

}  // namespace toren
