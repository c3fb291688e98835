#include "policy/limit_watch.h"

#include <signal.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>

#include "policy/usage.h"

namespace toren {
namespace {

std::uint64_t now_in_milliseconds() {
    timespec now{};
    ::clock_gettime(CLOCK_MONOTONIC, &now);
    return static_cast<std::uint64_t>(now.tv_sec) * 1000 + static_cast<std::uint64_t>(now.tv_nsec) / 1'000'000;
}

// How soon to look again: a tree cannot fill what is left of its limit faster than memory can be written.
constexpr std::uint64_t kBytesPerMillisecond = 4ULL << 20;
constexpr std::uint64_t kSoonest = 20, kLatest = 500;

}  // namespace

bool LimitWatch::reads_proc(const CommandLimits& limits, bool in_group) {
    return !in_group && (limits.cpu_seconds != 0 || limits.memory_bytes != 0);
}

LimitWatch::LimitWatch(const CommandLimits& limits, GroupMeter meter, UniqueFd proc)
    : limits_(limits), meter_(std::move(meter)), proc_(std::move(proc)) {}

void LimitWatch::start() {
    const auto now = now_in_milliseconds();
    // A year is as good as none, and cannot overflow.
    if (limits_.seconds != 0) deadline_ = now + std::min<std::uint64_t>(limits_.seconds, 31'622'400) * 1000;
    if (proc_ || (meter_.cpu_stat && limits_.cpu_seconds != 0)) next_look_ = now + kSoonest;
}

int LimitWatch::milliseconds_to_next() const {
    std::uint64_t next = deadline_;
    if (next_look_ != 0 && (next == 0 || next_look_ < next)) next = next_look_;
    if (next == 0) return -1;
    const auto now = now_in_milliseconds();
    return next <= now ? 0 : static_cast<int>(std::min<std::uint64_t>(next - now, 3'600'000));
}

EndedBy LimitWatch::exceeded(std::uint64_t output_bytes) {
    if (limits_.output_bytes != 0 && output_bytes > limits_.output_bytes) return EndedBy::kOutput;
    if (deadline_ == 0 && next_look_ == 0) return EndedBy::kNothing;
    const auto now = now_in_milliseconds();
    if (deadline_ != 0 && now >= deadline_) return EndedBy::kTime;
    if (next_look_ == 0 || now < next_look_) return EndedBy::kNothing;
    return measure(now);
}

EndedBy LimitWatch::measure(std::uint64_t now) {
    Usage usage;
    if (proc_) {
        const auto measured = measure_usage(proc_.get(), ::getpid(), limits_.memory_bytes);
        if (!measured) return EndedBy::kMemory;  // what cannot be watched does not go on
        usage = *measured;
    } else {
        usage.cpu_milliseconds = meter_.cpu_microseconds() / 1000;
    }
    const bool memory = limits_.memory_bytes != 0 && usage.memory_bytes > limits_.memory_bytes;
    const bool cpu = limits_.cpu_seconds != 0 && usage.cpu_milliseconds > limits_.cpu_seconds * 1000;
    const auto over = memory ? EndedBy::kMemory : cpu ? EndedBy::kCpu : EndedBy::kNothing;
    // Twice in a row: a child that is reaped between two reads counts twice, once.
    if (over != EndedBy::kNothing && over == suspected_) return over;
    suspected_ = over;
    const std::uint64_t left = limits_.memory_bytes == 0 ? UINT64_MAX : limits_.memory_bytes - usage.memory_bytes;
    const auto took = now_in_milliseconds() - now;
    next_look_ = now + (memory ? 1 : std::clamp(left / kBytesPerMillisecond, kSoonest, kLatest)) + took * 20;
    return EndedBy::kNothing;
}

void LimitWatch::kill() const {
    if (meter_.kill_switch) meter_.kill();
}

EndedBy LimitWatch::held_by_kernel(int signal) const {
    if (meter_.memory_events && meter_.memory_kills() > 0) return EndedBy::kMemory;
    if (signal == SIGXCPU) return EndedBy::kCpu;
    if (signal == SIGXFSZ) return EndedBy::kFileSize;
    return EndedBy::kNothing;
}

}  // namespace toren
