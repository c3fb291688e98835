// files.download and files.upload: a file's bytes as the body itself.
#include <sys/stat.h>

#include "broker/file_fields.h"
#include "broker/file_operations.h"
#include "broker/http_conditions.h"

namespace toren::broker {
namespace {

// Up to here the content comes in the worker's answer: passing a descriptor costs more than copying that much.
constexpr std::uint64_t kInline = 48 * 1024;

const HttpConditions& conditions_of(const Call& call) {
    static const HttpConditions kNone;
    return call.http == nullptr ? kNone : *call.http;
}

std::string entity_tag(const std::string& version) { return "\"" + version + "\""; }

// What there is to send, whichever way it comes.
struct Content {
    ipc::FileFacts facts;
    std::uint64_t size = 0;
    std::string bytes;
    UniqueFd file;
};

Task<Outcome<Content>> facts_alone(Call& call, std::string path) {
    auto request = files_request(ipc::StatFile{.path = std::move(path)});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    auto facts = record_of<ipc::FileFacts>(std::get<ServiceAnswer>(answer).result);
    if (!facts) co_return malformed_answer();
    if (facts->kind == ipc::FileKind::kFolder) co_return problem("is_folder", "this is a folder");
    if (facts->kind != ipc::FileKind::kFile) co_return problem("not_regular_file", "this is no regular file");
    Content content;
    content.size = facts->size;
    content.facts = std::move(*facts);
    co_return content;
}

Task<Outcome<Content>> opened_content(Call& call, std::string path) {
    auto request = files_request(ipc::OpenFile{.path = std::move(path)});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    auto& got = std::get<ServiceAnswer>(answer);
    auto opened = record_of<ipc::Opened>(got.result);
    struct stat about {};
    // What a worker hands over is looked at: from anything else than a file the broker could wait for ever.
    if (!opened || !got.file || ::fstat(got.file.get(), &about) != 0 || !S_ISREG(about.st_mode))
        co_return malformed_answer();
    Content content;
    content.facts = std::move(opened->facts);
    content.size = static_cast<std::uint64_t>(about.st_size);
    if (content.size != content.facts.size) content.facts.version.clear();  // it grew since: the tag is another's
    content.file = std::move(got.file);
    co_return content;
}

Task<Outcome<Content>> whole_content(Call& call, std::string path) {
    auto request = files_request(ipc::ReadFile{.path = path, .max_bytes = kInline}, kInline);
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) {
        if (refused->code != "file_too_large") co_return std::move(*refused);
        auto opened = co_await opened_content(call, std::move(path));
        co_return opened;
    }
    auto& got = std::get<ServiceAnswer>(answer);
    auto end = record_of<ipc::ReadEnd>(got.result);
    if (!end) co_return malformed_answer();
    Content content;
    content.facts = std::move(end->facts);
    content.bytes = std::move(got.bytes);
    content.size = content.bytes.size();
    if (content.size != content.facts.size) content.facts.version.clear();
    co_return content;
}

}  // namespace

Task<Outcome<Reply>> download_file(Call& call) {
    const auto& wanted = conditions_of(call);
    const std::string path = Given(call.fields).text("path");
    Outcome<Content> found;
    std::string asked = path;
    if (wanted.head) found = co_await facts_alone(call, std::move(asked));
    else found = co_await whole_content(call, std::move(asked));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    auto& content = std::get<Content>(found);
    const std::string tag = entity_tag(content.facts.version);
    if (!wanted.if_match.empty() && !names_tag(wanted.if_match, tag, false)) {
        Problem changed = problem("changed", "If-Match: the file is another one");
        changed.further["version"] = content.facts.version;
        co_return changed;
    }
    Reply reply;
    const std::int64_t ns = content.facts.modified_ns;
    const std::string modified = http_date(ns / 1'000'000'000 - (ns % 1'000'000'000 < 0 ? 1 : 0));
    if (!content.facts.version.empty()) reply.headers.emplace_back("ETag", tag);
    if (!modified.empty()) reply.headers.emplace_back("Last-Modified", modified);
    reply.content_type = "application/octet-stream";
    if (!wanted.if_none_match.empty() && names_tag(wanted.if_none_match, tag, true)) {
        reply.status = 304;
        co_return reply;
    }
    reply.headers.emplace_back("Accept-Ranges", "bytes");
    ByteRange range;
    const bool in_range = wanted.if_range.empty() || names_tag(wanted.if_range, tag, false) ||
                          (!modified.empty() && wanted.if_range == modified);
    if (!wanted.range.empty() && in_range && wanted.if_range != "*") range = byte_range(wanted.range, content.size);
    const std::string of_all = "/" + std::to_string(content.size);
    if (range.kind == ByteRange::kUnsatisfiable) {
        Problem refused = problem("range_not_satisfiable", "the file has " + std::to_string(content.size) + " bytes");
        refused.headers.emplace_back("Content-Range", "bytes *" + of_all);
        co_return refused;
    }
    if (range.kind == ByteRange::kPart) {
        reply.status = 206;
        reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                        std::to_string(range.first + range.length - 1) + of_all);
    } else {
        range.length = content.size;
    }
    reply.headers.emplace_back("Content-Disposition", content_disposition(path.substr(path.rfind('/') + 1)));
    if (content.file) {
        reply.file = std::move(content.file);
        reply.offset = range.first;
    } else if (range.kind == ByteRange::kPart) {
        reply.text = content.bytes.substr(range.first, range.length);
    } else {
        reply.text = std::move(content.bytes);
    }
    reply.length = range.length;
    co_return reply;
}

namespace {

// If-Match: "TAG" and If-None-Match: * say what if_version says.
Outcome<ipc::Condition> upload_condition(const Call& call) {
    const auto& said = conditions_of(call);
    ipc::Condition condition = condition_of(call.fields);
    if (said.if_match.empty() && said.if_none_match.empty()) return condition;
    const Problem refused =
        problem("invalid_field", "one of if_version, If-Match: \"TAG\" and If-None-Match: * is expected");
    if (call.fields.contains("if_version") || (!said.if_match.empty() && !said.if_none_match.empty())) return refused;
    if (!said.if_none_match.empty()) {
        if (said.if_none_match != "*") return refused;
        condition.kind = ipc::Condition::Kind::kAbsent;
        return condition;
    }
    const std::string& tag = said.if_match;
    if (tag.size() < 3 || tag.size() > 200 || !tag.starts_with('"') || tag.find('"', 1) != tag.size() - 1)
        return refused;
    condition.kind = ipc::Condition::Kind::kVersion;
    condition.version = tag.substr(1, tag.size() - 2);
    return condition;
}

}  // namespace

Task<Outcome<Reply>> upload_file(Call& call) {
    const Given given(call.fields);
    auto condition = upload_condition(call);
    if (auto* refused = std::get_if<Problem>(&condition)) co_return std::move(*refused);
    const auto mode = mode_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&mode)) co_return *refused;
    // Its own worker: others must not wait for what arrives as slowly as this client sends. What the request is
    // conditional on is judged when the content is complete, in the same instant in which it is put in place.
    auto leased = co_await lease_files(call);
    if (auto* refused = std::get_if<Problem>(&leased)) co_return std::move(*refused);
    auto& worker = *std::get<std::unique_ptr<LeasedWorker>>(leased);
    const ipc::WriteFile message{.path = given.text("path"),
                                 .create_parents = given.flag("create_parents", false),
                                 .condition = std::get<ipc::Condition>(std::move(condition)),
                                 .mode = std::get<std::uint32_t>(mode)};
    const std::chrono::seconds time(call.broker.settings.service_seconds);
    bool going = worker.begin(message);
    while (going) {
        auto part = co_await call.body->next();
        if (auto* refused = std::get_if<Problem>(&part)) co_return std::move(*refused);
        const bool last = std::get<std::string>(part).empty();
        going = co_await worker.put(std::get<std::string>(std::move(part)), time);
        if (last) break;
    }
    auto answer = co_await worker.finish(time);
    if (answer.trouble != ServiceAnswer::Trouble::kNone || answer.failure != ipc::Failure::kNone)
        co_return problem_with_fields(answer);
    co_return facts_reply(answer);
}

}  // namespace toren::broker
