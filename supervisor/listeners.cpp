#include "supervisor/listeners.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <memory>

namespace toren::supervisor {
namespace {

std::string port_error(const std::string& host, std::uint16_t port) {
    return "listen on " + host + ":" + std::to_string(port);
}

Result<Listener> bind_one(const addrinfo& address, const std::string& name) {
    Listener listener;
    listener.socket.reset(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener.socket) return errno_error(name + ": socket");
    const int yes = 1;
    ::setsockopt(listener.socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (address.ai_family == AF_INET6) ::setsockopt(listener.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (::bind(listener.socket.get(), address.ai_addr, address.ai_addrlen) != 0 ||
        ::listen(listener.socket.get(), SOMAXCONN) != 0)
        return errno_error(name);
    sockaddr_storage bound{};
    socklen_t length = sizeof bound;
    if (::getsockname(listener.socket.get(), reinterpret_cast<sockaddr*>(&bound), &length) != 0)
        return errno_error(name + ": getsockname");
    char text[INET6_ADDRSTRLEN] = {};
    if (bound.ss_family == AF_INET6) {
        const auto& v6 = reinterpret_cast<const sockaddr_in6&>(bound);
        ::inet_ntop(AF_INET6, &v6.sin6_addr, text, sizeof text);
        listener.host = "[" + std::string(text) + "]";
        listener.port = ntohs(v6.sin6_port);
    } else {
        const auto& v4 = reinterpret_cast<const sockaddr_in&>(bound);
        ::inet_ntop(AF_INET, &v4.sin_addr, text, sizeof text);
        listener.host = text;
        listener.port = ntohs(v4.sin_port);
    }
    return listener;
}

}  // namespace

Result<std::vector<Listener>> bind_listeners(const std::string& host, std::uint16_t port) {
    addrinfo hints{};
    hints.ai_socktype = SOCK_STREAM;
    hints.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
    addrinfo* found = nullptr;
    const int failed = ::getaddrinfo(host.c_str(), std::to_string(port).c_str(), &hints, &found);
    if (failed != 0) return error(port_error(host, port) + ": " + ::gai_strerror(failed));
    const std::unique_ptr<addrinfo, void (*)(addrinfo*)> addresses(found, ::freeaddrinfo);
    std::vector<Listener> listeners;
    for (const addrinfo* address = addresses.get(); address != nullptr; address = address->ai_next) {
        // "localhost" names two addresses; where the port was free to choose, the second takes the first one's.
        if (!listeners.empty() && port == 0) {
            if (address->ai_family == AF_INET6)
                reinterpret_cast<sockaddr_in6*>(address->ai_addr)->sin6_port = htons(listeners[0].port);
            else reinterpret_cast<sockaddr_in*>(address->ai_addr)->sin_port = htons(listeners[0].port);
        }
        auto listener = bind_one(*address, port_error(host, port));
        if (listener) listeners.push_back(std::move(*listener));
        // A host without IPv6 may resolve localhost to it all the same: that address is left out, if another one is
        // there.
        else if (const int code = listener.error().code;
                 (code != EADDRNOTAVAIL && code != EAFNOSUPPORT) || (listeners.empty() && address->ai_next == nullptr))
            return std::move(listener.error());
    }
    return listeners;
}

}  // namespace toren::supervisor
