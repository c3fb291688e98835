// The broker's event loop. Asio is behind it, so that what waits for descriptors and timers does not include it.
#pragma once

#include <chrono>
#include <functional>
#include <memory>

#include "broker/task.h"

namespace toren::broker {

// Runs until the process ends.
void run_loop();

// Until whatever else is ready has had its turn.
Task<Done> yield();

// Waits on a descriptor that somebody else owns. Destroying it, or cancel(), wakes whoever waits with false.
class FdWatch {
public:
    explicit FdWatch(int fd);
    FdWatch(FdWatch&&) noexcept;
    FdWatch& operator=(FdWatch&&) noexcept;
    ~FdWatch();

    Task<bool> readable();
    Task<bool> writable();
    void cancel();

private:
    struct Impl;
    std::shared_ptr<Impl> impl_;
};

// Calls `work` once after the time, unless it is destroyed before.
class Timer {
public:
    Timer(std::chrono::milliseconds after, std::function<void()> work);
    Timer(Timer&&) noexcept;
    Timer& operator=(Timer&&) noexcept;
    ~Timer();

private:
    struct Impl;
    std::unique_ptr<Impl> impl_;
};

}  // namespace toren::broker
