// What a client can ask for, over REST and over the WebSocket alike: each operation once, whatever it came by.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "broker/broker.h"
#include "broker/problem.h"
#include "broker/task.h"

namespace toren::broker {

// A place in a segment. `relative` is text that only the worker's kernel interprets.
struct Location {
    std::string segment;
    std::string segment_path;
    std::string relative;
};

// A segment by name, exactly or else without regard to case where that is unambiguous; looks again where it is unknown.
Task<Outcome<Location>> find_segment(Broker& broker, std::string name);
// A path in `segment`, absolute or relative to it; without a segment an absolute path in any, or a relative one in the
// only one that there is.
Task<Outcome<Location>> find_location(Broker& broker, std::string path, std::optional<std::string> segment);

// Why a segment could not be made.
Problem creation_refused(const ipc::SegmentCreated& created);

Task<Outcome<std::string>> read_file(Broker& broker, Location location);  // UTF-8 text
Task<Outcome<Done>> write_file(Broker& broker, Location location, std::string content);
Task<Outcome<std::string>> list_folder(Broker& broker, Location location, std::string shown_path);  // a JSON body
Task<Outcome<nlohmann::json>> vcs_status(Broker& broker, Location location);
Task<Outcome<std::string>> vcs_diff(Broker& broker, Location location);

}  // namespace toren::broker
