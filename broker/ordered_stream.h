// The stream under a WebSocket: whoever writes takes turns by whole writes. Beast writes its control frames through it
// (an answer to a ping or a close, in the midst of our output), and our own frames pass by Beast: many of them go out
// in one write, and output goes from where it lies. For sources that know Beast already.
#pragma once

#include <boost/asio/async_result.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/write.hpp>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "broker/client_stream.h"
#include "broker/loop_asio.h"

namespace toren::broker {

class OrderedStream {
public:
    using executor_type = ClientStream::executor_type;
    using next_layer_type = ClientStream;

    explicit OrderedStream(ClientStream stream) : state_(std::make_shared<State>(std::move(stream))) {}

    executor_type get_executor() { return state_->stream.get_executor(); }
    next_layer_type& next_layer() { return state_->stream; }
    const next_layer_type& next_layer() const { return state_->stream; }

    template <typename Buffers, typename Handler>
    auto async_read_some(const Buffers& buffers, Handler&& handler) {
        return state_->stream.async_read_some(buffers, std::forward<Handler>(handler));
    }

    // All of the buffers, once it is their turn. What Beast writes is small: it is copied.
    template <typename Buffers, typename Handler>
    auto async_write_some(const Buffers& buffers, Handler&& handler) {
        return boost::asio::async_initiate<Handler, void(boost::system::error_code, std::size_t)>(
            [this](auto done, const Buffers& given) {
                std::string bytes(boost::asio::buffer_size(given), '\0');
                boost::asio::buffer_copy(boost::asio::buffer(bytes), given);
                // std::function copies what it holds, and handlers cannot be copied.
                const auto shared = std::make_shared<decltype(done)>(std::move(done));
                add(std::move(bytes),
                    [shared](boost::system::error_code error, std::size_t length) { (*shared)(error, length); });
            },
            handler, buffers);
    }

    // Our own bytes, whole frames. They go out together with whatever else waits.
    void add(std::string bytes) {
        if (bytes.empty()) return;
        state_->waiting_bytes += bytes.size();
        state_->waiting += bytes;
        run();
    }
    std::size_t waiting_bytes() const { return state_->waiting_bytes; }

    // Bytes from where they lie, whole frames together; false where the client has gone.
    Task<bool> write(std::vector<boost::asio::const_buffer> buffers) {
        const auto state = state_;
        if (state->failed) co_return false;
        const Promise<bool> written;
        state->direct.push_back({std::move(buffers), written});
        run();
        co_return co_await written;
    }

    // Called after each write.
    void on_written(std::function<void(bool ok)> work) { state_->on_written = std::move(work); }

private:
    using Done = std::function<void(boost::system::error_code, std::size_t)>;
    // As much in one call as the socket takes. Asio's own condition is 64 KiB: for each the client would be woken.
    static std::size_t whole_writes(const boost::system::error_code& error, std::size_t) {
        return error ? 0 : std::size_t{1} << 24;
    }
    struct Direct {
        std::vector<boost::asio::const_buffer> buffers;
        Promise<bool> written;
    };
    struct State {
        explicit State(ClientStream client) : stream(std::move(client)) {}
        ClientStream stream;
        std::string waiting;                                 // copied bytes
        std::vector<std::pair<std::size_t, Done>> handlers;  // of Beast's, with the lengths of theirs
        std::deque<Direct> direct;
        std::size_t waiting_bytes = 0;
        bool writing = false;
        bool failed = false;
        std::function<void(bool)> on_written;
    };

    void add(std::string bytes, Done done) {
        state_->handlers.emplace_back(bytes.size(), std::move(done));
        state_->waiting_bytes += bytes.size();
        state_->waiting += bytes;
        run();
    }

    void run() {
        if (!state_->writing) spawn(write_all(state_));
    }

    static Task<broker::Done> write_all(std::shared_ptr<State> state) {
        state->writing = true;
        while (!state->waiting.empty() || !state->direct.empty()) {
            // Copied bytes first, then one direct write, in one call where both are there.
            const std::string bytes = std::exchange(state->waiting, {});
            const auto handlers = std::exchange(state->handlers, {});
            std::vector<boost::asio::const_buffer> buffers;
            if (!bytes.empty()) buffers.push_back(boost::asio::buffer(bytes));
            std::optional<Promise<bool>> direct;
            if (!state->direct.empty()) {
                const auto& next = state->direct.front();
                buffers.insert(buffers.end(), next.buffers.begin(), next.buffers.end());
                direct = next.written;
                state->direct.pop_front();
            }
            IoResult result;
            if (state->failed) result.error = boost::asio::error::operation_aborted;
            else
                result = co_await Io([&](auto done) {
                    boost::asio::async_write(state->stream, buffers, whole_writes, std::move(done));
                });
            state->failed = state->failed || result.error;
            state->waiting_bytes -= bytes.size();
            for (const auto& [length, done] : handlers) done(result.error, length);
            if (direct) direct->set(!result.error);
            if (state->on_written) state->on_written(!result.error);
        }
        state->writing = false;
        co_return broker::Done{};
    }

    std::shared_ptr<State> state_;
};

template <typename Handler>
void async_teardown(boost::beast::role_type role, OrderedStream& stream, Handler&& handler) {
    async_teardown(role, stream.next_layer(), std::forward<Handler>(handler));
}

}  // namespace toren::broker
