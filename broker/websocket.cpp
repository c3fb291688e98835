#include "broker/websocket.h"

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/websocket.hpp>

#include "broker/client_socket.h"
#include "broker/loop.h"
#include "broker/loop_asio.h"
#include "broker/ordered_stream.h"
#include "broker/v1_session.h"
#include "broker/v2_session.h"

namespace toren::broker {
namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace websocket = beast::websocket;

// Messages that wait to be written: above this much, whoever produces more waits (back-pressure reaches the process).
constexpr std::size_t kHighWater = 256 * 1024;
// Above this much nothing more is read either. Far above the first, so that a Cancel is heard while output waits.
constexpr std::size_t kReadNoMore = 16 * kHighWater;

enum Opcode : unsigned char { kText = 1, kBinary = 2 };

// A whole message as one frame (RFC 6455, 5.2): a server's are not masked.
void append_frame_header(std::string& out, Opcode opcode, std::uint64_t length) {
    out += static_cast<char>(0x80 | opcode);
    const int bytes = length < 126 ? 0 : length < 65536 ? 2 : 8;
    out += static_cast<char>(bytes == 0 ? length : bytes == 2 ? 126 : 127);
    for (int byte = bytes - 1; byte >= 0; --byte) out += static_cast<char>(length >> (8 * byte));
}

class WebSocket : public ClientSocket, public std::enable_shared_from_this<WebSocket> {
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
    }
    ~WebSocket() override { --broker_.connections; }

    Task<Done> serve(SocketRequest request) {
        const auto self = shared_from_this();
        const auto accepted = co_await Io([&](auto done) { stream_.async_accept(request.upgrade, done); });
        if (accepted.error) co_return Done{};
        stream_.next_layer().on_written([weak = weak_from_this()](bool ok) {
            if (const auto socket = weak.lock()) socket->written(ok);
        });
        const std::shared_ptr<ClientSession> session = make_session(std::move(request));
        beast::flat_buffer message;
        while (true) {
            const auto read = co_await Io([&](auto done) { stream_.async_read(message, done); });
            if (read.error || closed_) break;
            const auto data = message.cdata();
            const std::string_view bytes(static_cast<const char*>(data.data()), data.size());
            if (stream_.got_text()) session->receive(bytes);
            else if (!session->receive_binary(bytes)) break;
            message.clear();
            if (message.capacity() > kHighWater) message.shrink_to_fit();
            const bool more = co_await room(kReadNoMore);
            if (!more) break;
            co_await session->ready();
        }
        closed_ = true;
        session->leave();
        shut();
        co_return Done{};
    }

    void send(std::string_view text) override {
        if (closed_) return;
        std::string frame;
        frame.reserve(text.size() + 10);
        append_frame_header(frame, kText, text.size());
        frame += text;
        stream_.next_layer().add(std::move(frame));
    }

    Task<bool> room() override { return room(kHighWater); }

    Task<bool> send_binary(std::vector<BinaryMessage> messages) override {
        const auto self = shared_from_this();
        if (closed_) co_return false;
        std::vector<asio::const_buffer> buffers;
        for (BinaryMessage& message : messages) {
            std::string header;
            append_frame_header(header, kBinary, message.size());
            message.header.insert(0, header);
            buffers.emplace_back(asio::buffer(message.header));
            for (const auto part : message.parts)
                if (!part.empty()) buffers.emplace_back(part.data(), part.size());
        }
        const bool sent = co_await stream_.next_layer().write(std::move(buffers));
        co_return sent && !closed_;
    }

    void close() override {
        if (closed_) return;
        closed_ = true;
        shut();
    }

private:
    std::shared_ptr<ClientSession> make_session(SocketRequest request) {
        const std::weak_ptr<ClientSocket> socket = weak_from_this();
        if (request.version == 2) return std::make_shared<V2Session>(broker_, socket, std::move(request.identity));
        return std::make_shared<V1Session>(broker_, socket);
    }

    Task<bool> room(std::size_t limit) {
        const auto self = shared_from_this();
        while (stream_.next_layer().waiting_bytes() > limit && !closed_) {
            const Promise<Done> drained;
            waiters_.push_back(drained);
            co_await drained;
        }
        co_return !closed_;
    }

    void written(bool ok) {
        if (!ok) close();
        if (stream_.next_layer().waiting_bytes() <= kHighWater / 2) wake();
    }

    void shut() {
        beast::get_lowest_layer(stream_).close();
        wake();
    }

    void wake() {
        for (const auto& one : std::exchange(waiters_, {})) one.set({});
    }

    Broker& broker_;
    websocket::stream<OrderedStream> stream_;
    bool closed_ = false;
    std::vector<Promise<Done>> waiters_;
};

}  // namespace

void serve_websocket(Broker& broker, ClientStream stream, SocketRequest request) {
    spawn(std::make_shared<WebSocket>(broker, std::move(stream))->serve(std::move(request)));
}

}  // namespace toren::broker
