#include "broker/ancillaries.h"

#include "base/log.h"

namespace toren::broker {

std::optional<std::string> Ancillaries::add(Ancillary ancillary) {
    remove(ancillary.connection);  // a second Auth on one socket replaces the first
    if (const auto held = by_segment_.find(ancillary.segment); held != by_segment_.end()) {
        Ancillary& holder = held->second;
        if (holder.id != ancillary.id || holder.session_id != ancillary.session_id) return holder.id;
        const auto disconnect = holder.disconnect;
        by_segment_.erase(held);
        disconnect();
    }
    ancillary.connected_at = ancillary.last_activity = utc_now();
    const std::string segment = ancillary.segment;
    by_segment_.emplace(segment, std::move(ancillary));
    return std::nullopt;
}

void Ancillaries::remove(const void* connection) {
    std::erase_if(by_segment_, [&](const auto& entry) { return entry.second.connection == connection; });
}

void Ancillaries::count(const void* connection, int change) {
    for (auto& [segment, ancillary] : by_segment_) {
        if (ancillary.connection != connection) continue;
        ancillary.executing =
            change > 0 ? ancillary.executing + 1 : ancillary.executing - (ancillary.executing > 0 ? 1 : 0);
        ancillary.last_activity = utc_now();
    }
}

}  // namespace toren::broker
