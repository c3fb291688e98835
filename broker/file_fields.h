// What the operations on files have in common: fields of a call as messages want them, facts as JSON has them.
#pragma once

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "broker/ask_worker.h"
#include "broker/operation.h"
#include "ipc/messages.h"

namespace toren::broker {

// Reads checked fields: what is absent has the default.
class Given {
public:
    explicit Given(const nlohmann::json& fields) : fields_(fields) {}
    bool has(const char* name) const { return fields_.contains(name); }
    std::string text(const char* name, std::string_view otherwise = "") const;
    std::uint64_t number(const char* name, std::uint64_t otherwise = 0) const;
    bool flag(const char* name, bool otherwise) const;

private:
    const nlohmann::json& fields_;
};

// `if_version`.
ipc::Condition condition_of(const nlohmann::json& fields);
// `mode`, or kKeepMode.
Outcome<std::uint32_t> mode_of(const nlohmann::json& fields);
// `content` and `encoding`.
Outcome<std::string> content_of(const nlohmann::json& fields);
// A number from 1 to `most`.
Outcome<std::uint64_t> limited(const nlohmann::json& fields, const char* name, std::uint64_t otherwise,
                               std::uint64_t most);

// Appends "name":"…", and "name_bytes" where the bytes are no UTF-8.
void append_bytes_field(std::string& out, const char* name, std::string_view bytes);
// Appends "content":…,"encoding":…; false where it must be UTF-8 and is not.
bool append_content(std::string& out, std::string_view content, const std::string& encoding);
// Appends "kind":… to "target":…, without braces.
void append_facts(std::string& out, const ipc::FileFacts& facts);
// An answer that is the facts in Done.
Outcome<Reply> facts_reply(const ServiceAnswer& answer);
Reply text_reply(std::string json);

// `folder` is relative to the segment, `name` to the folder.
std::string joined(std::string_view folder, std::string_view name);

// The segment's own name, or unknown_segment.
Task<Outcome<Location>> segment_of(Call& call);
// Asks the shared files worker of the call's segment. A failure that comes with a record has further fields.
Task<Outcome<ServiceAnswer>> ask_files(Call& call, ServiceRequest request);
// A files worker of its own for this call.
Task<Outcome<std::unique_ptr<LeasedWorker>>> lease_files(Call& call);

template <typename T>
ServiceRequest files_request(T message, std::uint64_t max_answer = 0) {
    return service_request(ipc::Service::kFiles, std::move(message), max_answer);
}

// Of a failure, with the further fields that its record has.
Problem problem_with_fields(const ServiceAnswer& answer);

}  // namespace toren::broker
