// Who is at work in which segment: clients that named themselves and a segment when they authenticated.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>

namespace toren::broker {

struct Ancillary {
    std::string id;
    std::string segment;  // or SEGMENT@WORKSPACE
    std::optional<std::string> workspace;
    std::string working_dir;
    std::string session_id;         // whose token it is; never leaves the broker
    std::string connected_at = {};  // RFC 3339, UTC
    std::string last_activity = {};
    std::size_t executing = 0;         // commands
    const void* connection = nullptr;  // which socket it came on
    std::function<void()> disconnect;  // closes that socket
};

class Ancillaries {
public:
    // The id of the ancillary that holds the segment already, if another one does. The same ancillary of the same
    // device takes its old connection's place: that one has usually died without saying so.
    std::optional<std::string> add(Ancillary ancillary);
    void remove(const void* connection);
    void started_command(const void* connection) { count(connection, 1); }
    void ended_command(const void* connection) { count(connection, -1); }

    const std::map<std::string, Ancillary>& by_segment() const { return by_segment_; }

private:
    void count(const void* connection, int change);

    std::map<std::string, Ancillary> by_segment_;
};

}  // namespace toren::broker
