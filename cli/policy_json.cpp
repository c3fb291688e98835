// The report for programs.
#include <nlohmann/json.hpp>

#include "cli/policy_report.h"

namespace toren::cli {
namespace {

using Json = nlohmann::ordered_json;

// Names of files may hold any bytes; what is no UTF-8 is marked.
std::string text_of(const Json& value) { return value.dump(2, ' ', false, Json::error_handler_t::replace) + '\n'; }

const char* access_name(Access access) {
    constexpr const char* kNames[] = {"read", "read-execute", "read-write", "all", "devices"};
    return kNames[static_cast<std::size_t>(access)];
}

Json command_limits_of(const CommandLimits& limits) {
    return {{"seconds", limits.seconds},           {"cpu_seconds", limits.cpu_seconds},
            {"memory_bytes", limits.memory_bytes}, {"swap_bytes", limits.swap_bytes},
            {"processes", limits.processes},       {"open_files", limits.open_files},
            {"output_bytes", limits.output_bytes}, {"file_bytes", limits.file_bytes}};
}

Json segment_limits_of(const SegmentLimits& limits) {
    return {{"memory_bytes", limits.memory_bytes}, {"swap_bytes", limits.swap_bytes}, {"processes", limits.processes},
            {"cpu_percent", limits.cpu_percent},   {"cpu_weight", limits.cpu_weight}, {"io_weight", limits.io_weight},
            {"tmp_bytes", limits.tmp_bytes}};
}

Json places_of(const PolicyReport& report) {
    Json places = Json::array();
    for (const auto& place : report.places)
        places.push_back({{"path", place.path},
                          {"what", place.what},
                          {"read", place.read},
                          {"write", place.write},
                          {"execute", place.execute}});
    return places;
}

Json landlock_of(const PolicyReport& report) {
    Json rules = Json::array();
    for (const auto& rule : report.cage.landlock.rules)
        rules.push_back({{"path", rule.path}, {"access", access_name(rule.access)}});
    return {{"abi", report.landlock_abi}, {"rules", rules}};
}

// Values of the daemon's own variables are nobody's business here.
Json environment_of(const PolicyReport& report) {
    Json set = Json::object();
    for (const auto& entry : report.cage.environment) {
        const auto equals = entry.find('=');
        set[entry.substr(0, equals)] = entry.substr(equals + 1);
    }
    return {{"set", set}, {"passed", report.cage.profile.environment}};
}

Json ruling_of(const Ruling& ruling) {
    return {{"allowed", ruling.allowed}, {"by", decider_name(ruling.by)}, {"rule", ruling.rule}};
}

Json head_of(const PolicyReport& report) {
    return {{"segment", {{"name", report.segment.name}, {"path", report.segment.path}}},
            {"profile", report.cage.profile.name}};
}

}  // namespace

std::string as_json(const PolicyReport& report) {
    const CageView& cage = report.cage;
    Json out = head_of(report);
    out["profiles"] = report.profiles;
    out["places"] = places_of(report);
    out["reaches"] = {{"network", false}, {"loopback", cage.root.loopback}};
    out["hidden"] = {{"secrets", cage.guards.secrets}, {"paths", cage.profile.hidden}};
    out["protected"] = {{"names", cage.guards.protect}, {"repositories", cage.guards.git}};
    out["limits"] = {{"command", command_limits_of(cage.profile.limits)}, {"segment", segment_limits_of(cage.limits)}};
    out["environment"] = environment_of(report);
    out["layers"] = {{"namespaces", report.namespaces},
                     {"mounts", cage.root.mounts.size()},
                     {"landlock", landlock_of(report)},
                     {"seccomp", {{"instructions", report.filter_instructions}, {"unknown_calls", "ENOSYS"}}},
                     {"capabilities", Json::array()},
                     {"no_new_privs", true}};
    return text_of(out);
}

std::string as_json(const PolicyReport& report, const Explanation& answer) {
    Json out = head_of(report);
    out["asked"] = answer.asked;
    out["path"] = answer.path;
    out["links"] = answer.links;
    out["exists"] = answer.exists ? Json(*answer.exists) : Json(nullptr);
    out["read"] = ruling_of(answer.read);
    out["write"] = ruling_of(answer.write);
    out["execute"] = ruling_of(answer.execute);
    if (!answer.note.empty()) out["note"] = answer.note;
    return text_of(out);
}

}  // namespace toren::cli
