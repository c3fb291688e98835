// uploads.*: content that arrives in several requests, each of which goes on where the one before stopped.
#include "broker/file_fields.h"
#include "broker/operation.h"

namespace toren::broker {
namespace {

using nlohmann::json;

Outcome<Reply> state_reply(const ServiceAnswer& answer) {
    const auto state = record_of<ipc::UploadState>(answer.result);
    if (!state) return malformed_answer();
    Reply reply;
    reply.json = {{"upload", state->upload}, {"offset", state->offset}};
    return reply;
}

Task<Outcome<Reply>> create(Call& call) {
    const Given given(call.fields);
    auto request = files_request(
        ipc::BeginUpload{.path = given.text("path"), .create_parents = given.flag("create_parents", false)});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    co_return state_reply(std::get<ServiceAnswer>(answer));
}

Task<Outcome<Reply>> get(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::StatUpload{.path = given.text("path"), .upload = given.text("upload")});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    co_return state_reply(std::get<ServiceAnswer>(answer));
}

Task<Outcome<Reply>> append(Call& call) {
    const Given given(call.fields);
    auto leased = co_await lease_files(call);
    if (auto* refused = std::get_if<Problem>(&leased)) co_return std::move(*refused);
    auto& worker = *std::get<std::unique_ptr<LeasedWorker>>(leased);
    const ipc::AppendUpload message{
        .path = given.text("path"), .upload = given.text("upload"), .offset = given.number("offset")};
    const std::chrono::seconds time(call.broker.settings.service_seconds);
    std::optional<Problem> broken;
    bool going = worker.begin(message);
    while (going) {
        auto part = co_await call.body->next();
        std::string bytes;
        // What has arrived stays, however the request ends.
        if (auto* refused = std::get_if<Problem>(&part)) broken = std::move(*refused);
        else bytes = std::get<std::string>(std::move(part));
        const bool last = bytes.empty();
        going = co_await worker.put(std::move(bytes), time);
        if (last) break;
    }
    auto answer = co_await worker.finish(time);
    if (broken) co_return std::move(*broken);
    if (answer.trouble != ServiceAnswer::Trouble::kNone || answer.failure != ipc::Failure::kNone)
        co_return problem_with_fields(answer);
    co_return state_reply(answer);
}

Task<Outcome<Reply>> finish(Call& call) {
    const Given given(call.fields);
    const auto mode = mode_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&mode)) co_return *refused;
    auto request = files_request(ipc::FinishUpload{.path = given.text("path"),
                                                   .upload = given.text("upload"),
                                                   .condition = condition_of(call.fields),
                                                   .mode = std::get<std::uint32_t>(mode),
                                                   .check_size = given.has("size"),
                                                   .size = given.number("size")});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    co_return facts_reply(std::get<ServiceAnswer>(answer));
}

Task<Outcome<Reply>> abort(Call& call) {
    const Given given(call.fields);
    auto request = files_request(ipc::AbortUpload{.path = given.text("path"), .upload = given.text("upload")});
    auto answer = co_await ask_files(call, std::move(request));
    if (auto* refused = std::get_if<Problem>(&answer)) co_return std::move(*refused);
    Reply reply;
    reply.json = json::object();
    co_return reply;
}

using enum FieldType;

// clang-format off
constexpr FieldRow kCreate[] = {{"path", kPath, true}, {"create_parents", kBoolean}};
constexpr FieldRow kOne[] = {{"upload", kText, true}, {"path", kPath, true}};
constexpr FieldRow kAppend[] = {{"upload", kText, true}, {"path", kPath, true}, {"offset", kNumber, true}};
constexpr FieldRow kFinish[] = {{"upload", kText, true}, {"path", kPath, true}, {"if_version", kText},
                                {"mode", kNumber}, {"size", kNumber}};

#define UPLOADS "/v2/segments/{segment}/uploads"
constexpr Operation kOperations[] = {
    {"uploads.create", "POST",   UPLOADS,                    Need::kOperator, Over::kHttp, Bulk::kNone,   kCreate, create},
    {"uploads.get",    "GET",    UPLOADS "/{upload}",        Need::kOperator, Over::kHttp, Bulk::kNone,   kOne,    get},
    {"uploads.append", "PATCH",  UPLOADS "/{upload}",        Need::kOperator, Over::kHttp, Bulk::kBody,   kAppend, append},
    {"uploads.finish", "POST",   UPLOADS "/{upload}/finish", Need::kOperator, Over::kHttp, Bulk::kNone,   kFinish, finish},
    {"uploads.abort",  "DELETE", UPLOADS "/{upload}",        Need::kOperator, Over::kHttp, Bulk::kNone,   kOne,    abort},
};
#undef UPLOADS
// clang-format on

}  // namespace

std::span<const Operation> upload_operations() { return kOperations; }

}  // namespace toren::broker
