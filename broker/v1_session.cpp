#include "broker/v1_session.h"

#include <algorithm>
#include <csignal>
#include <nlohmann/json.hpp>

#include "broker/json_text.h"
#include "broker/line_splitter.h"
#include "broker/loop.h"
#include "broker/workspace_changes.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::size_t kLongestRequestId = 256;

// The environment of a request as "NAME=value"; nothing where it is no object of strings.
std::optional<std::vector<std::string>> environment_of(const json& request) {
    std::vector<std::string> environment;
    const auto found = request.find("env");
    if (found == request.end() || found->is_null()) return environment;
    if (!found->is_object()) return std::nullopt;
    for (const auto& [name, value] : found->items()) {
        if (!value.is_string() || name.empty() || name.find('=') != name.npos) return std::nullopt;
        environment.push_back(name + "=" + value.get<std::string>());
    }
    return environment;
}

bool holds_nul(const std::vector<std::string>& texts) {
    for (const auto& text : texts)
        if (text.find('\0') != text.npos) return true;
    return false;
}

std::string start_error(const ipc::Exited& exited, const std::string& name) {
    static constexpr const char* kSteps[] = {"", "the request is malformed", "its folder cannot be entered",
                                             "it cannot be confined", "it cannot be executed"};
    return "cannot start '" + name + "': " + kSteps[static_cast<int>(exited.failed_step)] + ": " +
           std::strerror(exited.start_errno);
}

// Builds CommandOutput messages for one command: what is the same in all of them is made once.
class OutputWriter {
public:
    using Send = void (V1Session::*)(std::string_view);
    OutputWriter(const std::string& request_id, V1Session& session, Send send) : session_(session), send_(send) {
        prefix_ = "{\"type\":\"CommandOutput\",";
        if (!request_id.empty()) prefix_ += "\"requestId\":" + request_id + ",";
        prefix_ += "\"output\":{\"type\":\"";
    }
    void line(ipc::Stream stream, std::string_view text) {
        message_ = prefix_;  // keeps its memory from line to line
        message_ += stream == ipc::Stream::kStdout ? "Stdout\",\"line\":" : "Stderr\",\"line\":";
        append_json_string(message_, text);
        message_ += "}}";
        say(message_);
    }
    void error(std::string_view text) {
        std::string message = prefix_ + "Error\",\"message\":";
        append_json_string(message, text);
        say(message + "}}");
    }
    // Code -1 is what the original gives for a process that a signal ended; what it was is in further fields.
    // `ended_by` is the broker's own reason; a limit that the cell held is in `exited`.
    void exit(const ipc::Exited& exited, const char* ended_by) {
        const char* limit = ended_by != nullptr                    ? ended_by
                            : exited.ended_by != EndedBy::kNothing ? limit_name(exited.ended_by)
                                                                   : nullptr;
        std::string message = prefix_ + "Exit\",\"code\":" + std::to_string(exited.signal == 0 ? exited.code : -1);
        if (exited.signal != 0) message += ",\"signal\":" + std::to_string(exited.signal);
        // What the end alone tells of refusals: the filter ends a process only for calls of a foreign architecture.
        if (exited.signal == SIGSYS) message += ",\"refused\":\"seccomp\"";
        if (limit != nullptr) message += std::string(",\"limit\":\"") + limit + "\"";
        say(message + "}}");
    }

private:
    void say(std::string_view text) { (session_.*send_)(text); }

    V1Session& session_;
    Send send_;
    std::string prefix_;
    std::string message_;
};

}  // namespace

// --- what a client may say

struct V1Session::Request {
    const char* type;
    bool needs_auth;
    bool in_order;  // waits its turn where it has no requestId
    bool large_answer;
    bool is_command;  // a refusal must also be a CommandOutput, or the original client waits for ever
    Task<Done> (V1Session::*serve)(std::string, std::shared_ptr<json>);
};

// clang-format off
const V1Session::Request V1Session::kRequests[] = {
    {"Auth",      false, true,  false, false, &V1Session::authenticate},
    {"Command",   true,  true,  false, true,  &V1Session::run_command},
    {"FileRead",  true,  true,  true,  false, &V1Session::file_read},
    {"VcsStatus", true,  true,  true,  false, &V1Session::status},
    {"Cancel",    true,  false, false, false, &V1Session::cancel},
};
// clang-format on

void V1Session::receive(std::string_view text) {
    auto parsed = parse_object(text);
    if (auto* problem = std::get_if<Problem>(&parsed)) return send_error("", *problem);
    auto body = std::make_shared<json>(std::get<json>(std::move(parsed)));
    std::string request_id;
    if (const auto id = body->find("requestId"); id != body->end() && !id->is_null()) {
        if (id->is_string() || id->is_number()) request_id = id->dump();
        if (request_id.empty() || request_id.size() > kLongestRequestId)
            return send_error("",
                              {422, "invalid_field", "requestId: a string or number of at most 256 bytes is expected"});
    }
    const auto type = body->find("type");
    if (type == body->end() || !type->is_string())
        return send_error(request_id, {422, "invalid_field", "type: a string is expected"});
    for (const Request& row : kRequests) {
        if (*type != row.type) continue;
        if (row.needs_auth && !identity_) {
            const Problem problem{401, "unauthorized", "Not authenticated"};
            return row.is_command ? reject_command(request_id, problem) : send_error(request_id, problem);
        }
        if (row.is_command && commands_ >= broker_.settings.commands_per_socket)
            return reject_command(request_id, {429, "too_many_requests", "limits.commands_per_socket is reached"});
        if (!row.is_command && requests_ >= broker_.settings.requests_per_socket)
            return send_error(request_id, {429, "too_many_requests", "limits.requests_per_socket is reached"});
        spawn(serve(row, std::move(request_id), std::move(body)));
        return;
    }
    send_error(request_id,
               {400, "unknown_message_type", "unknown type '" + type->get<std::string>().substr(0, 64) + "'"});
}

Task<Done> V1Session::serve(const Request& row, std::string request_id, std::shared_ptr<json> body) {
    const auto self = shared_from_this();
    std::size_t& count = row.is_command ? commands_ : requests_;
    ++count;
    {
        std::optional<Turns::Turn> turn, answer;
        if (row.in_order && request_id.empty()) turn.emplace(co_await in_order_.take());
        // Answers that can be large are made one at a time, and only when the client has taken the last one.
        if (row.large_answer) answer.emplace(co_await answers_.take());
        if (row.large_answer) co_await room();
        if (!left_) co_await (this->*row.serve)(std::move(request_id), std::move(body));
    }
    --count;
    co_return Done{};
}

void V1Session::leave() {
    left_ = true;
    for (Running& running : running_)
        if (running.process) running.process->abandon();
    forget_identity();
}

void V1Session::forget_identity() {
    identity_.reset();
    segment_.reset();
    broker_.ancillaries.remove(this);
}

// --- Auth

Task<Done> V1Session::authenticate(std::string request_id, std::shared_ptr<json> body) {
    const auto fail = [&](const std::string& reason) {
        send(request_id, {{"type", "AuthFailure"}, {"reason", reason}});
    };
    Fields fields(*body);
    const std::string token = fields.text("token");
    const auto ancillary_id = fields.optional_text("ancillary_id"), segment = fields.optional_text("segment"),
               workspace = fields.optional_text("workspace");
    if (fields.problem()) co_return fail("Invalid request: " + fields.problem()->detail), Done{};
    auto identity = broker_.auth.check_token(token);
    if (!identity && !broker_.settings.require_auth) identity = Identity{"local"};
    if (!identity) {
        forget_identity();
        co_return fail("Invalid token"), Done{};
    }
    json success = {{"type", "AuthSuccess"}, {"session_id", identity->session_id}};
    std::optional<Location> place;
    if (segment) {
        auto found = co_await find_segment(broker_, *segment);
        if (found.index() == 1) co_return fail("Segment not found: " + *segment), Done{};
        place = std::get<Location>(found);
        success["working_dir"] = place->segment_path;
    }
    if (workspace && !broker_.workspaces.configured())
        co_return fail("Workspace requested but workspace_root not configured"), Done{};
    if (workspace && place) {
        auto entered = co_await enter_workspace(place->segment, *workspace, identity->session_id);
        if (auto* refused = std::get_if<Problem>(&entered)) co_return fail(refused->detail), Done{};
        place = std::get<Location>(std::move(entered));
        success["working_dir"] = place->segment_path;
    }
    if (left_) co_return Done{};
    if (ancillary_id && place) {
        const auto holder = broker_.ancillaries.add({.id = *ancillary_id,
                                                     .segment = place->segment,
                                                     .workspace = workspace,
                                                     .working_dir = place->segment_path,
                                                     .session_id = identity->session_id,
                                                     .connection = this,
                                                     .disconnect = [socket = socket_] {
                                                         if (const auto open = socket.lock()) open->close();
                                                     }});
        if (holder)
            co_return fail("Segment/Workspace " + place->segment + " is already in use by ancillary " + *holder),
                Done{};
    }
    identity_ = std::move(identity);
    segment_ = place ? std::optional(place->segment) : std::nullopt;
    send(request_id, std::move(success));
    co_return Done{};
}

// One that is not there yet is made from HEAD, as the original did.
Task<Outcome<Location>> V1Session::enter_workspace(std::string segment, std::string name, std::string session) {
    if (auto refused = no_workspaces(broker_, segment)) co_return std::move(*refused);
    const auto known = broker_.workspaces.find(segment, name);
    if (!known || !known->ready) {
        NewWorkspace wanted;
        wanted.segment = segment;
        wanted.name = name;
        wanted.session = std::move(session);
        if (name.empty()) co_return problem("invalid_name", "Invalid workspace name");
        auto made = co_await create_workspace(broker_, std::move(wanted));
        if (auto* refused = std::get_if<Problem>(&made)) co_return std::move(*refused);
    }
    std::string address = workspace_address(segment, name);
    co_return co_await find_segment(broker_, std::move(address));
}

// --- Command

Task<Done> V1Session::run_command(std::string request_id, std::shared_ptr<json> body) {
    Fields fields(*body);
    const json* request = fields.object("request");
    if (request == nullptr) co_return reject_command(request_id, *fields.problem()), Done{};
    Fields details(*request);
    const std::string name = details.text("command");
    auto start = std::make_shared<ipc::Start>();
    start->argv = details.texts("args");
    start->argv.insert(start->argv.begin(), name);
    const auto cwd = details.optional_text("cwd");
    const auto profile = details.optional_text("profile");
    const auto seconds = details.optional_number("timeout");
    auto environment = environment_of(*request);
    if (details.problem()) co_return reject_command(request_id, *details.problem()), Done{};
    if (name.empty() || !environment || holds_nul(start->argv) || holds_nul(*environment))
        co_return reject_command(
            request_id, {422, "invalid_field",
                         "request: a command, and env with names and string values, without NUL bytes, are expected"}),
            Done{};
    start->environment = std::move(*environment);

    // From here on it can be cancelled, though its cell may still have to be made.
    const auto running = running_.insert(running_.end(), {request_id, nullptr});
    broker_.ancillaries.started_command(this);
    co_await start_and_follow(running, cwd, profile, start, seconds);
    running_.erase(running);
    broker_.ancillaries.ended_command(this);
    co_return Done{};
}

Task<Done> V1Session::start_and_follow(std::list<Running>::iterator running, std::optional<std::string> cwd,
                                       std::optional<std::string> profile, std::shared_ptr<ipc::Start> start,
                                       std::optional<std::uint64_t> seconds) {
    auto place = co_await locate_command(cwd);
    if (auto* problem = std::get_if<Problem>(&place)) co_return reject_command(running->request_id, *problem), Done{};
    StartSpec spec;
    spec.segment = std::get<Location>(place).segment;
    start->cwd = std::get<Location>(place).relative;
    spec.start = start;
    spec.profile = std::move(profile);
    auto started = co_await broker_.processes.start(std::move(spec));
    if (auto* problem = std::get_if<Problem>(&started)) co_return reject_command(running->request_id, *problem), Done{};
    running->process = std::get<std::shared_ptr<Process>>(started);
    if (left_) co_return running->process->abandon(), Done{};
    if (running->limit != nullptr) running->process->kill(running->limit);  // cancelled before it had started
    std::optional<Timer> timer;  // the profile's own limit is held in the cell
    constexpr std::uint64_t kLongest = 365ULL * 24 * 3600;
    if (seconds && *seconds != 0)
        timer.emplace(std::chrono::seconds(std::min(*seconds, kLongest)), [running] {
            running->limit = "time";
            running->process->kill("time");
        });
    const std::string name = start->argv[0];
    co_await follow(running, name);
    co_return Done{};
}

// A command runs in the cell of its client's segment and nowhere else; a client without one names it by cwd.
Task<Outcome<Location>> V1Session::locate_command(std::optional<std::string> cwd) {
    const std::string folder = cwd.value_or(".");
    co_return co_await find_location(broker_, folder, segment_);
}

Task<Done> V1Session::follow(std::list<Running>::iterator running, std::string name) {
    const auto process = running->process;
    Process::Follower follower(process, 0);
    OutputWriter out(running->request_id, *this, &V1Session::send_text);
    LineSplitter lines[2];
    while (!left_) {
        ipc::LogPiece piece;
        const auto next = follower.look(piece);
        if (next == ipc::LogView::Next::kPiece) {
            auto& splitter = lines[piece.stream == ipc::Stream::kStderr];
            for (const auto part : piece.parts)
                splitter.feed(part, [&](std::string_view line) { out.line(piece.stream, line); });
            follower.advance(piece.next_place);
            follower.release(piece.next_place);  // there is nobody who could come back for it
            co_await room();
        } else if (next != ipc::LogView::Next::kNothing) {
            out.error("the command's output log is broken");
            break;
        } else if (process->lost()) {
            out.error("the segment's cell ended, and the command with it");
            break;
        } else if (!process->exited()) {
            process->caught_up();
            co_await process->news();
        } else {
            lines[0].finish([&](std::string_view line) { out.line(ipc::Stream::kStdout, line); });
            lines[1].finish([&](std::string_view line) { out.line(ipc::Stream::kStderr, line); });
            const ipc::Exited& exited = *process->exited();
            if (exited.failed_step != ipc::StartStep::kNone) out.error(start_error(exited, name));
            else out.exit(exited, running->limit);
            break;
        }
    }
    process->abandon();
    co_return Done{};
}

Task<Done> V1Session::cancel(std::string request_id, std::shared_ptr<json>) {
    for (Running& running : running_) {
        if (running.request_id != request_id || running.limit != nullptr) continue;
        running.limit = "cancelled";
        if (running.process) running.process->kill("cancelled");
    }
    co_return Done{};
}

// --- FileRead and VcsStatus

Task<Done> V1Session::file_read(std::string request_id, std::shared_ptr<json> body) {
    Fields fields(*body);
    const std::string path = fields.text("path");
    if (fields.problem()) co_return send_error(request_id, *fields.problem()), Done{};
    auto place = co_await find_location(broker_, path, segment_);
    if (auto* problem = std::get_if<Problem>(&place)) co_return send_error(request_id, *problem), Done{};
    auto content = co_await read_file(broker_, std::get<Location>(std::move(place)));
    if (auto* problem = std::get_if<Problem>(&content)) co_return send_error(request_id, *problem), Done{};
    std::string message = "{\"type\":\"FileContent\",";
    if (!request_id.empty()) message += "\"requestId\":" + request_id + ",";
    message += "\"content\":";
    append_json_string(message, std::get<std::string>(content));
    send_text(message + "}");
    co_return Done{};
}

Task<Done> V1Session::status(std::string request_id, std::shared_ptr<json> body) {
    Fields fields(*body);
    const std::string path = fields.text("path");
    if (fields.problem()) co_return send_error(request_id, *fields.problem()), Done{};
    auto place = co_await find_location(broker_, path, segment_);
    if (auto* problem = std::get_if<Problem>(&place)) co_return send_error(request_id, *problem), Done{};
    auto answer = co_await vcs_status(broker_, std::get<Location>(std::move(place)));
    if (auto* problem = std::get_if<Problem>(&answer)) co_return send_error(request_id, *problem), Done{};
    send(request_id, {{"type", "VcsStatus"}, {"status", std::get<json>(answer)}});
    co_return Done{};
}

// --- answers

void V1Session::send_text(std::string_view text) {
    if (const auto socket = socket_.lock(); socket && !left_) socket->send(text);
}

Task<bool> V1Session::room() {
    const auto socket = socket_.lock();
    if (!socket) co_return false;
    co_return co_await socket->room();
}

void V1Session::reject_command(const std::string& request_id, const Problem& problem) {
    OutputWriter(request_id, *this, &V1Session::send_text).error(problem.detail);
    send_error(request_id, problem);
}

void V1Session::send_error(const std::string& request_id, const Problem& problem) {
    // What the original daemon says before whatever is wrong with a request.
    static constexpr std::string_view kInvalid[] = {"malformed_json", "invalid_field", "unknown_message_type"};
    const bool invalid = std::find(std::begin(kInvalid), std::end(kInvalid), problem.code) != std::end(kInvalid);
    const std::string prefix = invalid ? "Invalid request: " : "";
    send(request_id, {{"type", "Error"}, {"message", prefix + problem.detail}, {"code", problem.code}});
}

void V1Session::send(const std::string& request_id, json message) {
    if (left_) return;
    if (!request_id.empty()) message["requestId"] = json::parse(request_id);
    send_text(message.dump(-1, ' ', false, json::error_handler_t::replace));
}

}  // namespace toren::broker
