// Channel: one end of a SOCK_SEQPACKET pair between two roles, which speaks only the rows of protocol.h.
// What arrives is checked for sender, phase, size, descriptors and form before anyone sees it. A peer that breaks
// a rule cannot be answered: receive() says so once, and the caller ends the peer.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "ipc/codec.h"
#include "ipc/messages.h"

namespace toren::ipc {

struct Packet {
    Type type{};
    std::string payload;
    std::vector<UniqueFd> descriptors;

    // The payload as message T; nothing where the bytes are not exactly one T.
    template <typename T>
    std::optional<T> as() const {
        T message;
        Reader reader(payload);
        if (type != T::kType || !reader.read(message) || !reader.at_end()) return std::nullopt;
        return message;
    }
};

enum class Received { kPacket, kNothing, kClosed, kViolation };

class Channel {
public:
    Channel() = default;
    // `self` and `peer` are the roles at the two ends; `phase` where the conversation stands.
    Channel(UniqueFd socket, Role self, Role peer, Phase phase)
        : socket_(std::move(socket)), self_(self), peer_(peer), phase_(phase) {}

    int fd() const { return socket_.get(); }
    explicit operator bool() const { return static_cast<bool>(socket_); }
    void close() { socket_.reset(); }
    UniqueFd take_socket() { return std::move(socket_); }

    // Sends one message. EAGAIN is an error of its own: the peer does not read, and the caller decides what then.
    template <typename T>
    Result<> send(const T& message, std::span<const int> descriptors = {}) {
        std::string payload;
        Writer(payload).write(message);
        return send_packet(T::kType, payload, descriptors);
    }

    // Takes one packet that has arrived; blocks if the socket does. On kViolation, violation() names the rule.
    Received receive(Packet& packet);
    const std::string& violation() const { return violation_; }

private:
    Result<> send_packet(Type type, const std::string& payload, std::span<const int> descriptors);
    Received refuse(std::string rule);

    UniqueFd socket_;
    Role self_ = Role::kBroker;
    Role peer_ = Role::kBroker;
    Phase phase_ = Phase::kOpen;
    std::string violation_;
};

// A pair of connected sequenced-packet sockets, close-on-exec.
Result<std::pair<UniqueFd, UniqueFd>> socket_pair();

Result<> set_nonblocking(int fd);

}  // namespace toren::ipc
