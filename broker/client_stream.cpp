#include "broker/client_stream.h"

#include <boost/asio/buffer.hpp>
#include <chrono>

#include "broker/loop_asio.h"

namespace toren::broker {
namespace {

constexpr std::chrono::seconds kLingerTime{2};

}  // namespace

Task<Done> ClientStream::linger() {
    boost::system::error_code ignored;
    socket().shutdown(boost::asio::socket_base::shutdown_send, ignored);
    expires_after(kLingerTime);
    char waste[16 * 1024];
    IoResult read;
    while (!read.error) read = co_await Io([&](auto done) { async_read_some(boost::asio::buffer(waste), done); });
    close();
    co_return Done{};
}

}  // namespace toren::broker
