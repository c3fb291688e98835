// One v2 client on the WebSocket: requests by name from the table of operations, side by side, each with an id of the
// client's choice; streams with flow control of their own. docs/protocol-v2.md, The WebSocket.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "broker/client_socket.h"
#include "broker/operation.h"
#include "broker/task.h"

namespace toren::broker {

class V2Session : public ClientSession, public std::enable_shared_from_this<V2Session> {
public:
    V2Session(Broker& broker, std::weak_ptr<ClientSocket> socket, std::optional<Identity> identity);

    void receive(std::string_view text) override;
    bool receive_binary(std::string_view bytes) override;
    Task<Done> ready() override;
    void leave() override;

private:
    class Stream;  // one open request

    // What only a socket can ask.
    struct Control {
        const char* op;
        bool needs_auth;
        void (V2Session::*serve)(std::uint32_t id, const nlohmann::json& message);
    };
    static const Control kControls[];

    void authenticate(std::uint32_t id, const nlohmann::json& message);
    void cancel(std::uint32_t id, const nlohmann::json& message);
    void ack(std::uint32_t id, const nlohmann::json& message);
    void ping(std::uint32_t id, const nlohmann::json& message);

    void request(std::uint32_t id, const Operation& operation, nlohmann::json message);
    Task<Done> serve(std::shared_ptr<Stream> stream, const Operation& operation, nlohmann::json fields,
                     std::string segment);
    Task<Done> pass_input(std::shared_ptr<Stream> stream);

    void answer(std::uint32_t id, const nlohmann::json& result);
    void answer_text(std::uint32_t id, std::string_view result);
    void refuse(std::uint32_t id, const Problem& problem);
    void send(std::string_view text);

    Broker& broker_;
    std::weak_ptr<ClientSocket> socket_;
    std::optional<Identity> identity_;
    bool left_ = false;
    std::map<std::uint32_t, std::shared_ptr<Stream>> open_;
    std::map<std::string, std::shared_ptr<Turns>> large_answers_;  // by segment and operation
    std::size_t waiting_input_ = 0;                                // bytes for processes that have not yet taken them
    std::vector<Promise<Done>> waiting_;
};

}  // namespace toren::broker
