#include "broker/operations.h"

#include <nlohmann/json.hpp>

#include "broker/ask_worker.h"
#include "broker/jj_operations.h"
#include "broker/json_text.h"
#include "broker/vcs.h"

namespace toren::broker {
namespace {

using nlohmann::json;

Location location_of(const Segment& segment, std::string relative) {
    return {segment.name, segment.path, std::move(relative)};
}

std::optional<Location> locate_in(const SegmentSet& set, const std::string& path) {
    auto found = locate(set, path);
    if (!found) return std::nullopt;
    return location_of(*found->segment, std::move(found->relative));
}

Task<Outcome<std::string>> ask(Broker& broker, Location location, ServiceRequest request) {
    auto answer = co_await ask_worker(broker, std::move(location), std::move(request));
    if (auto* problem = std::get_if<Problem>(&answer)) co_return std::move(*problem);
    co_return std::move(std::get<ServiceAnswer>(answer).bytes);
}

// Before 1970 downwards, as stat does.
std::int64_t whole_seconds(std::int64_t ns) {
    constexpr std::int64_t kSecond = 1'000'000'000;
    return ns / kSecond - (ns % kSecond < 0 ? 1 : 0);
}

}  // namespace

Problem creation_refused(const ipc::SegmentCreated& created) {
    if (created.code == EEXIST) return problem("exists", created.error);
    if (created.code == ENOENT) return problem("unknown_root", created.error);
    return problem("invalid_name", created.error);
}

Task<Outcome<ServiceAnswer>> ask_segment(Broker& broker, std::string segment, ServiceRequest request) {
    auto cell = broker.cells.find(segment);
    if (!cell) {
        auto opened = co_await broker.cells.open(std::move(segment));
        if (!opened) co_return problem("no_cell", opened.error().text());
        cell = std::move(*opened);
    }
    request.time = std::chrono::seconds(broker.settings.service_seconds);
    co_return co_await cell->services().ask(std::move(request));
}

Task<Outcome<ServiceAnswer>> ask_worker(Broker& broker, Location location, ServiceRequest request) {
    auto asked = co_await ask_segment(broker, std::move(location.segment), std::move(request));
    if (auto* answer = std::get_if<ServiceAnswer>(&asked); answer != nullptr && !succeeded(*answer))
        co_return problem_of(*answer);
    co_return asked;
}

Task<Outcome<Location>> find_segment(Broker& broker, std::string name) {
    for (const bool again : {false, true}) {
        if (again) co_await broker.supervisor->refresh();
        const SegmentSet& set = broker.supervisor->segments();
        if (const Segment* found = find_segment_by_name(set, name)) co_return location_of(*found, ".");
        const auto workspace = split_workspace(name);
        const Segment* segment = workspace ? find_segment_by_name(set, workspace->segment) : nullptr;
        if (segment == nullptr) continue;
        const auto known = broker.workspaces.place(segment->name, std::string(workspace->workspace));
        if (known) co_return location_of(*known, ".");
        co_return problem("unknown_workspace", "segment '" + segment->name + "' has no workspace '" +
                                                   std::string(workspace->workspace) + "'");
    }
    co_return problem("unknown_segment", "no segment is named '" + name + "'");
}

Task<Outcome<Location>> find_location(Broker& broker, std::string path, std::optional<std::string> segment) {
    if (path.find('\0') != path.npos) co_return Problem{422, "invalid_field", "path: holds a NUL byte"};
    if (path.size() > 4000) co_return Problem{422, "invalid_field", "path: longer than 4000 bytes"};
    if (path.starts_with('/')) {
        if (auto found = locate_in(broker.workspaces.places(path), path)) {
            if (!segment || *segment == found->segment) co_return std::move(*found);
            co_return problem("path_outside_segment", "'" + path + "' lies outside the segment '" + *segment + "'");
        }
        for (const bool again : {false, true}) {
            if (again) co_await broker.supervisor->refresh();
            auto found = locate_in(broker.supervisor->segments(), path);
            if (!found) continue;
            const Segment* named = segment ? find_segment_by_name(broker.supervisor->segments(), *segment) : nullptr;
            if (segment && (named == nullptr || named->name != found->segment)) break;
            co_return std::move(*found);
        }
        co_return problem("path_outside_segment", "'" + path + "' lies outside " +
                                                      (segment ? "the segment '" + *segment + "'" : "every segment"));
    }
    if (!segment) {
        if (broker.supervisor->segments().segments.empty()) co_await broker.supervisor->refresh();
        const auto& all = broker.supervisor->segments().segments;
        if (all.size() != 1) co_return problem("unknown_segment", "a relative path needs a segment");
        segment = all.front().name;
    }
    auto home = co_await find_segment(broker, *segment);
    if (auto* found = std::get_if<Location>(&home)) found->relative = path.empty() ? "." : path;
    co_return home;
}

Task<Outcome<std::string>> read_file(Broker& broker, Location location) {
    const std::uint64_t limit = broker.settings.read_bytes;
    const std::string relative = location.relative;
    auto request = service_request(ipc::Service::kFiles, ipc::ReadFile{.path = relative, .max_bytes = limit}, limit);
    auto content = co_await ask(broker, std::move(location), std::move(request));
    if (const auto* text = std::get_if<std::string>(&content); text != nullptr && !is_utf8(*text))
        co_return problem("not_utf8", "'" + relative + "' is not UTF-8 text");
    co_return content;
}

Task<Outcome<Done>> write_file(Broker& broker, Location location, std::string content) {
    auto request = service_request(ipc::Service::kFiles, ipc::WriteFile{.path = location.relative, .condition = {}}, 0);
    request.content = std::move(content);
    request.has_content = true;
    auto answer = co_await ask(broker, std::move(location), std::move(request));
    if (auto* problem = std::get_if<Problem>(&answer)) co_return std::move(*problem);
    co_return Done{};
}

Task<Outcome<std::string>> list_folder(Broker& broker, Location location, std::string shown_path) {
    const std::uint64_t limit = broker.settings.list_entries;
    auto request = service_request(
        ipc::Service::kFiles, ipc::ListFolder{.path = location.relative, .glob = {}, .after = {}, .max_entries = limit},
        limit * kListEntryBytes);
    const std::string relative = location.relative;
    auto answer = co_await ask_worker(broker, std::move(location), std::move(request));
    if (auto* problem = std::get_if<Problem>(&answer)) co_return std::move(*problem);
    const auto end = record_of<ipc::ListEnd>(std::get<ServiceAnswer>(answer).result);
    if (!end) co_return malformed_answer();
    if (end->more)
        co_return problem("file_too_large", "'" + relative + "' has more than " + std::to_string(limit) +
                                                " entries (limits.list_entries)");
    std::string body = "{\"path\":";
    append_json_string(body, shown_path);
    body += ",\"entries\":[";
    const std::string prefix = shown_path.ends_with('/') ? shown_path : shown_path + "/";
    bool first = true;
    const bool whole =
        each_record<ipc::ListEntry>(std::get<ServiceAnswer>(answer).bytes, [&](const ipc::ListEntry& entry) {
            body += first ? "{\"path\":" : ",{\"path\":";
            first = false;
            append_json_string(body, prefix + entry.path);
            body += entry.facts.kind == ipc::FileKind::kFolder ? ",\"is_dir\":true" : ",\"is_dir\":false";
            body += ",\"size\":" + std::to_string(entry.facts.size) +
                    ",\"modified\":" + std::to_string(whole_seconds(entry.facts.modified_ns)) + "}";
        });
    if (!whole) co_return malformed_answer();
    co_return body + "]}";
}

namespace {

// v1 knows one list for what git gives two letters (index, work tree): of what the work tree lost and of a renamed file
// however it stands otherwise, then of what changed. So AM, MM and RM are modified, modified and renamed; AD is
// deleted.
const char* v1_list(const ipc::VcsChange& change) {
    using enum ipc::VcsState;
    const auto is = [&](ipc::VcsState state) { return change.index == state || change.work_tree == state; };
    if (change.conflict != ipc::VcsConflict::kNone) return "conflicted";
    if (change.work_tree == kUntracked) return "untracked";
    if (change.index == kRenamed) return "renamed";
    if (is(kDeleted)) return "deleted";
    if (is(kModified) || is(kTypeChanged)) return "modified";
    return is(kAdded) ? "added" : nullptr;
}

}  // namespace

Task<Outcome<json>> vcs_status(Broker& broker, Location location) {
    VcsQuestion question{broker, location.segment};
    ipc::VcsStatus request{.path = location.relative, .max_changes = ~std::uint64_t{0}};
    auto found = co_await read_status(std::move(question), std::move(request));
    if (auto* problem = std::get_if<Problem>(&found)) {
        if (problem->code != "unsupported_repository") co_return std::move(*problem);
        // Of these jj itself knows which are its own. Where it is not one, or there is no jj, the worker's word stands.
        std::string segment = location.segment, path = location.relative;
        auto status = co_await jj_v1_status(broker, std::move(segment), std::move(path));
        const auto* refused = std::get_if<Problem>(&status);
        if (refused != nullptr && refused->code != "vcs_failed") co_return std::move(*problem);
        co_return status;
    }
    const auto& answer = std::get<VcsStatusFound>(found);
    static constexpr const char* kKinds[] = {"None", "Git", "Jj"};
    // The original daemon's three lists, and those that it left out.
    json status = {{"vcs_type", kKinds[static_cast<int>(answer.end.kind)]}, {"branch", nullptr}};
    for (const char* list : {"modified", "added", "deleted", "untracked", "renamed", "conflicted"})
        status[list] = json::array();
    if (!answer.end.branch.empty()) status["branch"] = printable(answer.end.branch);
    for (const auto& change : answer.records) {
        const char* list = v1_list(change);
        if (list == nullptr) continue;
        if (change.index == ipc::VcsState::kRenamed)
            status[list].push_back({{"from", printable(change.old_path)}, {"to", printable(change.path)}});
        else status[list].push_back(printable(change.path));
    }
    co_return status;
}

Task<Outcome<std::string>> vcs_diff(Broker& broker, Location location) {
    const std::uint64_t limit = broker.settings.diff_bytes;
    VcsQuestion question{broker, location.segment};
    const std::string relative = location.relative;
    ipc::VcsDiff request;
    request.path = relative;
    request.max_bytes = request.max_file_bytes = limit;
    auto found = co_await read_diff(std::move(question), std::move(request));
    if (auto* problem = std::get_if<Problem>(&found)) co_return std::move(*problem);
    const auto& answer = std::get<VcsDiffFound>(found);
    std::string text;
    for (const auto& file : answer.records) {
        if (file.cut || answer.end.more || text.size() + file.patch.size() > limit)
            co_return problem("file_too_large", "diff '" + printable(relative) + "': larger than " +
                                                    std::to_string(limit) + " bytes (limits.diff_bytes)");
        // Between files a patch may hold any text; nothing is left out in silence.
        text += file.unreadable ? "not compared, for it may not be read: " + file.path + "\n" : file.patch;
    }
    co_return text;
}

}  // namespace toren::broker
