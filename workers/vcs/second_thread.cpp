#include "workers/vcs/second_thread.h"

#include <condition_variable>
#include <mutex>
#include <system_error>
#include <thread>

namespace toren::vcs {
namespace {

struct Shared {
    std::mutex mutex;
    std::condition_variable changed;
    bool started = false;
    const std::function<void()>* work = nullptr;  // until it is done
};

// Never destroyed: the thread waits on it until the process ends.
Shared& shared() {
    static auto* const object = new Shared;
    return *object;
}

void run_second_thread() {
    Shared& own = shared();
    std::unique_lock lock(own.mutex);
    own.started = true;
    own.changed.notify_all();
    while (true) {
        own.changed.wait(lock, [&] { return own.work != nullptr; });
        const auto& work = *own.work;
        lock.unlock();
        work();
        lock.lock();
        own.work = nullptr;
        own.changed.notify_all();
    }
}

}  // namespace

Result<> start_second_thread() {
    try {
        std::thread(run_second_thread).detach();
    } catch (const std::system_error& failed) {
        return Error{failed.code().value(), "a second thread"};
    }
    // What the C library does at a thread's beginning comes before the filter.
    std::unique_lock lock(shared().mutex);
    shared().changed.wait(lock, [] { return shared().started; });
    return Ok{};
}

void work_together(const std::function<void()>& work) {
    Shared& own = shared();
    {
        const std::lock_guard lock(own.mutex);
        if (own.started) own.work = &work;
    }
    own.changed.notify_all();
    work();
    std::unique_lock lock(own.mutex);
    own.changed.wait(lock, [&] { return own.work == nullptr; });
}

}  // namespace toren::vcs
