#include "broker/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/sendfile.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <charconv>
#include <chrono>
#include <nlohmann/json.hpp>

#include "broker/client_stream.h"
#include "broker/deadlines.h"
#include "broker/json_input.h"
#include "broker/loop_asio.h"
#include "broker/operation_input.h"
#include "broker/operations.h"
#include "broker/origin.h"
#include "broker/routes.h"
#include "broker/text.h"
#include "broker/websocket.h"

namespace toren::broker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = beast::http;
using nlohmann::json;
using namespace std::chrono_literals;

constexpr std::uint32_t kHeaderBytes = 16 * 1024;
constexpr std::size_t kReadBytes = 8 * 1024;           // of headers at a time
constexpr std::size_t kPieceBytes = ipc::kChunkBytes;  // of a body
constexpr std::size_t kGatherBytes = 64 * 1024;        // of answers to pipelined requests, before they are sent
constexpr std::size_t kFileBytes = 512 * 1024;         // of a file before others have their turn
constexpr auto kHeaderTime = 15s;                      // for the header to arrive, and for an idle connection to stay
constexpr auto kBodyTime = 60s;                        // of a streamed body, for each piece
constexpr auto kWriteTime = 60s;                       // for each kWriteBytes
constexpr std::size_t kWriteBytes = 64 * 1024;
constexpr auto kLingerTime = 2s;

struct SocketPath {
    std::string_view path;
    int version;
};
constexpr SocketPath kSockets[] = {{"/ws", 1}, {"/v2/ws", 2}};

// A client that vanished without a word is noticed within two minutes.
struct SocketOption {
    int level, name, value;
};
constexpr SocketOption kSocketOptions[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                                           {SOL_SOCKET, SO_KEEPALIVE, 1},
                                           {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                                           {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                                           {IPPROTO_TCP, TCP_KEEPCNT, 4}};

std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

// The time for which a token that was found good is not looked up again, in ticks of HasDeadline: about a second.
constexpr std::uint32_t kTokenTicks = 1;

class Connection : private HasDeadline, private RawBody {
public:
    Connection(Broker& broker, asio::ip::tcp protocol, UniqueFd fd)
        : broker_(broker), protocol_(protocol), socket_(loop_context()) {
        ++broker_.connections;
        beast::error_code failed;
        socket_.assign(protocol, fd.get(), failed);
        if (!failed) fd.release();
    }
    ~Connection() override { --broker_.connections; }

    Task<Done> serve() {
        bool going = socket_.is_open();
        if (going && broker_.connections > broker_.settings.connections) {
            Problem full{503, "too_many_connections", "limits.connections is reached"};
            going = co_await refuse(std::move(full));
        }
        while (going) {
            // What can be answered at once is answered here, several in one write where several have come in one read.
            beast::error_code error;
            if (buffer_.size() > 0) {
                if (!header_) begin_header();
                buffer_.consume(header_->put(buffer_.data(), error));
                if (header_->is_header_done()) {
                    going = judge();
                    if (!going) {
                        going = co_await refuse(std::move(*refused_));
                    } else if (route_ != nullptr && route_->constant != nullptr && header_->is_done()) {
                        put_response(route_->constant(broker_));
                        header_.reset();
                        going = keep_alive_;
                        if (going && out_.size() < kGatherBytes) continue;
                        const bool written = co_await flush();
                        going = going && written;
                    } else {
                        going = co_await serve_request();
                        header_.reset();
                    }
                    continue;
                }
                if (error && error != http::error::need_more) {
                    going = co_await refuse_unreadable(error);
                    continue;
                }
            }
            if (!out_.empty()) {
                bool written = flush_at_once();
                if (!written) written = co_await flush_rest();
                if (!written) break;
            }
            expire_after(kHeaderTime);
            const auto read =
                co_await Io([this](auto done) { socket_.async_read_some(buffer_.prepare(kReadBytes), done); });
            expire_never();
            if (read.error) break;
            buffer_.commit(read.bytes);
        }
        if (!out_.empty() && socket_.is_open()) co_await flush();
        co_return Done{};
    }

private:
    using HeaderParser = http::request_parser<http::empty_body>;
    using Socket = asio::basic_stream_socket<asio::ip::tcp, asio::io_context::executor_type>;

    void expired() override {
        beast::error_code ignored;
        socket_.cancel(ignored);
    }

    void begin_header() {
        header_.emplace();
        header_->header_limit(kHeaderBytes);
        header_->body_limit(boost::none);  // each route's own, once it is known
        route_ = nullptr;
        match_ = {};
        headers_.head = origin_allowed_ = http_10_ = false;
    }

    // --- what a header asks for, decided before the body is read (invariant 5)

    // False: refused_ says why.
    bool judge() {
        const auto& request = header_->get();
        preflight_ = false;
        upgrade_ = 0;
        keep_alive_ = request.keep_alive();
        http_10_ = request.version() < 11;
        headers_.head = request.method() == http::verb::head;
        refused_ = judge_source();
        if (refused_) return false;
        const std::string_view target = view(request.target());
        path_ = target.substr(0, target.find('?'));
        query_ = target.substr(std::min(target.size(), path_.size() + 1));
        for (const auto& [path, version] : kSockets)
            if (path_ == path && beast::websocket::is_upgrade(request)) return upgrade_ = version, true;
        if (request.method() == http::verb::options && origin_allowed_) return preflight_ = true;
        const std::string_view method = view(request.method_string());
        const auto v1 = find_route(method, path_);
        route_ = v1.route;
        parameter_.assign(v1.parameter);
        if (route_ == nullptr && path_.starts_with("/v2/")) match_ = match_operation(method, path_);
        if (route_ == nullptr && match_.operation == nullptr) {
            allow_ = match_.allow.empty() ? v1.allow : match_.allow;
            refused_ = allow_.empty() ? Problem{404, "not_found", "no such route"}
                                      : Problem{405, "method_not_allowed", "allowed: " + allow_};
            return false;
        }
        const bool open = route_ != nullptr ? route_->access == Access::kOpen : match_.operation->need == Need::kNobody;
        if (!open && !authenticated())
            refused_ = Problem{401, "unauthorized", "a session token is needed: Authorization: Bearer TOKEN"};
        else if (match_.malformed)
            refused_ = problem("invalid_field", "the path is not percent-encoded UTF-8, or holds a NUL byte");
        return !refused_;
    }

    std::optional<Problem> judge_source() {
        const auto& request = header_->get();
        const auto origin = view(request[http::field::origin]);
        origin_.assign(origin);
        origin_allowed_ = false;
        const auto [first, last] = request.equal_range(http::field::host);
        if (first == last || std::next(first) != last)
            return Problem{400, "malformed_http", "one Host header is expected"};
        const auto host = view(first->value());
        if (host.empty() || host != allowed_host_) {
            if (!host_allowed(host, broker_.settings))
                return Problem{403, "host_not_allowed",
                               "the Host header names neither this machine nor one of server.allowed_hosts"};
            allowed_host_.assign(host);
        }
        if (origin.empty()) return std::nullopt;
        switch (judge_origin(origin, host, broker_.settings)) {
            case OriginKind::kForeign:
                return Problem{403, "origin_not_allowed", "this origin is not in server.allowed_origins"};
            case OriginKind::kAllowed: origin_allowed_ = true; return std::nullopt;
            case OriginKind::kNone:
            case OriginKind::kSame: return std::nullopt;
        }
        return std::nullopt;
    }

    bool authenticated() {
        constexpr std::string_view kBearer = "Bearer ";
        const auto header = view(header_->get()[http::field::authorization]);
        if (header.empty()) {
            identity_ = {"local"};
            return !broker_.settings.require_auth;
        }
        if (header == good_header_ && now() - good_at_ < kTokenTicks) return true;
        good_header_.clear();
        if (!same_without_case(header.substr(0, kBearer.size()), kBearer)) return false;
        auto identity = broker_.auth.check_token(header.substr(kBearer.size()));
        if (!identity) return false;
        identity_ = std::move(*identity);
        good_header_.assign(header);
        good_at_ = now();
        return true;
    }

    // --- serving

    // False once the connection has ended or belongs to a WebSocket.
    Task<bool> serve_request() {
        if (upgrade_ != 0) {
            const bool written = co_await flush();
            if (written) upgrade();
            co_return false;
        }
        if (preflight_) {
            put_status(204);
            put_field("Access-Control-Allow-Methods", "GET, HEAD, POST, PUT, PATCH, DELETE");
            put_field("Access-Control-Allow-Headers",
                      "Authorization, Content-Type, If-Match, If-None-Match, If-Range, Range");
            end_head(0);
            const bool drained = co_await read_body();
            co_return drained&& keep_alive_;
        }
        if (match_.operation != nullptr) {
            take_conditions();
            query_text_.assign(query_);
        }
        if (match_.operation != nullptr && match_.operation->bulk == Bulk::kBody) {
            const bool going = co_await serve_raw();
            co_return going&& keep_alive_;
        }
        const std::string content_type(view(header_->get()[http::field::content_type]));
        const bool read = co_await read_body();
        if (!read) co_return false;
        if (route_ != nullptr) {
            if (!out_.empty()) co_await flush();
            auto response = co_await serve_route(broker_, *route_, parameter_, content_type, std::move(body_));
            body_ = {};
            put_response(response);
            co_return keep_alive_;
        }
        auto fields = fields_of(content_type);
        body_ = {};
        if (auto* bad = std::get_if<Problem>(&fields)) {
            put_problem(*bad);
            co_return keep_alive_;
        }
        const bool served = co_await serve_operation(std::get<json>(std::move(fields)), nullptr);
        co_return served&& keep_alive_;
    }

    void upgrade() {
        // v2 may have its token here; v1's comes in Auth.
        std::optional<Identity> identity;
        if (upgrade_ == 2 && authenticated()) identity = identity_;
        http::request_parser<http::string_body> whole(std::move(*header_));
        beast::error_code failed;
        const int fd = socket_.release(failed);
        if (failed) return;
        serve_websocket(broker_, ClientStream(asio::ip::tcp::socket(loop_context(), protocol_, fd)),
                        {.upgrade = whole.release(), .version = upgrade_, .identity = std::move(identity)});
    }

    // The whole body into body_. False once the connection has ended.
    Task<bool> read_body() {
        body_.clear();
        if (header_->is_done()) co_return true;
        const auto limit = broker_.settings.body_bytes;
        const auto length = header_->content_length();
        if (length && *length > limit) co_return co_await refuse_unreadable(http::error::body_limit);
        co_await continue_if_asked();
        http::request_parser<http::string_body> parser(std::move(*header_));
        parser.body_limit(limit);
        parser.eager(true);
        expire_after(kBodyTime);
        beast::error_code error;
        while (!parser.is_done()) {
            if (buffer_.size() > 0) buffer_.consume(parser.put(buffer_.data(), error));
            if (error && error != http::error::need_more) co_return co_await refuse_unreadable(error);
            if (parser.is_done()) break;
            const auto read =
                co_await Io([this](auto done) { socket_.async_read_some(buffer_.prepare(kPieceBytes), done); });
            if (read.error) co_return false;
            buffer_.commit(read.bytes);
            error = {};
        }
        expire_never();
        body_ = std::move(parser.get().body());
        release_buffer();
        co_return true;
    }

    void release_buffer() {
        if (buffer_.size() == 0 && buffer_.capacity() > 4 * kReadBytes) buffer_.shrink_to_fit();
    }

    Task<Done> continue_if_asked() {
        if (view(header_->get()[http::field::expect]) != "100-continue") co_return Done{};
        out_ += "HTTP/1.1 100 Continue\r\n\r\n";
        co_await flush();
        co_return Done{};
    }

    void take_conditions() {
        const auto& request = header_->get();
        const auto take = [&](http::field field) {
            const auto text = view(request[field]);
            return std::string(text);
        };
        headers_ = {.head = request.method() == http::verb::head,
                    .range = take(http::field::range),
                    .if_range = take(http::field::if_range),
                    .if_match = take(http::field::if_match),
                    .if_none_match = take(http::field::if_none_match)};
    }

    // Of the path, and of the query or the JSON body.
    Outcome<json> fields_of(const std::string& content_type) {
        const Operation& operation = *match_.operation;
        json given;
        if (std::string_view(operation.method) == "POST") {
            if (!query_text_.empty()) return problem("unknown_field", "the fields of this request are in its body");
            if (body_.empty()) {
                given = json::object();
            } else {
                if (!is_json(content_type))
                    return Problem{415, "unsupported_media_type", "the body must be application/json"};
                auto parsed = parse_object(body_);
                if (auto* bad = std::get_if<Problem>(&parsed)) return std::move(*bad);
                given = std::get<json>(std::move(parsed));
            }
        } else {
            auto read = read_query(operation, query_text_);
            if (auto* bad = std::get_if<Problem>(&read)) return std::move(*bad);
            given = std::get<json>(std::move(read));
        }
        for (auto& [name, value] : match_.fields.items()) {
            if (given.contains(name)) return problem("invalid_field", name + ": is in the path already");
            given[name] = std::move(value);
        }
        return read_fields(operation, given);
    }

    Task<bool> serve_operation(json fields, RawBody* body) {
        if (!out_.empty()) {
            const bool written = co_await flush();
            if (!written) co_return false;
        }
        const Operation& operation = *match_.operation;
        Call call{broker_, identity_, std::move(match_.segment), std::move(fields)};
        call.body = body;
        call.http = &headers_;
        if (has_segment(operation)) {
            const Segment* known = find_segment_by_name(broker_.supervisor->segments(), call.segment);
            if (known != nullptr) {
                call.segment = known->name;
            } else {
                std::string name = call.segment;
                auto found = co_await find_segment(broker_, std::move(name));
                if (auto* bad = std::get_if<Problem>(&found)) {
                    put_problem(*bad);
                    co_return true;
                }
                call.segment = std::get<Location>(found).segment;
            }
        }
        auto outcome = co_await operation.serve(call);
        if (auto* bad = std::get_if<Problem>(&outcome)) {
            put_problem(*bad);
            co_return true;
        }
        Reply& reply = std::get<Reply>(outcome);
        if (reply.more) co_return co_await send_stream(reply);
        if (reply.file) co_return co_await send_file(reply);
        put_reply(reply);
        co_return true;
    }

    // Whether another request can follow the answer that is made now.
    bool goes_on() const { return keep_alive_ && (!raw_ || raw_->is_done()); }

    // --- bodies that are streamed

    Task<bool> serve_raw() {
        expects_ = !header_->is_done() && view(header_->get()[http::field::expect]) == "100-continue";
        auto read = read_query(*match_.operation, query_text_);
        Outcome<json> fields;
        if (auto* bad = std::get_if<Problem>(&read)) {
            fields = std::move(*bad);
        } else {
            for (auto& [name, value] : match_.fields.items()) std::get<json>(read)[name] = std::move(value);
            fields = read_fields(*match_.operation, std::get<json>(read));
        }
        if (auto* bad = std::get_if<Problem>(&fields)) co_return co_await refuse(std::move(*bad));
        raw_.emplace(std::move(*header_));
        raw_->eager(true);
        broken_.reset();
        const bool served = co_await serve_operation(std::get<json>(std::move(fields)), this);
        const bool whole = raw_->is_done();
        raw_.reset();
        release_buffer();
        if (served && whole) co_return true;
        // The client goes on sending what nobody reads: it gets its answer, and the connection ends.
        co_await flush();
        if (served) co_await linger();
        co_return false;
    }

    // Up to kPieceBytes, gathered: a client that sends less than that in kBodyTime is too slow.
    Task<Outcome<std::string>> next() override {
        if (broken_) co_return *broken_;
        if (raw_->is_done()) co_return std::string();
        if (std::exchange(expects_, false)) {
            out_ += "HTTP/1.1 100 Continue\r\n\r\n";
            co_await flush();
        }
        std::string piece(kPieceBytes, '\0');
        std::size_t filled = 0;
        expire_after(kBodyTime);
        while (filled < piece.size() && !raw_->is_done()) {
            beast::error_code error;
            if (buffer_.size() > 0) {
                auto& body = raw_->get().body();
                body.data = piece.data() + filled;
                body.size = piece.size() - filled;
                const std::size_t taken = raw_->put(buffer_.data(), error);
                buffer_.consume(taken);
                filled = piece.size() - body.size;
                if (error == http::error::need_buffer || error == http::error::need_more) error = {};
                if (error) broken_ = unreadable(error).value_or(Problem{400, "malformed_http", "the body broke off"});
                if (broken_) break;
                if (raw_->is_done() || filled == piece.size()) break;
                if (taken > 0 && buffer_.size() > 0) continue;
            }
            const auto read =
                co_await Io([this](auto done) { socket_.async_read_some(buffer_.prepare(kPieceBytes), done); });
            if (read.error) {
                const bool slow = read.error == asio::error::operation_aborted;
                broken_ = slow ? Problem{408, "timeout", "the body comes too slowly"}
                               : Problem{400, "malformed_http", "the body broke off"};
                break;
            }
            buffer_.commit(read.bytes);
        }
        expire_never();
        piece.resize(filled);
        // What came before it broke is told first.
        if (piece.empty() && broken_) co_return *broken_;
        co_return piece;
    }

    // --- refusals

    // Nothing for a client that left or timed out; one that does not speak HTTP hears that.
    std::optional<Problem> unreadable(beast::error_code error) const {
        if (error == http::error::body_limit)
            return Problem{413, "body_too_large",
                           "the body is longer than " + std::to_string(broker_.settings.body_bytes) +
                               " bytes (limits.body_bytes)"};
        if (error == http::error::header_limit)
            return Problem{431, "header_too_large", "the header is longer than 16 KiB"};
        const bool of_http = error.category() == beast::error_code(http::error::bad_method).category();
        if (!of_http || error == http::error::end_of_stream || error == http::error::partial_message)
            return std::nullopt;
        return Problem{400, "malformed_http", error.message()};
    }

    Task<bool> refuse_unreadable(beast::error_code error) {
        auto refusal = unreadable(error);
        if (refusal) co_await refuse(std::move(*refusal));
        co_return false;
    }

    // An answer to a request that was not read to its end: the connection ends with it.
    Task<bool> refuse(Problem refusal) {
        keep_alive_ = false;
        put_problem(refusal);
        const bool written = co_await flush();
        if (written) co_await linger();
        co_return false;
    }

    // See client_stream.h.
    Task<Done> linger() {
        ::shutdown(socket_.native_handle(), SHUT_WR);
        expire_after(kLingerTime);
        char waste[16 * 1024];
        IoResult read;
        while (!read.error) read = co_await Io([&](auto done) { socket_.async_read_some(asio::buffer(waste), done); });
        expire_never();
        beast::error_code ignored;
        socket_.close(ignored);
        co_return Done{};
    }

    // --- answers

    void put_number(std::uint64_t number) {
        char digits[24];
        out_.append(digits, std::to_chars(digits, digits + sizeof digits, number).ptr);
    }

    void put_field(std::string_view name, std::string_view value) {
        out_ += name;
        out_ += ": ";
        out_ += value;
        out_ += "\r\n";
    }

    void put_status(int status) {
        if (status == 200) {
            out_ += "HTTP/1.1 200 OK\r\n";
        } else {
            out_ += "HTTP/1.1 ";
            put_number(static_cast<std::uint64_t>(status));
            out_ += ' ';
            out_ += status_title(status);
            out_ += "\r\n";
        }
        if (status == 401) put_field("WWW-Authenticate", "Bearer");
        if (status == 405) put_field("Allow", allow_);
        if (status == 429) put_field("Retry-After", "1");
        if (!origin_allowed_) return;
        put_field("Access-Control-Allow-Origin", origin_);
        put_field("Access-Control-Expose-Headers", "ETag, Content-Range, Content-Disposition, Last-Modified");
        put_field("Vary", "Origin");
    }

    void end_head(std::optional<std::uint64_t> length, bool cached = false) {
        if (!goes_on()) out_ += "Connection: close\r\n";
        else if (http_10_) out_ += "Connection: keep-alive\r\n";
        if (length) {
            out_ += "Content-Length: ";
            put_number(*length);
            out_ += "\r\n";
        }
        out_ += cached ? "Cache-Control: private, no-cache\r\nX-Content-Type-Options: nosniff\r\n\r\n"
                       : "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\n\r\n";
    }

    void put_response(const Response& response) {
        put_status(response.status);
        if (!response.content_type.empty()) put_field("Content-Type", response.content_type);
        end_head(response.body.size());
        out_ += response.body;
    }

    void put_problem(const Problem& refusal) {
        Response response = route_ != nullptr
                                ? problem_response(refusal)
                                : Response{refusal.status, "application/problem+json", problem_json(refusal)};
        put_status(response.status);
        put_field("Content-Type", response.content_type);
        for (const auto& [name, value] : refusal.headers) put_field(name, value);
        end_head(response.body.size());
        if (!headers_.head) out_ += response.body;
    }

    void put_reply_head(const Reply& reply) {
        put_status(reply.status);
        if (reply.status != 304) put_field("Content-Type", reply.content_type);
        for (const auto& [name, value] : reply.headers) put_field(name, value);
    }

    void put_reply(Reply& reply) {
        if (reply.text.empty() && reply.content_type == "application/json")
            reply.text = reply.json.dump(-1, ' ', false, json::error_handler_t::replace);
        put_reply_head(reply);
        const bool content = reply.content_type != "application/json";
        std::optional<std::uint64_t> length = headers_.head ? reply.length : reply.text.size();
        if (reply.status == 304) length.reset();
        end_head(length, content);
        if (!headers_.head) out_ += reply.text;
    }

    // A body that ends when nobody knew before: in chunks. One that breaks off ends the connection without the last.
    Task<bool> send_stream(Reply& reply) {
        put_reply_head(reply);
        if (http_10_) keep_alive_ = false;  // the connection's end is the body's
        else put_field("Transfer-Encoding", "chunked");
        end_head(std::nullopt);
        while (true) {
            auto part = co_await reply.more();
            const auto* bytes = std::get_if<std::string>(&part);
            if (bytes == nullptr) {
                co_await flush();
                co_return false;
            }
            if (http_10_) {
                out_ += *bytes;
            } else {
                char size[24];
                out_.append(size, std::to_chars(size, size + sizeof size, bytes->size(), 16).ptr);
                out_ += "\r\n";
                out_ += *bytes;
                out_ += "\r\n";
            }
            const bool last = bytes->empty();
            const bool written = co_await flush();
            if (!written) co_return false;
            if (last) co_return true;
        }
    }

    Task<bool> send_file(Reply& reply) {
        put_reply_head(reply);
        end_head(reply.length, true);
        bool begun = flush_at_once(reply.length > 0 ? MSG_MORE : 0);
        if (!begun) begun = co_await flush_rest();
        if (!begun) co_return false;
        auto offset = static_cast<off_t>(reply.offset);
        std::uint64_t left = reply.length;
        std::size_t in_turn = 0;
        expire_after(kWriteTime);
        while (left > 0) {
            const ssize_t sent = ::sendfile(socket_.native_handle(), reply.file.get(), &offset,
                                            std::min<std::uint64_t>(left, kFileBytes));
            if (sent < 0 && errno == EINTR) continue;
            if (sent < 0 && errno == EAGAIN) {
                const bool room = co_await writable();
                if (!room) co_return false;
                continue;
            }
            // 0: somebody made the file shorter. What was promised cannot be sent, and only the end says so.
            if (sent <= 0) break;
            left -= static_cast<std::uint64_t>(sent);
            count_written(static_cast<std::size_t>(sent));
            in_turn += static_cast<std::size_t>(sent);
            if (in_turn < 4 * kFileBytes || left == 0) continue;
            in_turn = 0;
            co_await NextTurn();
        }
        expire_never();
        co_return left == 0;
    }

    // --- writing

    Task<bool> writable() {
        const auto waited = co_await Io([this](auto done) { socket_.async_wait(asio::socket_base::wait_write, done); });
        co_return !waited.error;
    }

    void count_written(std::size_t bytes) {
        written_ += bytes;
        if (written_ < kWriteBytes) return;
        written_ = 0;
        expire_after(kWriteTime);
    }

    // True where all of it has gone; else flush_rest() sees to it.
    bool flush_at_once(int flags = 0) {
        if (out_.empty()) return true;
        const ssize_t sent = ::send(socket_.native_handle(), out_.data(), out_.size(), MSG_NOSIGNAL | flags);
        if (sent != static_cast<ssize_t>(out_.size())) {
            out_.erase(0, sent < 0 ? 0 : static_cast<std::size_t>(sent));
            return false;
        }
        out_.clear();
        if (out_.capacity() > 2 * kGatherBytes) out_.shrink_to_fit();
        return true;
    }

    Task<bool> flush_rest() {
        std::size_t at = 0;
        expire_after(kWriteTime);
        while (at < out_.size()) {
            const ssize_t sent = ::send(socket_.native_handle(), out_.data() + at, out_.size() - at, MSG_NOSIGNAL);
            if (sent >= 0) {
                at += static_cast<std::size_t>(sent);
                count_written(static_cast<std::size_t>(sent));
                continue;
            }
            if (errno == EINTR) continue;
            bool room = errno == EAGAIN;
            if (room) room = co_await writable();
            if (!room) {
                out_.clear();
                co_return false;
            }
        }
        expire_never();
        out_.clear();
        out_.shrink_to_fit();
        co_return true;
    }

    Task<bool> flush() {
        if (flush_at_once()) co_return true;
        co_return co_await flush_rest();
    }

    Broker& broker_;
    asio::ip::tcp protocol_;
    Socket socket_;
    beast::flat_buffer buffer_;
    std::string out_;  // answers that wait to be sent together
    std::size_t written_ = 0;
    std::optional<HeaderParser> header_;

    // Of the request that is being served.
    std::optional<Problem> refused_;
    const Route* route_ = nullptr;
    std::string parameter_;
    OperationMatch match_;
    int upgrade_ = 0;  // the version of the protocol that a WebSocket is asked for
    bool preflight_ = false;
    bool keep_alive_ = false;
    bool http_10_ = false;
    std::string_view path_, query_;
    std::string query_text_;
    std::string body_;
    HttpConditions headers_;
    std::optional<http::request_parser<http::buffer_body>> raw_;
    bool expects_ = false;
    std::optional<Problem> broken_;
    std::string origin_;
    std::string allow_;
    bool origin_allowed_ = false;

    // What was found good before on this connection.
    std::string allowed_host_;
    std::string good_header_;
    std::uint32_t good_at_ = 0;
    Identity identity_;
};

}  // namespace

Task<Done> serve_connection(Broker& broker, UniqueFd fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) co_return Done{};
    for (const auto& [level, option, value] : kSocketOptions)
        ::setsockopt(fd.get(), level, option, &value, sizeof value);
    Connection connection(broker, address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(),
                          std::move(fd));
    co_await connection.serve();
    co_return Done{};
}

}  // namespace toren::broker
