// How much a command and a segment may use; 0 stands for none, except where it says otherwise. Where a cgroup v2
// subtree is delegated the kernel holds them (policy/cgroup.h), else resource limits and a watchdog do
// (policy/limit_watch.h).
#pragma once

#include <cstdint>
#include <tuple>

namespace toren {

struct CommandLimits {
    std::uint64_t memory_bytes = 0;  // of the whole process tree
    std::uint64_t swap_bytes = 0;    // beyond memory_bytes; 0: none may be used (cgroup v2 alone)
    std::uint64_t processes = 4096;  // and threads: of the tree with cgroup v2, else of the cell (RLIMIT_NPROC)
    std::uint64_t cpu_seconds = 0;   // of the whole tree
    std::uint64_t seconds = 3600;    // by the clock
    std::uint64_t output_bytes = 0;  // stdout and stderr together
    std::uint64_t file_bytes = 0;    // the largest file (RLIMIT_FSIZE)
    std::uint64_t open_files = 65536;
    auto fields() {
        return std::tie(memory_bytes, swap_bytes, processes, cpu_seconds, seconds, output_bytes, file_bytes,
                        open_files);
    }
};

struct SegmentLimits {
    std::uint64_t memory_bytes = 0;     // of all its commands and workers
    std::uint64_t swap_bytes = 0;       // 0: none may be used
    std::uint64_t processes = 8192;     // cgroup v2 alone
    std::uint64_t cpu_weight = 100;     // 1 to 10000, against other segments (cgroup v2 alone)
    std::uint64_t cpu_percent = 0;      // 100 is one processor (cgroup v2 alone)
    std::uint64_t io_weight = 100;      // 1 to 10000 (cgroup v2 alone)
    std::uint64_t tmp_bytes = 1 << 30;  // of each private tmpfs
};

// Which limit ended a command.
enum class EndedBy : std::uint8_t { kNothing, kTime, kCpu, kMemory, kOutput, kFileSize, kLast = kFileSize };

// "time", "cpu", "memory", "output", "file_size"; "" for kNothing.
const char* limit_name(EndedBy limit);

}  // namespace toren
