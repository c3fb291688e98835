// What the processes of one pid namespace use, from its /proc: the watchdog where no cgroup holds the limits. Numbers
// come from the kernel; names and command lines, which processes choose themselves, are not read.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"

namespace toren {

struct Usage {
    std::uint64_t memory_bytes = 0;      // resident; memory that processes share is counted once where that can be told
    std::uint64_t cpu_milliseconds = 0;  // of the processes that live, and of their children that have ended
    unsigned processes = 0;
};

// Of every process in the namespace that `proc` (a descriptor of its /proc) shows, but for `except`. Where resident
// memory exceeds `exact_beyond` it is measured again exactly (proportional shares), which costs more.
Result<Usage> measure_usage(int proc, pid_t except, std::uint64_t exact_beyond);

}  // namespace toren
