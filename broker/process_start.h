// What processes.start and processes.run share, and what names a process in a request.
#pragma once

#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>

#include "broker/operation.h"
#include "broker/processes.h"

namespace toren::broker {

// From the fields of a start; the segment as named.
Outcome<StartSpec> read_start(const std::string& segment, const nlohmann::json& fields);
// In the segment that it names, under its configured name.
Task<Outcome<std::shared_ptr<Process>>> start_process(Broker& broker, StartSpec spec);
// One that clients find by its id: 201 and what there is to tell of it.
Task<Outcome<Reply>> start_listed(Broker& broker, StartSpec spec);
// Why it could not be executed; nothing where it was.
std::optional<Problem> start_failure(const Process& process);

// The process that a call is about.
Task<Outcome<std::shared_ptr<Process>>> find_process(Call& call);
// The field `from`: a position, or negative, that much before the end.
std::uint64_t position_of(const Process& process, const nlohmann::json& fields);
// The field `stream`; Stream{} for both.
Outcome<ipc::Stream> stream_of(const nlohmann::json& fields);

// process_streams.cpp
Task<Outcome<Reply>> follow_process(Call& call);
Task<Outcome<Reply>> run_process(Call& call);

}  // namespace toren::broker
