#include "broker/v2_session.h"

#include <algorithm>
#include <deque>

#include <nlohmann/json.hpp>

#include "broker/json_input.h"
#include "broker/operation_input.h"
#include "broker/operations.h"
#include "broker/processes.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::size_t kBinaryHeader = 16;
constexpr std::size_t kMostWaitingInput = 1 << 20;

// What a waiting message costs: an empty one is not free.
std::size_t weight(std::string_view message) { return message.size() + 64; }

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::uint32_t number_at(std::string_view bytes) {
    std::uint32_t number = 0;
    for (std::size_t byte = 0; byte < 4; ++byte)
        number |= static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[byte])) << (8 * byte);
    return number;
}

// 1 to 2^32-1; 0 where it is none.
std::uint32_t id_in(const json& message, const char* name) {
    const auto found = message.find(name);
    if (found == message.end() || !found->is_number_unsigned() || *found > UINT32_MAX) return 0;
    return found->get<std::uint32_t>();
}

}  // namespace

// --- one open request, as its handler sees the client

class V2Session::Stream : public StreamSink {
public:
    Stream(std::shared_ptr<V2Session> session, std::uint32_t id) : session_(std::move(session)), id_(id) {}

    void event(json event) override {
        if (ended()) return;
        session_->send("{\"id\":" + std::to_string(id_) + ",\"event\":" + dump(event) + "}");
    }
    Task<bool> room() override {
        const auto socket = session_->socket_.lock();
        if (!socket || ended()) co_return false;
        const bool going = co_await socket->room();
        co_return going && !ended();
    }
    void on_end(std::function<void()> work) override { on_end_ = std::move(work); }

    std::uint32_t id() const override { return id_; }
    Task<bool> output(std::vector<BinaryMessage> messages) override {
        const auto socket = session_->socket_.lock();
        if (!socket || ended()) co_return false;
        co_return co_await socket->send_binary(std::move(messages));
    }
    void begin_window(std::uint64_t position) override { acked_ = position; }
    std::uint64_t acked() const override { return acked_; }
    void tell_change(const Promise<Done>& waiting) override {
        if (ended()) waiting.set({});
        else add_waiting(waiting_, waiting);
    }
    bool ended() const override { return cancelled_ || session_->left_; }
    bool cancelled() const override { return cancelled_; }
    void take_input(std::shared_ptr<Process> process) override { input_ = std::move(process); }

    void ack(std::uint64_t position) {
        acked_ = std::max(acked_, position);
        wake();
    }
    void cancel() {
        cancelled_ = true;
        end();
    }
    // The client cancelled it, or left.
    void end() {
        wake();
        if (const auto work = std::exchange(on_end_, nullptr)) work();
    }

    std::shared_ptr<Process> input() const { return input_; }
    std::deque<std::string> waiting_input;
    bool passing_input = false;

private:
    void wake() {
        for (const auto& one : std::exchange(waiting_, {})) one.set({});
    }

    std::shared_ptr<V2Session> session_;
    std::uint32_t id_;
    bool cancelled_ = false;
    std::uint64_t acked_ = 0;
    std::vector<Promise<Done>> waiting_;
    std::function<void()> on_end_;
    std::shared_ptr<Process> input_;
};

// --- what a client may say

// clang-format off
const V2Session::Control V2Session::kControls[] = {
    {"auth",   false, &V2Session::authenticate},
    {"cancel", true,  &V2Session::cancel},
    {"ack",    true,  &V2Session::ack},
    {"ping",   false, &V2Session::ping},
};
// clang-format on

V2Session::V2Session(Broker& broker, std::weak_ptr<ClientSocket> socket, std::optional<Identity> identity)
    : broker_(broker), socket_(std::move(socket)), identity_(std::move(identity)) {}

void V2Session::receive(std::string_view text) {
    auto parsed = parse_object(text);
    if (auto* refused = std::get_if<Problem>(&parsed)) return refuse(0, *refused);
    auto& message = std::get<json>(parsed);
    const std::uint32_t id = id_in(message, "id");
    const auto op = message.find("op");
    if (op == message.end() || !op->is_string())
        return refuse(id, problem("invalid_field", "op: a string is expected"));
    const std::string name = op->get<std::string>();
    if (id == 0 && name != "ack")
        return refuse(0, problem("invalid_field", "id: a whole number from 1 to 4294967295 is expected"));
    for (const Control& control : kControls) {
        if (name != control.op) continue;
        if (control.needs_auth && !identity_) return refuse(id, problem("unauthorized", "auth comes first"));
        return (this->*control.serve)(id, message);
    }
    if (!identity_) return refuse(id, problem("unauthorized", "auth comes first"));
    const Operation* operation = find_operation(name);
    if (operation == nullptr || operation->over == Over::kHttp)
        return refuse(id, problem("not_found", "no operation '" + name.substr(0, 64) + "' over the WebSocket"));
    if (open_.contains(id)) return refuse(0, problem("invalid_field", "id: a request of this id is open"));
    if (open_.size() >= broker_.settings.requests_per_socket)
        return refuse(id, problem("too_many_requests", "limits.requests_per_socket is reached"));
    request(id, *operation, std::move(message));
}

void V2Session::request(std::uint32_t id, const Operation& operation, json message) {
    message.erase("id");
    message.erase("op");
    std::string segment;
    if (has_segment(operation)) {
        const auto named = message.find("segment");
        if (named == message.end() || !named->is_string())
            return refuse(id, problem("invalid_field", "segment: a string is expected"));
        segment = named->get<std::string>();
        message.erase("segment");
    }
    auto fields = read_fields(operation, message);
    if (const auto* refused = std::get_if<Problem>(&fields)) return refuse(id, *refused);
    const auto stream = std::make_shared<Stream>(shared_from_this(), id);
    open_.emplace(id, stream);
    spawn(serve(stream, operation, std::get<json>(std::move(fields)), std::move(segment)));
}

Task<Done> V2Session::serve(std::shared_ptr<Stream> stream, const Operation& operation, json fields,
                            std::string segment) {
    const auto self = shared_from_this();
    const Identity identity = *identity_;
    Outcome<Reply> outcome = problem("cancelled", "the request was cancelled");
    std::optional<Problem> unknown;
    if (!segment.empty()) {
        auto place = co_await find_segment(broker_, segment);
        if (auto* refused = std::get_if<Problem>(&place)) unknown = std::move(*refused);
        else segment = std::get<Location>(place).segment;
    }
    // Answers are made only when the client has taken the last ones, large ones of one kind one after another. No
    // segment, whose cell may be slow, holds up another one.
    std::optional<Turns::Turn> turn;
    if (operation.bulk == Bulk::kAnswer && !unknown) {
        auto& turns = large_answers_[segment + '/' + operation.name];
        if (!turns) turns = std::make_shared<Turns>();
        turn.emplace(co_await turns->take());
    }
    bool going = true;
    if (operation.over == Over::kBoth) going = co_await stream->room();
    if (unknown) {
        outcome = std::move(*unknown);
    } else if (going) {
        Call call{broker_, identity, segment, std::move(fields)};
        call.sink = stream.get();
        outcome = co_await operation.serve(call);
    }
    open_.erase(stream->id());
    for (const auto& piece : std::exchange(stream->waiting_input, {}))
        waiting_input_ -= std::min(waiting_input_, weight(piece));
    if (left_) co_return Done{};
    if (const auto* refused = std::get_if<Problem>(&outcome)) {
        refuse(stream->id(), *refused);
    } else {
        const Reply& reply = std::get<Reply>(outcome);
        if (reply.text.empty()) answer(stream->id(), reply.json);
        else answer_text(stream->id(), reply.text);
    }
    co_return Done{};
}

// --- input for processes

bool V2Session::receive_binary(std::string_view bytes) {
    if (!identity_ || bytes.size() < kBinaryHeader) return false;
    const auto found = open_.find(number_at(bytes));
    // Its process may just have ended: what was on its way is nobody's.
    if (found == open_.end() || !found->second->input()) return true;
    bytes.remove_prefix(kBinaryHeader);
    found->second->waiting_input.emplace_back(bytes);
    waiting_input_ += weight(bytes);
    if (!found->second->passing_input) spawn(pass_input(found->second));
    return true;
}

Task<Done> V2Session::pass_input(std::shared_ptr<Stream> stream) {
    const auto self = shared_from_this();
    stream->passing_input = true;
    while (!stream->waiting_input.empty() && !left_) {
        std::string bytes = std::move(stream->waiting_input.front());
        stream->waiting_input.pop_front();
        const std::size_t size = bytes.size(), counted = weight(bytes);
        bool open = true;
        // At least once: an empty message is the end.
        for (std::size_t at = 0; open && (at == 0 || at < size); at += ipc::kChunkBytes) {
            std::string part = bytes.substr(at, ipc::kChunkBytes);
            open = co_await stream->input()->give_input(std::move(part));
        }
        waiting_input_ -= std::min(waiting_input_, counted);
        for (const auto& one : std::exchange(waiting_, {})) one.set({});
    }
    stream->passing_input = false;
    co_return Done{};
}

Task<Done> V2Session::ready() {
    const auto self = shared_from_this();
    while (waiting_input_ > kMostWaitingInput && !left_) {
        const Promise<Done> taken;
        waiting_.push_back(taken);
        co_await taken;
    }
    co_return Done{};
}

// --- auth, cancel, ack, ping

void V2Session::authenticate(std::uint32_t id, const json& message) {
    const auto token = message.find("token");
    auto identity = token != message.end() && token->is_string()
                        ? broker_.auth.check_token(token->get_ref<const std::string&>())
                        : std::nullopt;
    if (!identity && !broker_.settings.require_auth) identity = Identity{"local"};
    if (!identity) return refuse(id, problem("unauthorized", "the token is not valid, or no longer"));
    identity_ = std::move(identity);
    answer(id, {{"session_id", identity_->session_id}});
}

void V2Session::cancel(std::uint32_t id, const json& message) {
    const auto found = open_.find(id_in(message, "request"));
    if (found != open_.end()) found->second->cancel();
    answer(id, json::object());
}

void V2Session::ack(std::uint32_t, const json& message) {
    const auto found = open_.find(id_in(message, "request"));
    const auto position = message.find("position");
    if (found != open_.end() && position != message.end() && position->is_number_unsigned())
        found->second->ack(position->get<std::uint64_t>());
}

void V2Session::ping(std::uint32_t id, const json&) { answer(id, json::object()); }

void V2Session::leave() {
    left_ = true;
    const auto open = open_;  // what ends takes itself out
    for (const auto& [id, stream] : open) stream->end();
    for (const auto& one : std::exchange(waiting_, {})) one.set({});
}

// --- answers

void V2Session::answer(std::uint32_t id, const json& result) { answer_text(id, dump(result)); }

void V2Session::answer_text(std::uint32_t id, std::string_view result) {
    std::string text = "{\"id\":" + std::to_string(id) + ",\"result\":";
    text += result;
    text += '}';
    send(text);
}

void V2Session::refuse(std::uint32_t id, const Problem& problem) {
    send("{\"id\":" + std::to_string(id) + ",\"error\":" + problem_json(problem) + "}");
}

void V2Session::send(std::string_view text) {
    if (const auto socket = socket_.lock(); socket && !left_) socket->send(text);
}

}  // namespace toren::broker
