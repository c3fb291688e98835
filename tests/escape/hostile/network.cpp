// Attempts on the network, on sockets of the host, and on what processes share by name.
#include <arpa/inet.h>
#include <fcntl.h>
#include <linux/if_packet.h>
#include <linux/netlink.h>
#include <linux/rtnetlink.h>
#include <mqueue.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/ioctl.h>
#include <sys/ipc.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/sem.h>
#include <sys/shm.h>
#include <sys/socket.h>
#include <sys/un.h>

#include <cstddef>
#include <cstdio>
#include <cstdlib>
#include <cstring>

#include "tests/escape/hostile/hostile.h"

namespace hostile {
namespace {

struct Address {
    sockaddr_storage storage{};
    socklen_t size = 0;
    const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address internet(const char* host, long port) {
    Address address;
    if (auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage); ::inet_pton(AF_INET, host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(static_cast<std::uint16_t>(port));
        address.size = sizeof *v4;
        return address;
    }
    auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
    ::inet_pton(AF_INET6, host, &v6->sin6_addr);
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<std::uint16_t>(port));
    address.size = sizeof *v6;
    return address;
}

Address local(const std::string& name, bool abstract) {
    Address address;
    auto* local = reinterpret_cast<sockaddr_un*>(&address.storage);
    local->sun_family = AF_UNIX;
    std::memcpy(local->sun_path + (abstract ? 1 : 0), name.data(), std::min(name.size(), sizeof local->sun_path - 2));
    address.size = static_cast<socklen_t>(offsetof(sockaddr_un, sun_path) + name.size() + 1);
    return address;
}

Outcome connect_to(const World& world, const Address& address, const std::string& how) {
    const int fd = ::socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return refused("socket");
    if (::connect(fd, address.get(), address.size) != 0) return refused("connect " + how);
    return read_secret(world, fd, "connect " + how);
}

Outcome tcp(const World& world, const char* host, const char* port) {
    return world.has(port) ? connect_to(world, internet(host, world.number(port)), host)
                           : untried("the host has no IPv6");
}

// TCP Fast Open connects by sendto: a filter or a rule about connect alone would miss it.
Outcome fast_open(const World& world) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const Address address = internet("127.0.0.1", world.number("tcp4"));
    if (::sendto(fd, "x", 1, MSG_FASTOPEN, address.get(), address.size) < 0) return refused("sendto MSG_FASTOPEN");
    return read_secret(world, fd, "MSG_FASTOPEN");
}

Outcome udp(const World& world, const char* host) {
    const Address address = internet(host, world.number("udp"));
    const int fd = ::socket(address.storage.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const timeval patience{2, 0};
    ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (::connect(fd, address.get(), address.size) != 0) return refused("connect");
    if (::send(fd, "x", 1, 0) < 0) return refused("send");
    return read_secret(world, fd, "datagram");
}

// Any host beyond this one; nothing is sent, for the route is looked up first.
Outcome far_host(const World&) {
    const Address address = internet("192.0.2.1", 9);
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    return judge(::connect(fd, address.get(), address.size), "connect to another network");
}

Outcome other_interfaces(const World&) {
    struct if_nameindex* all = ::if_nameindex();
    std::string seen;
    for (const auto* one = all; one != nullptr && one->if_index != 0; ++one)
        if (std::strcmp(one->if_name, "lo") != 0) seen += std::string(" ") + one->if_name;
    return seen.empty() ? refused("no interface but lo", ENODEV) : escaped("interfaces" + seen);
}

Outcome open_socket(int family, int type, int protocol) {
    return reached(raw(SYS_socket, family, type, protocol), "socket");
}

template <int kFamily, int kType, int kProtocol>
Outcome socket_of(const World&) {
    return open_socket(kFamily, kType, kProtocol);
}

template <int kProtocol>
Outcome netlink(const World&) {
    return open_socket(AF_NETLINK, SOCK_RAW, kProtocol);
}

// Through the one netlink family that is allowed.
Outcome new_interface(const World&) {
    const int fd = ::socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    struct {
        nlmsghdr header{};
        ifinfomsg info{};
        char attributes[64] = {};
    } request;
    request.header.nlmsg_type = RTM_NEWLINK;
    request.header.nlmsg_flags = NLM_F_REQUEST | NLM_F_CREATE | NLM_F_EXCL | NLM_F_ACK;
    auto* outer = reinterpret_cast<rtattr*>(request.attributes);
    outer->rta_type = IFLA_LINKINFO;
    auto* kind = reinterpret_cast<rtattr*>(request.attributes + RTA_LENGTH(0));
    kind->rta_type = IFLA_INFO_KIND;
    kind->rta_len = RTA_LENGTH(5);
    std::memcpy(RTA_DATA(kind), "dummy", 5);
    outer->rta_len = static_cast<unsigned short>(RTA_LENGTH(RTA_ALIGN(kind->rta_len)));
    request.header.nlmsg_len =
        static_cast<std::uint32_t>(NLMSG_LENGTH(sizeof request.info) + RTA_ALIGN(outer->rta_len));
    if (::send(fd, &request, request.header.nlmsg_len, 0) < 0) return refused("send");
    struct {
        nlmsghdr header;
        nlmsgerr answer;
        char rest[256];
    } answer{};
    if (::recv(fd, &answer, sizeof answer, 0) < 0) return refused("recv");
    if (answer.answer.error == 0) return escaped("made an interface");
    if (answer.answer.error == -EOPNOTSUPP) return untried("RTM_NEWLINK: the kernel has no CONFIG_DUMMY");
    return refused("RTM_NEWLINK", -answer.answer.error);
}

Outcome interface_down(const World&) {
    const int fd = ::socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    ifreq request{};
    std::strcpy(request.ifr_name, "lo");
    request.ifr_flags = IFF_UP | IFF_RUNNING;
    return judge(::ioctl(fd, SIOCSIFFLAGS, &request), "SIOCSIFFLAGS");
}

Outcome option(int level, int name, const char* text) {
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int on = 1;
    return judge(::setsockopt(fd, level, name, &on, sizeof on), text);
}

Outcome low_port(const World&) {
    const Address address = internet("127.0.0.1", 80);
    const int fd = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return judge(::bind(fd, address.get(), address.size), "bind port 80");
}

Outcome forge_credentials(const World&) {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) return untried("socketpair");
    char byte = 'x';
    iovec vector{&byte, 1};
    alignas(cmsghdr) char control[CMSG_SPACE(sizeof(ucred))] = {};
    msghdr message{};
    message.msg_iov = &vector;
    message.msg_iovlen = 1;
    message.msg_control = control;
    message.msg_controllen = sizeof control;
    cmsghdr* header = CMSG_FIRSTHDR(&message);
    header->cmsg_level = SOL_SOCKET;
    header->cmsg_type = SCM_CREDENTIALS;
    header->cmsg_len = CMSG_LEN(sizeof(ucred));
    const ucred forged{1, ::getuid(), ::getgid()};  // pid 1
    std::memcpy(CMSG_DATA(header), &forged, sizeof forged);
    return judge(::sendmsg(ends[0], &message, 0), "sendmsg SCM_CREDENTIALS");
}

Outcome shared_memory(const World& world) {
    return judge(::shmget(static_cast<key_t>(world.number("key")), 0, 0), "shmget");
}
Outcome message_queue(const World& world) {
    return judge(::msgget(static_cast<key_t>(world.number("key")), 0), "msgget");
}
Outcome semaphores(const World& world) {
    return judge(::semget(static_cast<key_t>(world.number("key")), 0, 0), "semget");
}
Outcome posix_queue(const World& world) {
    return judge(::mq_open(world["queue"].c_str(), O_RDWR | O_CLOEXEC), "mq_open");
}
Outcome posix_memory(const World& world) {
    return judge(raw(SYS_openat, AT_FDCWD, ("/dev/shm" + world["queue"]).c_str(), O_RDWR | O_CLOEXEC, 0),
                 "open in /dev/shm");
}

Outcome own_loopback(const World&) {
    Address address = internet("127.0.0.1", 0);
    const int listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
              client = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (::bind(listener, address.get(), address.size) != 0 || ::listen(listener, 1) != 0 ||
        ::getsockname(listener, reinterpret_cast<sockaddr*>(&address.storage), &address.size) != 0)
        return refused("listen");
    return judge(::connect(client, address.get(), address.size), "connect to a server of one's own");
}

constexpr int kRaw = SOCK_RAW;

constexpr Attempt kAttempts[] = {
    {"tcp_loopback", [](const World& w) { return tcp(w, "127.0.0.1", "tcp4"); }},
    {"tcp_any", [](const World& w) { return tcp(w, "0.0.0.0", "tcp4"); }},
    {"tcp_mapped",
     [](const World& w) {
         return w.has("tcp6") ? tcp(w, "::ffff:127.0.0.1", "tcp4") : untried("the host has no IPv6");
     }},
    {"tcp6_loopback", [](const World& w) { return tcp(w, "::1", "tcp6"); }},
    {"tcp_fast_open", fast_open},
    {"udp_loopback", [](const World& w) { return udp(w, "127.0.0.1"); }},
    {"far_host", far_host},
    {"other_interfaces", other_interfaces},
    {"own_loopback", own_loopback},
    {"icmp", socket_of<AF_INET, SOCK_DGRAM, IPPROTO_ICMP>},
    {"raw_ip", [](const World&) { return judge(raw(SYS_socket, AF_INET, kRaw, IPPROTO_RAW), "socket"); }},
    {"raw_ip6", [](const World&) { return judge(raw(SYS_socket, AF_INET6, kRaw, IPPROTO_RAW), "socket"); }},
    {"packet", [](const World&) { return judge(raw(SYS_socket, AF_PACKET, kRaw, 0), "socket"); }},
    {"old_packet", [](const World&) { return judge(raw(SYS_socket, AF_INET, SOCK_PACKET, 0), "socket"); }},
    {"sctp", socket_of<AF_INET, SOCK_SEQPACKET, 132>},
    {"dccp", socket_of<AF_INET, 6, 33>},
    {"udp_lite", socket_of<AF_INET, SOCK_DGRAM, 136>},
    {"mptcp", socket_of<AF_INET, SOCK_STREAM, 262>},
    {"smc", socket_of<43, SOCK_STREAM, 0>},
    {"vsock", socket_of<40, SOCK_STREAM, 0>},
    {"alg", socket_of<38, SOCK_SEQPACKET, 0>},
    {"xdp", socket_of<44, SOCK_RAW, 0>},
    {"tipc", socket_of<30, SOCK_SEQPACKET, 0>},
    {"bluetooth", socket_of<31, SOCK_RAW, 0>},
    {"can", socket_of<29, SOCK_RAW, 1>},
    {"rds", socket_of<21, SOCK_SEQPACKET, 0>},
    {"key", socket_of<15, SOCK_RAW, 2>},
    {"kcm", socket_of<41, SOCK_DGRAM, 0>},
    {"ppp", socket_of<24, SOCK_STREAM, 0>},
    {"llc", socket_of<26, SOCK_STREAM, 0>},
    {"qipcrtr", socket_of<42, SOCK_DGRAM, 0>},
    {"mctp", socket_of<45, SOCK_DGRAM, 0>},
    {"netlink_netfilter", netlink<12>},
    {"netlink_xfrm", netlink<6>},
    {"netlink_audit", netlink<9>},
    {"netlink_sock_diag", netlink<4>},
    {"netlink_generic", netlink<16>},
    {"netlink_uevent", netlink<15>},
    {"netlink_connector", netlink<11>},
    {"netlink_selinux", netlink<7>},
    {"netlink_crypto", netlink<21>},
    {"new_interface", new_interface},
    {"interface_flags", interface_down},
    {"socket_mark", [](const World&) { return option(SOL_SOCKET, SO_MARK, "SO_MARK"); }},
    {"transparent_proxy", [](const World&) { return option(SOL_IP, IP_TRANSPARENT, "IP_TRANSPARENT"); }},
    {"socket_debug", [](const World&) { return option(SOL_SOCKET, SO_DEBUG, "SO_DEBUG"); }},
    {"low_port", low_port},
    {"host_socket", [](const World& w) { return connect_to(w, local(w["unix"], false), "a Unix socket"); }},
    {"abstract_socket", [](const World& w) { return connect_to(w, local(w["abstract"], true), "an abstract socket"); }},
    {"forge_credentials", forge_credentials},
    {"shared_memory", shared_memory},
    {"message_queue", message_queue},
    {"semaphores", semaphores},
    {"posix_queue", posix_queue},
    {"posix_memory", posix_memory},
};

}  // namespace

std::span<const Attempt> network_attempts() { return kAttempts; }

}  // namespace hostile
