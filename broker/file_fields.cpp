#include "broker/file_fields.h"

#include "broker/base64.h"
#include "broker/json_text.h"

namespace toren::broker {

using nlohmann::json;

std::string Given::text(const char* name, std::string_view otherwise) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? std::string(otherwise) : found->get<std::string>();
}

std::uint64_t Given::number(const char* name, std::uint64_t otherwise) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? otherwise : found->get<std::uint64_t>();
}

bool Given::flag(const char* name, bool otherwise) const {
    const auto found = fields_.find(name);
    return found == fields_.end() ? otherwise : found->get<bool>();
}

ipc::Condition condition_of(const json& fields) {
    ipc::Condition condition;
    const auto found = fields.find("if_version");
    if (found == fields.end()) return condition;
    condition.version = found->get<std::string>();
    condition.kind = condition.version.empty() ? ipc::Condition::Kind::kAbsent : ipc::Condition::Kind::kVersion;
    // None that we gave has more; what no file has is not told apart from another's.
    condition.version.resize(std::min<std::size_t>(condition.version.size(), 200));
    return condition;
}

Outcome<std::uint32_t> mode_of(const json& fields) {
    const std::uint64_t mode = Given(fields).number("mode", ipc::kKeepMode);
    if (mode != ipc::kKeepMode && mode > 0777)
        return problem("invalid_field", "mode: permission bits, at most 511 (octal 777), are expected");
    return static_cast<std::uint32_t>(mode);
}

Outcome<std::string> content_of(const json& fields) {
    const Given given(fields);
    const std::string encoding = given.text("encoding", "utf-8");
    std::string content = given.text("content");
    if (encoding == "utf-8") return content;
    if (encoding != "base64") return problem("invalid_field", "encoding: utf-8 or base64 is expected");
    auto bytes = from_base64(content);
    if (!bytes) return problem("invalid_field", "content: base64 is expected");
    return std::move(*bytes);
}

Outcome<std::uint64_t> limited(const json& fields, const char* name, std::uint64_t otherwise, std::uint64_t most) {
    const std::uint64_t number = Given(fields).number(name, otherwise);
    if (number < 1 || number > most)
        return problem("invalid_field", std::string(name) + ": 1 to " + std::to_string(most) + " is expected");
    return number;
}

void append_bytes_field(std::string& out, const char* name, std::string_view bytes) {
    ((out += '"') += name) += "\":";
    append_json_string(out, bytes);
    if (is_utf8(bytes)) return;
    ((((out += ",\"") += name) += "_bytes\":\"") += to_base64(bytes)) += '"';
}

bool append_content(std::string& out, std::string_view content, const std::string& encoding) {
    const bool text = encoding != "base64" && is_utf8(content);
    if (!text && encoding == "utf-8") return false;
    out += "\"content\":";
    if (text) append_json_string(out, content);
    else ((out += '"') += to_base64(content)) += '"';
    out += text ? ",\"encoding\":\"utf-8\"" : ",\"encoding\":\"base64\"";
    return true;
}

void append_facts(std::string& out, const ipc::FileFacts& facts) {
    static constexpr const char* kKinds[] = {"file", "folder", "symlink", "other"};
    ((out += "\"kind\":\"") += kKinds[static_cast<int>(facts.kind)]) += '"';
    (out += ",\"size\":") += std::to_string(facts.size);
    (out += ",\"mode\":") += std::to_string(facts.mode);
    ((out += ",\"modified_ns\":\"") += std::to_string(facts.modified_ns)) += "\",\"version\":";
    if (facts.version.empty()) out += "null";
    else append_json_string(out, facts.version);
    if (facts.kind != ipc::FileKind::kSymlink) return;
    out += ',';
    append_bytes_field(out, "target", facts.target);
}

Reply text_reply(std::string text) {
    Reply reply;
    reply.text = std::move(text);
    return reply;
}

Outcome<Reply> facts_reply(const ServiceAnswer& answer) {
    const auto facts = record_of<ipc::FileFacts>(answer.result);
    if (!facts) return malformed_answer();
    std::string text = "{";
    append_facts(text, *facts);
    return text_reply(text + "}");
}

std::string joined(std::string_view folder, std::string_view name) {
    while (folder.ends_with('/')) folder.remove_suffix(1);
    while (folder.starts_with("./")) folder.remove_prefix(2);
    if (folder.empty() || folder == ".") return std::string(name);
    return std::string(folder) + "/" + std::string(name);
}

Task<Outcome<Location>> segment_of(Call& call) {
    const Segment* known = find_segment_by_name(call.broker.supervisor->segments(), call.segment);
    if (known != nullptr) {
        Location location{known->name, known->path, "."};
        co_return location;
    }
    std::string name = call.segment;
    auto found = co_await find_segment(call.broker, std::move(name));
    co_return found;
}

Problem problem_with_fields(const ServiceAnswer& answer) {
    Problem refused = problem_of(answer);
    if (answer.trouble != ServiceAnswer::Trouble::kNone) return refused;
    switch (answer.failure) {
        case ipc::Failure::kChanged: {
            const auto facts = record_of<ipc::FileFacts>(answer.result);
            const bool there = facts && !facts->version.empty();
            refused.further["version"] = there ? json(facts->version) : json();
            break;
        }
        case ipc::Failure::kWrongOffset:
            if (const auto state = record_of<ipc::UploadState>(answer.result))
                refused.further["offset"] = state->offset;
            break;
        case ipc::Failure::kNoMatch:
        case ipc::Failure::kAmbiguous:
            if (const auto mismatch = record_of<ipc::EditMismatch>(answer.result))
                refused.further = {{"edit", mismatch->number}, {"matches", mismatch->matches}};
            break;
        default: break;
    }
    return refused;
}

Task<Outcome<ServiceAnswer>> ask_files(Call& call, ServiceRequest request) {
    auto location = co_await segment_of(call);
    if (auto* refused = std::get_if<Problem>(&location)) co_return std::move(*refused);
    std::string segment = std::get<Location>(std::move(location)).segment;
    auto asked = co_await ask_segment(call.broker, std::move(segment), std::move(request));
    if (auto* answer = std::get_if<ServiceAnswer>(&asked); answer != nullptr && !succeeded(*answer))
        co_return problem_with_fields(*answer);
    co_return asked;
}

Task<Outcome<std::unique_ptr<LeasedWorker>>> lease_files(Call& call) {
    auto location = co_await segment_of(call);
    if (auto* refused = std::get_if<Problem>(&location)) co_return std::move(*refused);
    std::string segment = std::get<Location>(location).segment;
    auto cell = co_await call.broker.cells.open(std::move(segment));
    if (!cell) co_return problem("no_cell", cell.error().text());
    const std::chrono::seconds patience(call.broker.settings.service_seconds);
    auto leased = co_await (*cell)->services().lease(patience);
    if (!leased) co_return problem("no_worker", leased.error().text());
    co_return std::move(*leased);
}

}  // namespace toren::broker
