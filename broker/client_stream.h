// The TCP stream of one client. For sources that know Beast already.
//
// Closing a socket with unread input makes the kernel reset the connection, and what was sent last (an error, a close
// frame) may be lost. So an end is announced first, and what still comes is read for a moment and thrown away. Beast's
// own teardown of a WebSocket stops after the first bytes (as of 1.81), so it is given this one.
#pragma once

#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/role.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <utility>

#include "broker/task.h"

namespace toren::broker {

class ClientStream : public boost::beast::tcp_stream {
public:
    using boost::beast::tcp_stream::tcp_stream;

    // Afterwards the stream is closed.
    Task<Done> linger();
};

// Found by Beast through the type of the stream.
template <typename Handler>
void async_teardown(boost::beast::role_type, ClientStream& stream, Handler&& handler) {
    spawn([](ClientStream& ending, std::decay_t<Handler> ended) -> Task<Done> {
        co_await ending.linger();
        ended(boost::system::error_code{});
        co_return Done{};
    }(stream, std::forward<Handler>(handler)));
}

}  // namespace toren::broker
