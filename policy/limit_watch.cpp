#include "policy/limit_watch.h"

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

bool LimitWatch::measures(const CommandLimits& limits, bool memory_is_held) {
    return limits.cpu_seconds != 0 || (limits.memory_bytes != 0 && !memory_is_held);
}

LimitWatch::LimitWatch(const CommandLimits& limits, bool memory_is_held, UniqueFd proc)
    : limits_(limits), watch_memory_(limits.memory_bytes != 0 && !memory_is_held), proc_(std::move(proc)) {}

void LimitWatch::start() {
    const auto now = now_in_milliseconds();
    // A year is as good as none, and cannot overflow.
    if (limits_.seconds != 0) deadline_ = now + std::min<std::uint64_t>(limits_.seconds, 31'622'400) * 1000;
    if (proc_) next_look_ = now + kSoonest;
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
    const auto usage = measure_usage(proc_.get(), ::getpid(), limits_.memory_bytes);
    if (!usage) return EndedBy::kMemory;  // what cannot be watched does not go on
    if (watch_memory_ && usage->memory_bytes > limits_.memory_bytes) return EndedBy::kMemory;
    if (limits_.cpu_seconds != 0 && usage->cpu_milliseconds > limits_.cpu_seconds * 1000) return EndedBy::kCpu;
    const std::uint64_t left = watch_memory_ ? limits_.memory_bytes - usage->memory_bytes : UINT64_MAX;
    next_look_ = now + std::clamp(left / kBytesPerMillisecond, kSoonest, kLatest);
    return EndedBy::kNothing;
}

}  // namespace toren
