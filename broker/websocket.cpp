#include "broker/websocket.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>
#include <deque>

#include "broker/loop.h"
#include "broker/loop_asio.h"
#include "broker/v1_session.h"

namespace toren::broker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

// Messages that wait to be written: above this much, whoever produces more waits (back-pressure reaches the process).
constexpr std::size_t kHighWater = 256 * 1024;
// Above this much nothing more is read either. Far above the first, so that a Cancel is heard while output waits.
constexpr std::size_t kReadNoMore = 16 * kHighWater;

class WebSocket : public std::enable_shared_from_this<WebSocket> {
public:
    WebSocket(Broker& broker, ClientStream stream) : broker_(broker), stream_(std::move(stream)) {
        ++broker_.connections;
        // No idle time: a client that reads slowly keeps its place, and TCP keep-alive finds one that is gone.
        websocket::stream_base::timeout times{};
        times.handshake_timeout = std::chrono::seconds(15);
        times.idle_timeout = websocket::stream_base::none();
        times.keep_alive_pings = false;
        stream_.set_option(times);
        stream_.read_message_max(broker_.settings.message_bytes);
        // One frame a message, without a copy through Beast's own buffer.
        stream_.auto_fragment(false);
        stream_.text(true);
    }
    ~WebSocket() { --broker_.connections; }

    Task<Done> serve(beast::http::request<beast::http::string_body> request) {
        const auto self = shared_from_this();
        const auto accepted = co_await Io([&](auto done) { stream_.async_accept(request, done); });
        if (accepted.error) co_return Done{};
        const auto session = std::make_shared<V1Session>(broker_, wire());
        beast::flat_buffer message;
        while (true) {
            const auto read = co_await Io([&](auto done) { stream_.async_read(message, done); });
            if (read.error || closed_) break;
            const auto data = message.cdata();
            session->receive({static_cast<const char*>(data.data()), data.size()});
            message.clear();
            if (message.capacity() > kHighWater) message.shrink_to_fit();
            if (!co_await room(kReadNoMore)) break;
        }
        session->leave();
        close();
        co_return Done{};
    }

private:
    V1Session::Wire wire() {
        const std::weak_ptr<WebSocket> weak = weak_from_this();
        return {[weak](std::string text) {
                    if (const auto self = weak.lock()) self->send(std::move(text));
                },
                [weak]() -> Task<bool> {
                    const auto self = weak.lock();
                    if (!self) co_return false;
                    co_return co_await self->room(kHighWater);
                },
                [weak] {
                    if (const auto self = weak.lock()) self->close();
                }};
    }

    void send(std::string text) {
        if (closed_) return;
        waiting_bytes_ += text.size();
        waiting_.push_back(std::move(text));
        if (!writing_) spawn(write_all());
    }

    Task<bool> room(std::size_t limit) {
        while (waiting_bytes_ > limit && !closed_) {
            const Promise<Done> drained;
            waiters_.push_back(drained);
            co_await drained;
        }
        co_return !closed_;
    }

    Task<Done> write_all() {
        const auto self = shared_from_this();
        writing_ = true;
        while (!waiting_.empty() && !closed_) {
            const std::string text = std::move(waiting_.front());
            waiting_.pop_front();
            const auto written = co_await Io([&](auto done) { stream_.async_write(asio::buffer(text), done); });
            waiting_bytes_ -= text.size();
            if (written.error) close();
            if (waiting_bytes_ <= kHighWater / 2) wake();
        }
        writing_ = false;
        co_return Done{};
    }

    void close() {
        if (closed_) return;
        closed_ = true;
        beast::get_lowest_layer(stream_).close();
        wake();
    }

    void wake() {
        for (const auto& one : std::exchange(waiters_, {})) one.set({});
    }

    Broker& broker_;
    websocket::stream<ClientStream> stream_;
    std::deque<std::string> waiting_;
    std::size_t waiting_bytes_ = 0;
    bool writing_ = false;
    bool closed_ = false;
    std::vector<Promise<Done>> waiters_;
};

}  // namespace

void serve_websocket(Broker& broker, ClientStream stream, beast::http::request<beast::http::string_body> request) {
    spawn(std::make_shared<WebSocket>(broker, std::move(stream))->serve(std::move(request)));
}

}  // namespace toren::broker
