// How an operation asks a worker, and reads what it answers. For sources of the broker that serve operations.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "broker/operations.h"
#include "broker/service_pool.h"
#include "ipc/codec.h"

namespace toren::broker {

// Chunks carry at most this beside their content: room for one record or header more than was asked for.
inline constexpr std::uint64_t kAnswerSlack = 2 * ipc::kChunkBytes;
// Of a folder's listing: a name has at most 255 bytes, a symlink's text and a version tag come with it.
inline constexpr std::uint64_t kListEntryBytes = 4096 + 512;

template <typename T>
ServiceRequest service_request(ipc::Service service, T message, std::uint64_t max_answer) {
    ServiceRequest request;
    request.service = service;
    request.send = [message = std::move(message)](AsyncChannel& channel) { return channel.try_send(message); };
    request.max_answer = max_answer + kAnswerSlack;
    return request;
}

// What the worker of this segment answers, a refusal of its included; a Problem where it has none.
Task<Outcome<ServiceAnswer>> ask_segment(Broker& broker, std::string segment, ServiceRequest request);
// Its refusals as Problems.
Task<Outcome<ServiceAnswer>> ask_worker(Broker& broker, Location location, ServiceRequest request);

inline bool succeeded(const ServiceAnswer& answer) {
    return answer.trouble == ServiceAnswer::Trouble::kNone && answer.failure == ipc::Failure::kNone;
}

// Reads each record of an answer; false where the bytes are not whole records.
template <typename Record, typename Take>
bool each_record(const std::string& bytes, Take take) {
    ipc::Reader reader(bytes);
    while (!reader.at_end()) {
        Record record;
        if (!reader.read(record)) return false;
        take(record);
    }
    return true;
}

template <typename Record>
std::optional<Record> record_of(const std::string& bytes) {
    Record record;
    ipc::Reader reader(bytes);
    if (!reader.read(record) || !reader.at_end()) return std::nullopt;
    return record;
}

inline Problem malformed_answer() {
    return problem("worker_died", "the worker for this segment sent a malformed answer");
}

}  // namespace toren::broker
