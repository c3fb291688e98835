// What the processes of one pid namespace use, from its /proc: the watchdog where no cgroup holds the limits. Numbers
// come from the kernel; of the name in /proc/PID/stat, which a process chooses itself, only the end is looked for.
//
// An estimate, not a wall. What escapes it: memory that no process has mapped (memfd_create and write, System V shared
// memory that nobody is attached to, data in pipes and sockets, page tables; private tmpfs have a size of their own),
// memory that was swapped out while what is resident stays below the limit,
// and processor time of children that the kernel reaps unasked, because their parent ignores SIGCHLD, as far as it
// was used between two measurements. RLIMIT_FSIZE bounds one memfd, the limit of wall-clock time bounds everything.
#pragma once

#include <sys/types.h>

#include <cstdint>

#include "base/result.h"

namespace toren {

struct Usage {
    std::uint64_t memory_bytes = 0;      // resident or, once it is looked at exactly, proportional, and swapped out
    std::uint64_t cpu_milliseconds = 0;  // of the processes that live, and of their children that have ended
    unsigned processes = 0;              // zombies too
    unsigned threads = 0;
};

// Of every process in the namespace that `proc` (a descriptor of its /proc, open for reading) shows, but for `except`,
// the namespace's init: of that only its ended children count, which are the orphans that it reaped. Where resident
// memory exceeds `exact_beyond` it is measured again by proportional shares: slower, and what processes share counts
// once. A process that does not let itself be measured so (it is not dumpable) counts with all that is resident.
// Processes come and go meanwhile: one that is reaped between two reads may count twice or not at all, once. So
// a limit is exceeded when two measurements in a row say so.
// Calls openat, lseek, getdents64, read and close, allocates nothing.
Result<Usage> measure_usage(int proc, pid_t except, std::uint64_t exact_beyond);

// When memory runs out the kernel ends this process, and what it forks, before any that did not ask for it. Needs no
// privilege, but a /proc that can be written and a dumpable process: so a cell does it before it enters its root.
Result<> prefer_as_oom_victim();

}  // namespace toren
