#include "broker/server.h"

#include <sys/socket.h>

#include "base/log.h"
#include "broker/connection.h"
#include "broker/loop.h"

namespace toren::broker {
namespace {

constexpr std::chrono::milliseconds kOutOfDescriptors{100};

Task<Done> accept_loop(Broker& broker, UniqueFd listener) {
    FdWatch watch(listener.get());
    while (co_await watch.readable()) {
        const int fd = ::accept4(listener.get(), nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            spawn(serve_connection(broker, UniqueFd(fd)));
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
            // The connection waits in the kernel; asking again at once would only spin.
            Promise<Done> later;
            const Timer pause(kOutOfDescriptors, [later] { later.set({}); });
            co_await later;
        }
    }
    co_return Done{};
}

}  // namespace

void accept_on(Broker& broker, UniqueFd listener) { spawn(accept_loop(broker, std::move(listener))); }

}  // namespace toren::broker
