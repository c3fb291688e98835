#include "broker/problem.h"

#include "broker/json_text.h"

namespace toren::broker {
namespace {

struct Title {
    int status;
    const char* text;
};

constexpr Title kTitles[] = {
    {200, "OK"},
    {201, "Created"},
    {204, "No Content"},
    {206, "Partial Content"},
    {304, "Not Modified"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {414, "URI Too Long"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {499, "Cancelled"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {507, "Insufficient Storage"},
};

struct FailureRow {
    ipc::Failure failure;
    const char* code;
};

constexpr FailureRow kFailures[] = {
    {ipc::Failure::kNotFound, "file_not_found"},
    {ipc::Failure::kLeavesSegment, "path_outside_segment"},
    {ipc::Failure::kDenied, "permission_denied"},
    {ipc::Failure::kIsFolder, "is_folder"},
    {ipc::Failure::kNotFolder, "not_folder"},
    {ipc::Failure::kNotRegular, "not_regular_file"},
    {ipc::Failure::kTooLarge, "file_too_large"},
    {ipc::Failure::kExists, "exists"},
    {ipc::Failure::kNoSpace, "no_space"},
    {ipc::Failure::kNameTooLong, "name_too_long"},
    {ipc::Failure::kNotRepository, "not_a_repository"},
    {ipc::Failure::kBroken, "broken_repository"},
    {ipc::Failure::kUnsupported, "unsupported_repository"},
    {ipc::Failure::kChanged, "changed"},
    {ipc::Failure::kNoMatch, "no_match"},
    {ipc::Failure::kAmbiguous, "ambiguous_match"},
    {ipc::Failure::kMalformed, "malformed_diff"},
    {ipc::Failure::kNotEmpty, "not_empty"},
    {ipc::Failure::kWrongOffset, "wrong_offset"},
    {ipc::Failure::kNoUpload, "unknown_upload"},
    {ipc::Failure::kNoCheckpoint, "unknown_checkpoint"},
};

struct CodeRow {
    const char* code;
    int status;
    bool was_400;  // the original daemon answers with 400, and its clients look at that
};

constexpr CodeRow kCodes[] = {
    {"unauthorized", 401, false},
    {"forbidden", 403, false},
    {"path_outside_segment", 403, true},
    {"permission_denied", 403, true},
    {"file_not_found", 404, true},
    {"unknown_segment", 404, true},
    {"unknown_root", 404, true},
    {"not_found", 404, false},
    {"unknown_process", 404, false},
    {"unknown_upload", 404, false},
    {"unknown_workspace", 404, true},
    {"unknown_checkpoint", 404, false},
    {"exists", 409, true},
    {"not_empty", 409, false},
    {"is_folder", 409, true},
    {"not_folder", 409, true},
    {"not_regular_file", 409, true},
    {"not_a_repository", 409, true},
    {"broken_repository", 409, true},
    {"unsupported_repository", 409, true},
    {"unknown_revision", 404, true},
    {"vcs_failed", 409, true},
    {"vcs_locked", 409, true},
    {"nothing_to_commit", 409, false},
    {"identity_unknown", 409, false},
    {"running", 409, false},
    {"ended", 409, false},
    {"input_closed", 409, false},
    {"wrong_offset", 409, false},
    {"no_match", 409, false},
    {"ambiguous_match", 409, false},
    {"uncommitted", 409, false},
    {"conflict", 409, false},
    {"not_fast_forward", 409, false},
    {"busy", 409, false},
    {"workspace_degraded", 409, false},
    {"changed", 412, false},
    {"file_too_large", 413, true},
    {"output_too_large", 413, true},
    {"name_too_long", 414, true},
    {"range_not_satisfiable", 416, false},
    {"invalid_field", 422, false},
    {"unknown_field", 422, false},
    {"not_utf8", 422, true},
    {"invalid_name", 422, true},
    {"invalid_cursor", 422, false},
    {"invalid_pattern", 422, false},
    {"malformed_diff", 422, false},
    {"cannot_start", 422, false},
    {"too_many_requests", 429, false},
    {"too_many_processes", 429, false},
    {"cancelled", 499, false},
    {"internal", 500, false},
    {"not_installed", 501, false},
    {"workspaces_not_configured", 501, false},
    {"worker_died", 502, false},
    {"no_cell", 503, false},
    {"no_worker", 503, false},
    {"no_slot", 503, false},
    {"timeout", 504, false},
    {"no_space", 507, true},
};

}  // namespace

const char* status_title(int status) {
    for (const Title& title : kTitles)
        if (title.status == status) return title.text;
    return "Error";
}

std::string problem_json(const Problem& problem) {
    std::string text = R"({"type":"about:blank","title":)";
    append_json_string(text, status_title(problem.status));
    text += ",\"status\":" + std::to_string(problem.status) + ",\"detail\":";
    append_json_string(text, problem.detail);
    text += ",\"code\":";
    append_json_string(text, problem.code);
    if (problem.further.is_object())
        for (const auto& [name, value] : problem.further.items()) {
            text += ',';
            append_json_string(text, name);
            text += ':' + value.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace);
        }
    return text + "}";
}

nlohmann::json problem_object(const Problem& problem) { return nlohmann::json::parse(problem_json(problem)); }

Problem problem(std::string code, std::string detail) {
    for (const CodeRow& row : kCodes)
        if (code == row.code) return {row.status, std::move(code), std::move(detail)};
    return {500, std::move(code), std::move(detail)};
}

int v1_status(const Problem& problem) {
    for (const CodeRow& row : kCodes)
        if (problem.code == row.code && row.was_400) return 400;
    return problem.status;
}

Problem problem_of(ipc::Failure failure, const std::string& error) {
    for (const FailureRow& row : kFailures)
        if (row.failure == failure) return problem(row.code, error);
    return problem("internal", error);
}

Problem problem_of(const ServiceAnswer& answer) {
    switch (answer.trouble) {
        case ServiceAnswer::Trouble::kNone: return problem_of(answer.failure, answer.error);
        case ServiceAnswer::Trouble::kWorkerDied: return {502, "worker_died", answer.error};
        case ServiceAnswer::Trouble::kTime: return {504, "timeout", answer.error};
        case ServiceAnswer::Trouble::kNoWorker: return {503, "no_worker", answer.error};
    }
    return {500, "internal", answer.error};
}

}  // namespace toren::broker
