// A Channel on the broker's loop: co_await what arrives, and room to send.
#pragma once

#include <memory>
#include <optional>
#include <span>
#include <string>

#include "broker/loop.h"
#include "ipc/channel.h"

namespace toren::broker {

enum class Sent { kYes, kFull, kNo };

class AsyncChannel {
public:
    AsyncChannel() = default;
    // The socket is made non-blocking.
    AsyncChannel(UniqueFd socket, ipc::Role peer);

    int fd() const { return channel_.fd(); }
    bool open() const { return static_cast<bool>(channel_); }
    void close();

    // The next packet, or nothing once the peer has gone, has broken a rule (violation() is then set) or close() was
    // called.
    Task<std::optional<ipc::Packet>> receive();
    const std::string& violation() const { return channel_.violation(); }

    // At once; fails where the peer's buffer is full.
    template <typename T>
    bool send(const T& message, std::span<const int> descriptors = {}) {
        return channel_ && channel_.send(message, descriptors);
    }
    template <typename T>
    Sent try_send(const T& message) {
        if (!channel_) return Sent::kNo;
        const auto sent = channel_.send(message);
        if (sent) return Sent::kYes;
        return sent.error().code == EAGAIN ? Sent::kFull : Sent::kNo;
    }
    // Waits until there may be room; false once it is closed.
    Task<bool> writable();
    // Waits for room. False once the peer has gone.
    template <typename T>
    Task<bool> send_when_possible(const T& message) {
        while (channel_) {
            const auto sent = channel_.send(message);
            if (sent) co_return true;
            if (sent.error().code != EAGAIN) co_return false;
            const bool writable = co_await watch_->writable();
            if (!writable) co_return false;
        }
        co_return false;
    }

private:
    ipc::Channel channel_;
    int without_waiting_ = 0;  // packets received
    std::optional<FdWatch> watch_;
};

}  // namespace toren::broker
