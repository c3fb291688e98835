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
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {408, "Request Timeout"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {422, "Unprocessable Content"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
};

struct FailureRow {
    ipc::Failure failure;
    const char* code;
};

// The original daemon answers each of these with 400, and its clients look at that.
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
    return text + "}";
}

Problem problem_of(ipc::Failure failure, const std::string& error) {
    for (const FailureRow& row : kFailures)
        if (row.failure == failure) return {400, row.code, error};
    return {500, "internal", error};
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
