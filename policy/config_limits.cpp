#include "policy/config_limits.h"

#include <sys/sysinfo.h>

#include <algorithm>

namespace toren {
namespace {

std::uint64_t machine_memory() {
    struct sysinfo about {};
    ::sysinfo(&about);  // fails on a bad address alone
    return std::uint64_t{about.totalram} * about.mem_unit;
}

std::uint64_t otherwise(std::uint64_t configured, std::uint64_t otherwise) {
    return configured == 0 ? otherwise : configured;
}

}  // namespace

std::uint64_t default_command_memory() { return machine_memory() / 2; }

SegmentLimits segment_limits(const Config& config) {
    const auto& limits = config.limits;
    return {.memory_bytes = otherwise(limits.segment_memory_bytes, machine_memory() / 4 * 3),
            .swap_bytes = limits.swap_bytes,
            .processes = limits.segment_processes,
            .cpu_weight = limits.cpu_weight,
            .cpu_percent = limits.cpu_percent,
            .io_weight = limits.io_weight,
            .tmp_bytes = limits.tmp_bytes};
}

CommandLimits limits_of_commands(const Config& config) {
    const auto& limits = config.limits;
    return {.memory_bytes =
                std::min(otherwise(limits.memory_bytes, default_command_memory()), segment_limits(config).memory_bytes),
            .swap_bytes = limits.swap_bytes,
            .processes = limits.processes,
            .cpu_seconds = limits.cpu_seconds,
            .seconds = limits.command_seconds,
            .output_bytes = limits.output_bytes,
            .file_bytes = limits.file_bytes,
            .open_files = limits.open_files};
}

}  // namespace toren
