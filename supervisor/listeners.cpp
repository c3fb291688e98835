#include "supervisor/listeners.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

#include <cstring>

namespace toren::supervisor {
namespace {

std::string port_error(const std::string& host, std::uint16_t port) {
    return "listen on " + host + ":" + std::to_string(port);
}

struct Address {
    sockaddr_storage storage{};
    socklen_t length = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address address_of(const in_addr& host, std::uint16_t port) {
    const sockaddr_in v4{.sin_family = AF_INET, .sin_port = htons(port), .sin_addr = host, .sin_zero = {}};
    Address address{.length = sizeof v4};
    std::memcpy(&address.storage, &v4, sizeof v4);
    return address;
}

Address address_of(const in6_addr& host, std::uint16_t port) {
    sockaddr_in6 v6{};
    v6.sin6_family = AF_INET6;
    v6.sin6_port = htons(port);
    v6.sin6_addr = host;
    Address address{.length = sizeof v6};
    std::memcpy(&address.storage, &v6, sizeof v6);
    return address;
}

// Names are asked of nobody: what answers is not ours to trust with where the daemon listens, and the C library's
// resolver cannot be linked into a static program.
std::vector<Address> addresses_of(const std::string& host, std::uint16_t port) {
    if (host == "localhost")
        return {address_of(in_addr{htonl(INADDR_LOOPBACK)}, port), address_of(in6addr_loopback, port)};
    in_addr v4{};
    if (::inet_pton(AF_INET, host.c_str(), &v4) == 1) return {address_of(v4, port)};
    in6_addr v6{};
    if (::inet_pton(AF_INET6, host.c_str(), &v6) == 1) return {address_of(v6, port)};
    return {};
}

Result<Listener> bind_one(const Address& address, const std::string& name) {
    Listener listener;
    const auto family = address.storage.ss_family;
    listener.socket.reset(::socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    if (!listener.socket) return errno_error(name + ": socket");
    const int yes = 1;
    ::setsockopt(listener.socket.get(), SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (family == AF_INET6) ::setsockopt(listener.socket.get(), IPPROTO_IPV6, IPV6_V6ONLY, &yes, sizeof yes);
    if (::bind(listener.socket.get(), address.get(), address.length) != 0 ||
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
    if (addresses_of(host, port).empty())
        return error(port_error(host, port) + ": an address in numbers or 'localhost' is expected");
    std::vector<Listener> listeners;
    // "localhost" names two addresses; where the port was free to choose, the second takes the first one's. A host
    // without one of the two protocols has no such address: the other is enough.
    Error missing{};
    for (const bool second : {false, true}) {
        const auto addresses = addresses_of(host, listeners.empty() ? port : listeners[0].port);
        if (second && addresses.size() == 1) break;
        auto listener = bind_one(addresses[second], port_error(host, port));
        if (listener) listeners.push_back(std::move(*listener));
        else if (const int code = listener.error().code; code == EADDRNOTAVAIL || code == EAFNOSUPPORT)
            missing = std::move(listener.error());
        else return std::move(listener.error());
    }
    if (listeners.empty()) return missing;
    return listeners;
}

}  // namespace toren::supervisor
