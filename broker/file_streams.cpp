// files.archive and files.watch: answers whose end nobody knows at their beginning.
#include "broker/file_fields.h"
#include "broker/file_operations.h"
#include "broker/http_conditions.h"

namespace toren::broker {
namespace {

using nlohmann::json;

// --- archives

struct Archive {
    std::unique_ptr<LeasedWorker> worker;
    std::chrono::seconds time;
    LeasedWorker::Part part;
    bool first = true;
};

bool failed(const ServiceAnswer& answer) {
    return answer.trouble != ServiceAnswer::Trouble::kNone || answer.failure != ipc::Failure::kNone;
}

Task<Outcome<std::string>> next_of(std::shared_ptr<Archive> archive) {
    if (!std::exchange(archive->first, false)) {
        if (archive->part.last) co_return std::string();
        archive->part = co_await archive->worker->next(archive->time);
    }
    if (!archive->part.last) co_return std::move(archive->part.bytes);
    if (failed(archive->part.answer)) co_return problem_with_fields(archive->part.answer);
    archive->worker.reset();
    co_return std::move(archive->part.answer.bytes);
}

}  // namespace

Task<Outcome<Reply>> archive_folder(Call& call) {
    const Given given(call.fields);
    const std::string format = given.text("format", "tar.zst");
    if (format != "tar.zst" && format != "zip")
        co_return problem("invalid_field", "format: tar.zst or zip is expected");
    const ipc::ArchiveFolder message{.path = given.text("path"),
                                     .format = format == "zip" ? ipc::ArchiveFormat::kZip : ipc::ArchiveFormat::kTarZst,
                                     .ignore = given.flag("ignore", false)};
    auto leased = co_await lease_files(call);
    if (auto* refused = std::get_if<Problem>(&leased)) co_return std::move(*refused);
    const auto archive = std::make_shared<Archive>();
    archive->worker = std::get<std::unique_ptr<LeasedWorker>>(std::move(leased));
    archive->time = std::chrono::seconds(call.broker.settings.service_seconds);
    archive->worker->begin(message);
    // A refusal comes before the first byte, and is one.
    archive->part = co_await archive->worker->next(archive->time);
    if (archive->part.last && failed(archive->part.answer)) co_return problem_with_fields(archive->part.answer);
    std::string name = given.text("path");
    while (name.ends_with('/')) name.pop_back();
    name = name.substr(name.rfind('/') + 1);
    if (name.empty() || name == "." || name == "..") name = call.segment;
    Reply reply;
    reply.content_type = format == "zip" ? "application/zip" : "application/zstd";
    reply.headers.emplace_back("Content-Disposition", content_disposition(name + "." + format));
    reply.more = [archive] { return next_of(archive); };
    co_return reply;
}

// --- watching

namespace {

// What one Chunk tells, as events for the client.
Outcome<std::vector<json>> events_of(const std::string& records, const std::string& folder) {
    static constexpr const char* kEvents[] = {nullptr, "created", "changed", "deleted", "moved", nullptr};
    static constexpr const char* kKinds[] = {"file", "folder", "symlink", "other"};
    std::vector<json> events;
    json batch = json::array();
    const bool whole = each_record<ipc::WatchEvent>(records, [&](const ipc::WatchEvent& event) {
        if (event.event == ipc::WatchKind::kReady) return events.push_back({{"events", json::array()}});
        if (event.event == ipc::WatchKind::kOverflow) return events.push_back({{"overflow", true}});
        std::string text = "{";
        append_bytes_field(text, "path", joined(folder, event.path));
        if (event.event == ipc::WatchKind::kMoved) {
            text += ',';
            append_bytes_field(text, "from", joined(folder, event.from));
        }
        json one = json::parse(text + "}");
        one["event"] = kEvents[static_cast<int>(event.event)];
        one["kind"] = kKinds[static_cast<int>(event.kind)];
        batch.push_back(std::move(one));
    });
    if (!whole) return malformed_answer();
    if (!batch.empty()) events.push_back({{"events", std::move(batch)}});
    return events;
}

}  // namespace

Task<Outcome<Reply>> watch_folder(Call& call) {
    const Given given(call.fields);
    const std::string folder = given.text("path", ".");
    const ipc::WatchFolder message{
        .path = folder, .recursive = given.flag("recursive", true), .ignore = given.flag("ignore", true)};
    auto leased = co_await lease_files(call);
    if (auto* refused = std::get_if<Problem>(&leased)) co_return std::move(*refused);
    const std::shared_ptr<LeasedWorker> worker = std::get<std::unique_ptr<LeasedWorker>>(std::move(leased));
    worker->begin(message);
    bool over = false;
    call.sink->on_end([worker, &over] {
        over = true;
        worker->end();
    });
    std::optional<Problem> refused;
    while (!over && !refused) {
        const std::chrono::seconds for_ever{0};
        auto part = co_await worker->next(for_ever);
        if (over) break;
        if (part.last) {
            refused = failed(part.answer) ? problem_with_fields(part.answer) : malformed_answer();
            break;
        }
        auto events = events_of(part.bytes, folder);
        if (auto* bad = std::get_if<Problem>(&events)) {
            refused = std::move(*bad);
            break;
        }
        for (json& event : std::get<std::vector<json>>(events)) call.sink->event(std::move(event));
        // While the client does not keep up nothing is read: the worker gathers what happens, and says when it lost
        // some.
        const bool room = co_await call.sink->room();
        over = over || !room;
    }
    call.sink->on_end({});
    if (refused) co_return std::move(*refused);
    co_return problem("cancelled", "the request was cancelled");
}

}  // namespace toren::broker
