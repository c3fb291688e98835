// What a session needs of its WebSocket, and nothing of how messages travel.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "broker/task.h"

namespace toren::broker {

// One binary message, from where its parts lie: they stay there until it was sent.
struct BinaryMessage {
    std::string header;
    std::string_view parts[2];
    std::size_t size() const { return header.size() + parts[0].size() + parts[1].size(); }
};

class ClientSocket {
public:
    virtual ~ClientSocket() = default;
    // A text message; many go out in one write.
    virtual void send(std::string_view text) = 0;
    // Waits until the client keeps up; false once it has gone.
    virtual Task<bool> room() = 0;
    // Once it is their turn; false once it has gone.
    virtual Task<bool> send_binary(std::vector<BinaryMessage> messages) = 0;
    virtual void close() = 0;
};

// Who speaks a protocol on a socket.
class ClientSession {
public:
    virtual ~ClientSession() = default;
    virtual void receive(std::string_view text) = 0;
    // False where the protocol has no binary messages.
    virtual bool receive_binary(std::string_view bytes) = 0;
    // Waits until more may be read.
    virtual Task<Done> ready() = 0;
    // The client has gone.
    virtual void leave() = 0;
};

}  // namespace toren::broker
