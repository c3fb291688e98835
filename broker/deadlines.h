// Times that connections must keep, to about a second: one timer for all of them, for setting one each anew for every
// request costs more than the request.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <unordered_set>

#include "broker/loop.h"

namespace toren::broker {

class HasDeadline {
public:
    HasDeadline();
    virtual ~HasDeadline();
    HasDeadline(const HasDeadline&) = delete;
    HasDeadline& operator=(const HasDeadline&) = delete;

protected:
    // Calls expired() once, at the earliest after that time and at the latest two seconds later.
    void expire_after(std::chrono::seconds time) { deadline_ = now() + static_cast<std::uint32_t>(time.count()) + 1; }
    void expire_never() { deadline_ = 0; }
    virtual void expired() = 0;

    // Counts seconds, roughly.
    static std::uint32_t now() { return now_; }

private:
    static void tick();
    static std::uint32_t now_;
    static std::unordered_set<HasDeadline*>& all();
    static std::optional<Timer>& timer();

    std::uint32_t deadline_ = 0;
};

}  // namespace toren::broker
