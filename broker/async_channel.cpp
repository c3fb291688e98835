#include "broker/async_channel.h"

namespace toren::broker {
namespace {
constexpr int kMostWithoutWaiting = 64;  // packets
}

AsyncChannel::AsyncChannel(UniqueFd socket, ipc::Role peer) {
    if (!ipc::set_nonblocking(socket.get())) return;
    watch_.emplace(socket.get());
    channel_ = ipc::Channel(std::move(socket), ipc::Role::kBroker, peer, ipc::Phase::kOpen);
}

void AsyncChannel::close() {
    watch_.reset();  // before its descriptor goes, so that the number is not waited for when it is another's
    channel_.close();
}

Task<bool> AsyncChannel::writable() {
    if (!watch_) co_return false;
    const bool there = co_await watch_->writable();
    co_return there;
}

Task<std::optional<ipc::Packet>> AsyncChannel::receive() {
    // A peer that always has something to say does not keep the others from having theirs.
    if (++without_waiting_ > kMostWithoutWaiting) {
        without_waiting_ = 0;
        co_await yield();
    }
    while (channel_) {
        ipc::Packet packet;
        const auto received = channel_.receive(packet);
        if (received == ipc::Received::kPacket) co_return packet;
        if (received != ipc::Received::kNothing) break;
        without_waiting_ = 0;
        if (!co_await watch_->readable()) break;
    }
    co_return std::nullopt;
}

}  // namespace toren::broker
