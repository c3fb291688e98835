#include "ipc/channel.h"

#include <fcntl.h>
#include <sys/socket.h>
#include <sys/uio.h>

#include <array>
#include <cstring>

namespace toren::ipc {
namespace {

constexpr std::size_t kMaxDescriptors = 3;

// One row more than the largest message, so that what is too long is seen to be.
constexpr std::size_t kReceiveBytes = kLargestMessage + 64;

std::array<char, kReceiveBytes>& receive_buffer() {
    static std::array<char, kReceiveBytes> buffer;  // every process of ours reads its channels from one thread
    return buffer;
}

// Takes over the descriptors of a received message, all of them, so that none leaks however many a peer sends.
std::vector<UniqueFd> take_descriptors(msghdr& header) {
    std::vector<UniqueFd> taken;
    for (cmsghdr* part = CMSG_FIRSTHDR(&header); part != nullptr; part = CMSG_NXTHDR(&header, part)) {
        if (part->cmsg_level != SOL_SOCKET || part->cmsg_type != SCM_RIGHTS) continue;
        const std::size_t count = (part->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (std::size_t i = 0; i < count; ++i) {
            int fd = -1;
            std::memcpy(&fd, CMSG_DATA(part) + i * sizeof(int), sizeof fd);
            taken.emplace_back(fd);
        }
    }
    return taken;
}

}  // namespace

Result<> Channel::send_packet(Type type, const std::string& payload, std::span<const int> descriptors) {
    const Row* row = find_row(type, self_, peer_);
    if (row == nullptr || row->phase != phase_ || payload.size() > row->max_bytes ||
        descriptors.size() != row->descriptors)
        return Error{EMSGSIZE, std::string("send ") + (row == nullptr ? "a message without a row" : row->name)};
    std::uint16_t number = static_cast<std::uint16_t>(type);
    iovec parts[] = {{&number, sizeof number}, {const_cast<char*>(payload.data()), payload.size()}};
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = parts;
    header.msg_iovlen = 2;
    if (!descriptors.empty()) {
        header.msg_control = control;
        header.msg_controllen = CMSG_SPACE(descriptors.size_bytes());
        cmsghdr* part = CMSG_FIRSTHDR(&header);
        part->cmsg_level = SOL_SOCKET;
        part->cmsg_type = SCM_RIGHTS;
        part->cmsg_len = CMSG_LEN(descriptors.size_bytes());
        std::memcpy(CMSG_DATA(part), descriptors.data(), descriptors.size_bytes());
    }
    while (::sendmsg(socket_.get(), &header, MSG_NOSIGNAL) < 0)
        if (errno != EINTR) return errno_error(std::string("send ") + row->name);
    if (row->opens) phase_ = Phase::kOpen;
    return Ok{};
}

Received Channel::receive(Packet& packet) {
    auto& buffer = receive_buffer();
    iovec part{buffer.data(), buffer.size()};
    alignas(cmsghdr) char control[CMSG_SPACE(kMaxDescriptors * sizeof(int))] = {};
    msghdr header{};
    header.msg_iov = &part;
    header.msg_iovlen = 1;
    header.msg_control = control;
    header.msg_controllen = sizeof control;
    ssize_t length = 0;
    while ((length = ::recvmsg(socket_.get(), &header, MSG_CMSG_CLOEXEC)) < 0) {
        // A peer that closed with our messages unread makes the kernel say so once, before what it sent itself.
        if (errno == EINTR || errno == ECONNRESET) continue;
        return errno == EAGAIN ? Received::kNothing : Received::kClosed;
    }
    packet.descriptors = take_descriptors(header);
    if (length == 0) return Received::kClosed;
    if ((header.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0) return refuse("too long for any message");
    std::uint16_t number = 0;
    if (static_cast<std::size_t>(length) < sizeof number) return refuse("shorter than its header");
    std::memcpy(&number, buffer.data(), sizeof number);
    packet.type = static_cast<Type>(number);
    const Row* row = find_row(packet.type, peer_, self_);
    if (row == nullptr) return refuse("no message " + std::to_string(number) + " may come from this peer");
    if (row->phase != phase_) return refuse(std::string(row->name) + " out of phase");
    const std::size_t payload = static_cast<std::size_t>(length) - sizeof number;
    if (payload > row->max_bytes) return refuse(std::string(row->name) + " is longer than its row allows");
    if (packet.descriptors.size() != row->descriptors)
        return refuse(std::string(row->name) + " with a wrong number of descriptors");
    packet.payload.assign(buffer.data() + sizeof number, payload);
    if (row->opens) phase_ = Phase::kOpen;
    return Received::kPacket;
}

Received Channel::refuse(std::string rule) {
    violation_ = std::move(rule);
    return Received::kViolation;
}

Result<std::pair<UniqueFd, UniqueFd>> socket_pair() {
    int ends[2];
    if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends) != 0) return errno_error("socketpair");
    return std::pair{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

Result<> set_nonblocking(int fd) {
    const int flags = ::fcntl(fd, F_GETFL);
    if (flags < 0 || ::fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0) return errno_error("fcntl O_NONBLOCK");
    return Ok{};
}

}  // namespace toren::ipc
