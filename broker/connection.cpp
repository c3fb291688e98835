#include "broker/connection.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core.hpp>
#include <boost/beast/http.hpp>
#include <boost/beast/websocket/rfc6455.hpp>
#include <chrono>

#include "broker/client_stream.h"
#include "broker/loop_asio.h"
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
using namespace std::chrono_literals;

constexpr std::uint32_t kHeaderBytes = 16 * 1024;
constexpr auto kHeaderTime = 15s;  // for the header to arrive, and for an idle connection to stay
constexpr auto kBodyTime = 60s;
constexpr auto kWriteTime = 60s;

// A client that vanished without a word is noticed within two minutes.
struct SocketOption {
    int level, name, value;
};
constexpr SocketOption kSocketOptions[] = {{IPPROTO_TCP, TCP_NODELAY, 1},
                                           {SOL_SOCKET, SO_KEEPALIVE, 1},
                                           {IPPROTO_TCP, TCP_KEEPIDLE, 60},
                                           {IPPROTO_TCP, TCP_KEEPINTVL, 15},
                                           {IPPROTO_TCP, TCP_KEEPCNT, 4}};

class Connection {
public:
    Connection(Broker& broker, asio::ip::tcp::socket socket) : broker_(broker), stream_(std::move(socket)) {
        ++broker_.connections;
    }
    ~Connection() { --broker_.connections; }

    Task<Done> serve() {
        bool going = true;
        const Problem too_many{503, "too_many_connections", "limits.connections is reached"};
        if (broker_.connections > broker_.settings.connections) going = co_await refuse(too_many);
        while (going) going = co_await serve_one();
        co_return Done{};
    }

private:
    using Parser = http::request_parser<http::string_body>;

    // False once the connection has ended or belongs to a WebSocket.
    Task<bool> serve_one() {
        Parser parser;
        parser.header_limit(kHeaderBytes);
        parser.body_limit(broker_.settings.body_bytes);
        stream_.expires_after(kHeaderTime);
        const auto header = co_await Io([&](auto done) { http::async_read_header(stream_, buffer_, parser, done); });
        if (header.error) co_return co_await refuse_unreadable(header.error);
        auto judged = judge(parser.get());
        if (judged.refused) co_return co_await refuse(std::move(*judged.refused));
        if (judged.preflight) co_return co_await answer_preflight(parser.get().keep_alive());
        if (judged.route == nullptr) {
            stream_.expires_never();  // a WebSocket keeps its own time
            serve_websocket(broker_, std::move(stream_), parser.release());
            co_return false;
        }
        if (view(parser.get()[http::field::expect]) == "100-continue") {
            http::response<http::empty_body> go_on(http::status::continue_, 11);
            co_await Io([&](auto done) { http::async_write(stream_, go_on, done); });
        }
        stream_.expires_after(kBodyTime);
        const auto body = co_await Io([&](auto done) { http::async_read(stream_, buffer_, parser, done); });
        if (body.error) co_return co_await refuse_unreadable(body.error);
        stream_.expires_never();
        auto& request = parser.get();
        const std::string content_type(request[http::field::content_type]);
        auto response = co_await serve_route(broker_, *judged.route, content_type, std::move(request.body()));
        co_return co_await answer(std::move(response), request.keep_alive());
    }

    // What a header asks for: a route, the WebSocket (no route), or a refusal. Decided before the body is read
    // (invariant 5).
    struct Judged {
        std::optional<Problem> refused;
        const Route* route = nullptr;
        bool preflight = false;
    };

    Judged judge(const Parser::value_type& request) {
        origin_ = std::string(request[http::field::origin]);
        origin_allowed_ = false;
        if (auto refused = judge_source(request)) return {.refused = std::move(refused)};
        const std::string_view target = view(request.target());
        const std::string_view path = target.substr(0, target.find('?'));
        if (beast::websocket::is_upgrade(request) && path == "/ws") return {};
        if (request.method() == http::verb::options && origin_allowed_)
            return {.refused = {}, .route = nullptr, .preflight = true};
        const auto match = find_route(view(request.method_string()), path);
        allow_ = match.allow;
        if (match.route == nullptr && match.allow.empty())
            return {.refused = Problem{404, "not_found", "no such route"}};
        if (match.route == nullptr) return {.refused = Problem{405, "method_not_allowed", "allowed: " + match.allow}};
        if (match.route->access == Access::kSession && !authenticated(request))
            return {.refused = Problem{401, "unauthorized", "a session token is needed: Authorization: Bearer TOKEN"}};
        return {.refused = {}, .route = match.route};
    }

    static std::string_view view(beast::string_view text) { return {text.data(), text.size()}; }

    std::optional<Problem> judge_source(const Parser::value_type& request) {
        const auto host = view(request[http::field::host]);
        if (request.count(http::field::host) != 1) return Problem{400, "malformed_http", "one Host header is expected"};
        if (!host_allowed(host, broker_.settings))
            return Problem{403, "host_not_allowed",
                           "the Host header names neither this machine nor one of server.allowed_hosts"};
        switch (judge_origin(origin_, host, broker_.settings)) {
            case OriginKind::kForeign:
                return Problem{403, "origin_not_allowed", "this origin is not in server.allowed_origins"};
            case OriginKind::kAllowed: origin_allowed_ = true; return std::nullopt;
            case OriginKind::kNone:
            case OriginKind::kSame: return std::nullopt;
        }
        return std::nullopt;
    }

    bool authenticated(const Parser::value_type& request) {
        constexpr std::string_view kBearer = "Bearer ";
        const auto header = view(request[http::field::authorization]);
        if (header.empty()) return !broker_.settings.require_auth;
        return same_without_case(header.substr(0, kBearer.size()), kBearer) &&
               broker_.auth.check_token(header.substr(kBearer.size()));
    }

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
        auto problem = unreadable(error);
        if (problem) co_await refuse(std::move(*problem));
        co_return false;
    }

    // An answer to a request that was not read to its end: the connection ends with it.
    Task<bool> refuse(Problem problem) {
        auto response = problem_response(problem);
        co_await answer(std::move(response), false);
        co_await stream_.linger();
        co_return false;
    }

    Task<bool> answer_preflight(bool keep_alive) {
        preflight_ = true;
        Response response;
        response.status = 204;
        response.content_type.clear();
        const bool going = co_await answer(std::move(response), keep_alive);
        preflight_ = false;
        co_return going;
    }

    Task<bool> answer(Response response, bool keep_alive) {
        http::response<http::string_body> message(static_cast<http::status>(response.status), 11);
        if (!response.content_type.empty()) message.set(http::field::content_type, response.content_type);
        message.set(http::field::cache_control, "no-store");
        message.set("X-Content-Type-Options", "nosniff");
        if (response.status == 401) message.set(http::field::www_authenticate, "Bearer");
        if (response.status == 405) message.set(http::field::allow, allow_);
        if (origin_allowed_) {
            message.set(http::field::access_control_allow_origin, origin_);
            message.set(http::field::vary, "Origin");
        }
        if (preflight_) {
            message.set(http::field::access_control_allow_methods, "GET, POST");
            message.set(http::field::access_control_allow_headers, "Authorization, Content-Type");
        }
        message.body() = std::move(response.body);
        message.keep_alive(keep_alive);
        message.prepare_payload();
        stream_.expires_after(kWriteTime);
        const auto written = co_await Io([&](auto done) { http::async_write(stream_, message, done); });
        co_return !written.error && keep_alive;
    }

    Broker& broker_;
    ClientStream stream_;
    beast::flat_buffer buffer_;
    std::string origin_;
    std::string allow_;
    bool origin_allowed_ = false;
    bool preflight_ = false;
};

}  // namespace

Task<Done> serve_connection(Broker& broker, UniqueFd fd) {
    sockaddr_storage address{};
    socklen_t length = sizeof address;
    if (::getsockname(fd.get(), reinterpret_cast<sockaddr*>(&address), &length) != 0) co_return Done{};
    for (const auto& [level, option, value] : kSocketOptions)
        ::setsockopt(fd.get(), level, option, &value, sizeof value);
    asio::ip::tcp::socket socket(loop_context());
    beast::error_code failed;
    socket.assign(address.ss_family == AF_INET6 ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), fd.get(), failed);
    if (failed) co_return Done{};
    fd.release();
    Connection connection(broker, std::move(socket));
    co_await connection.serve();
    co_return Done{};
}

}  // namespace toren::broker
