#include "broker/routes.h"

#include <nlohmann/json.hpp>

#include "broker/json_input.h"
#include "broker/json_text.h"
#include "broker/operation_input.h"
#include "broker/operations.h"
#include "broker/text.h"
#include "broker/workspace_changes.h"

namespace toren::broker {
namespace {

using nlohmann::json;

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }
Response json_response(const json& value) { return {200, "application/json", dump(value)}; }

template <typename T>
Response refused(const Outcome<T>& outcome) {
    return problem_response(std::get<Problem>(outcome));
}

const Response& health_now(Broker& broker) {
    static const Response response = [&] {
        json body = {{"status", "ok"}, {"version", TOREN_VERSION}};
        if (!broker.settings.degraded.empty()) body["degraded"] = broker.settings.degraded;
        return json_response(body);
    }();
    return response;
}

Task<Response> health(Broker& broker, const json&) { co_return health_now(broker); }

Task<Response> pair(Broker& broker, const json& body) {
    Fields fields(body);
    const std::string pin = fields.text("pairing_token");
    const std::string name = fields.optional_text("name").value_or("");
    if (fields.problem()) co_return problem_response(*fields.problem());
    auto session = broker.auth.pair(pin, name.substr(0, 100));
    if (!session) co_return problem_response({500, "internal", session.error().text()});
    if (!*session)
        co_return problem_response(
            {401, "pairing_refused",
             "the pairing token is wrong, used, or no longer valid; a new one comes with the daemon's next start"});
    co_return json_response({{"session_token", (*session)->token}, {"session_id", (*session)->id}});
}

// The location that the fields `path` and `segment` name.
Task<Outcome<Location>> location_of(Broker& broker, Fields& fields) {
    const std::string path = fields.text("path");
    const auto segment = fields.optional_text("segment");
    if (fields.problem()) co_return *fields.problem();
    co_return co_await find_location(broker, path, segment);
}

Task<Response> fs_read(Broker& broker, const json& body) {
    Fields fields(body);
    auto location = co_await location_of(broker, fields);
    if (location.index() == 1) co_return refused(location);
    auto content = co_await read_file(broker, std::get<Location>(std::move(location)));
    if (content.index() == 1) co_return refused(content);
    Response response;
    response.body = "{\"content\":";
    append_json_string(response.body, std::get<std::string>(content));
    response.body += '}';
    co_return response;
}

Task<Response> fs_write(Broker& broker, const json& body) {
    Fields fields(body);
    std::string content = fields.text("content");
    auto location = co_await location_of(broker, fields);
    if (location.index() == 1) co_return refused(location);
    auto written = co_await write_file(broker, std::get<Location>(std::move(location)), std::move(content));
    if (written.index() == 1) co_return refused(written);
    co_return json_response({{"success", true}});
}

Task<Response> fs_list(Broker& broker, const json& body) {
    Fields fields(body);
    const std::string shown = fields.text("path");
    auto location = co_await location_of(broker, fields);
    if (location.index() == 1) co_return refused(location);
    auto listing = co_await list_folder(broker, std::get<Location>(std::move(location)), shown);
    if (listing.index() == 1) co_return refused(listing);
    co_return Response{200, "application/json", std::get<std::string>(std::move(listing))};
}

Task<Response> vcs_status_route(Broker& broker, const json& body) {
    Fields fields(body);
    auto location = co_await location_of(broker, fields);
    if (location.index() == 1) co_return refused(location);
    auto status = co_await vcs_status(broker, std::get<Location>(std::move(location)));
    if (status.index() == 1) co_return refused(status);
    co_return json_response(std::get<json>(status));
}

Task<Response> vcs_diff_route(Broker& broker, const json& body) {
    Fields fields(body);
    auto location = co_await location_of(broker, fields);
    if (location.index() == 1) co_return refused(location);
    auto diff = co_await vcs_diff(broker, std::get<Location>(std::move(location)));
    if (diff.index() == 1) co_return refused(diff);
    Response response;
    response.body = "{\"diff\":";
    append_json_string(response.body, std::get<std::string>(diff));
    response.body += '}';
    co_return response;
}

json segment_json(const std::string& name, const std::string& path, Segment::Source source) {
    return {{"name", name}, {"path", path}, {"source", source_name(source)}};
}

Task<Response> segments_list(Broker& broker, const json&) {
    co_await broker.supervisor->refresh();
    const SegmentSet& set = broker.supervisor->segments();
    json list = json::array();
    for (const Segment& segment : set.segments)
        if (segment.source != Segment::kApproved)
            list.push_back(segment_json(segment.name, segment.path, segment.source));
    const auto count = list.size();
    co_return json_response({{"segments", std::move(list)}, {"roots", set.roots}, {"count", count}});
}

Task<Response> segments_create(Broker& broker, const json& body) {
    Fields fields(body);
    const std::string name = fields.text("name"), root = fields.text("root");
    if (fields.problem()) co_return problem_response(*fields.problem());
    if (name.size() > 255 || root.size() > 4000)
        co_return problem_response({422, "invalid_field", "name or root: too long"});
    const auto created = co_await broker.supervisor->create_segment(name, root);
    if (created.code != 0) co_return problem_response(creation_refused(created));
    co_await broker.supervisor->refresh();
    const auto& segment = created.segment;
    co_return json_response(
        {{"success", true},
         {"segment", segment_json(segment.name, segment.path, static_cast<Segment::Source>(segment.source))}});
}

Task<Response> ancillaries_list(Broker& broker, const json&) {
    json list = json::array();
    for (const auto& [segment, ancillary] : broker.ancillaries.by_segment())
        list.push_back({{"id", ancillary.id},
                        {"segment", ancillary.workspace ? segment.substr(0, segment.rfind('@')) : segment},
                        {"status", ancillary.executing > 0                             ? "executing"
                                   : ancillary.last_activity == ancillary.connected_at ? "connected"
                                                                                       : "idle"},
                        {"connected_at", ancillary.connected_at},
                        {"last_activity", ancillary.last_activity},
                        {"workspace", ancillary.workspace ? json(*ancillary.workspace) : json(nullptr)},
                        {"working_dir", ancillary.working_dir}});
    const auto count = list.size();
    co_return json_response({{"ancillaries", std::move(list)}, {"count", count}});
}

// The segment that a request about workspaces names; the refusal where there are none, as the original has it.
Task<Outcome<std::string>> segment_with_workspaces(Broker& broker, std::string name) {
    auto found = co_await find_segment(broker, std::move(name));
    if (auto* refused = std::get_if<Problem>(&found)) {
        refused->status = 404;
        refused->code = "not_found";
        co_return std::move(*refused);
    }
    std::string segment = std::get<Location>(std::move(found)).segment;
    if (auto refused = no_workspaces(broker, segment)) co_return std::move(*refused);
    co_return segment;
}

Task<Response> workspaces_list(Broker& broker, const json& body) {
    Fields fields(body);
    std::string name = fields.text("segment");
    auto found = co_await segment_with_workspaces(broker, std::move(name));
    if (found.index() == 1) co_return refused(found);
    const std::string segment = std::get<std::string>(std::move(found));
    json names = json::array();
    for (const auto& workspace : broker.workspaces.of_segment(segment))
        if (workspace.ready) names.push_back(workspace.name);
    const auto count = names.size();
    co_return json_response({{"segment", segment}, {"workspaces", std::move(names)}, {"count", count}});
}

// The original removed whatever the name led to. This one removes a workspace, and, unless `force` is there and true,
// none in which something would be lost.
Task<Response> workspaces_cleanup(Broker& broker, const json& body) {
    Fields fields(body);
    std::string name = fields.text("segment");
    const std::string workspace = fields.text("workspace");
    if (fields.problem()) co_return problem_response(*fields.problem());
    auto found = co_await segment_with_workspaces(broker, std::move(name));
    if (found.index() == 1) co_return refused(found);
    auto known = find_workspace(broker, std::get<std::string>(found), workspace);
    if (known.index() == 1) {
        Problem unknown = std::get<Problem>(std::move(known));
        unknown.code = "not_found";
        co_return problem_response(unknown);
    }
    Destruction how;
    const auto force = body.find("force");
    how.force = force != body.end() && force->is_boolean() && force->get<bool>();
    Workspace going = std::get<Workspace>(std::move(known));
    auto destroyed = co_await destroy_workspace(broker, std::move(going), how);
    if (destroyed.index() == 1) co_return refused(destroyed);
    co_return json_response({{"success", true}, {"message", "Workspace '" + workspace + "' cleaned up"}});
}

// clang-format off
constexpr Route kRoutes[] = {
    {"GET",  "/health",               Access::kOpen,    false, health, health_now},
    {"POST", "/pair",                 Access::kOpen,    true,  pair},
    {"POST", "/api/fs/read",          Access::kSession, true,  fs_read},
    {"POST", "/api/fs/write",         Access::kSession, true,  fs_write},
    {"POST", "/api/fs/list",          Access::kSession, true,  fs_list},
    {"POST", "/api/vcs/status",       Access::kSession, true,  vcs_status_route},
    {"POST", "/api/vcs/diff",         Access::kSession, true,  vcs_diff_route},
    {"GET",  "/api/segments/list",    Access::kSession, false, segments_list},
    {"POST", "/api/segments/create",  Access::kSession, true,  segments_create},
    {"GET",  "/api/ancillaries/list", Access::kSession, false, ancillaries_list},
    {"GET",  "/api/workspaces/list/{segment}", Access::kSession, false, workspaces_list},
    {"POST", "/api/workspaces/cleanup", Access::kSession, true, workspaces_cleanup},
};
// clang-format on

}  // namespace

std::span<const Route> routes() { return kRoutes; }

bool is_json(std::string_view content_type) {
    content_type = content_type.substr(0, content_type.find(';'));
    while (content_type.ends_with(' ')) content_type.remove_suffix(1);
    return same_without_case(content_type, "application/json");
}

RouteMatch find_route(std::string_view method, std::string_view path) {
    RouteMatch match;
    for (const Route& route : kRoutes) {
        const std::string_view wanted = route.path;
        const auto brace = wanted.find('{');
        if (brace == wanted.npos ? path != wanted : !path.starts_with(wanted.substr(0, brace))) continue;
        if (brace != wanted.npos) {
            match.parameter = path.substr(brace);
            if (match.parameter.empty() || match.parameter.find('/') != path.npos) continue;
        }
        if (method == route.method) {
            match.route = &route;
            break;
        }
        match.allow += (match.allow.empty() ? "" : ", ") + std::string(route.method);
    }
    return match;
}

Response problem_response(const Problem& refusal) {
    Problem problem = refusal;
    problem.status = v1_status(refusal);
    return {problem.status, "application/problem+json", problem_json(problem)};
}

Task<Response> serve_route(Broker& broker, const Route& route, std::string parameter, std::string content_type,
                           std::string body) {
    json input = json::object();
    if (std::string bytes; !parameter.empty()) {
        if (!percent_decode(parameter, false, bytes) || !is_utf8(bytes))
            co_return problem_response(
                {422, "invalid_field", "the path is not percent-encoded UTF-8, or holds a NUL byte"});
        input["segment"] = bytes;
    }
    if (route.takes_json) {
        if (!is_json(content_type))
            co_return problem_response({415, "unsupported_media_type", "the body must be application/json"});
        auto parsed = parse_object(body);
        if (auto* problem = std::get_if<Problem>(&parsed)) co_return problem_response(*problem);
        input = std::get<json>(std::move(parsed));
    }
    co_return co_await route.serve(broker, input);
}

}  // namespace toren::broker
