#include "broker/deadlines.h"

#include <vector>

namespace toren::broker {

std::uint32_t HasDeadline::now_ = 1;

std::unordered_set<HasDeadline*>& HasDeadline::all() {
    static std::unordered_set<HasDeadline*> all;
    return all;
}

std::optional<Timer>& HasDeadline::timer() {
    static std::optional<Timer> timer;
    return timer;
}

HasDeadline::HasDeadline() {
    all().insert(this);
    if (!timer()) tick();
}

HasDeadline::~HasDeadline() { all().erase(this); }

void HasDeadline::tick() {
    ++now_;
    std::vector<HasDeadline*> over;
    for (HasDeadline* one : all())
        if (one->deadline_ != 0 && one->deadline_ <= now_) over.push_back(one);
    for (HasDeadline* one : over) {
        if (!all().contains(one)) continue;  // another one's end ended it
        one->deadline_ = 0;
        one->expired();
    }
    timer().reset();
    if (!all().empty()) timer().emplace(std::chrono::seconds(1), [] { post([] { tick(); }); });
}

}  // namespace toren::broker
