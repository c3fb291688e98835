// One v1 client: what it may say, what it hears.
//
// Requests with a requestId run at once and side by side, and everything in answer carries it; requests without one
// run one after another, as the original daemon did. Cancel is heeded at any time.
#pragma once

#include <list>
#include <memory>
#include <nlohmann/json_fwd.hpp>
#include <optional>
#include <string>
#include <string_view>

#include "broker/broker.h"
#include "broker/client_socket.h"
#include "broker/json_input.h"
#include "broker/operations.h"
#include "broker/task.h"

namespace toren::broker {

class V1Session : public ClientSession, public std::enable_shared_from_this<V1Session> {
public:
    V1Session(Broker& broker, std::weak_ptr<ClientSocket> socket) : broker_(broker), socket_(std::move(socket)) {}

    void receive(std::string_view text) override;
    bool receive_binary(std::string_view bytes) override {
        receive(bytes);
        return true;
    }
    Task<Done> ready() override { co_return Done{}; }
    // Its commands end.
    void leave() override;

private:
    struct Running {
        std::string request_id;            // as JSON text; empty where the client sent none
        std::shared_ptr<Process> process;  // null until it has been started
        const char* limit = nullptr;       // what ended it: "cancelled", "time"
    };
    struct Request;  // a row of the table in v1_session.cpp
    static const Request kRequests[];

    Task<Done> serve(const Request& row, std::string request_id, std::shared_ptr<nlohmann::json> body);
    Task<Done> authenticate(std::string request_id, std::shared_ptr<nlohmann::json> body);
    Task<Done> run_command(std::string request_id, std::shared_ptr<nlohmann::json> body);
    Task<Done> file_read(std::string request_id, std::shared_ptr<nlohmann::json> body);
    Task<Done> status(std::string request_id, std::shared_ptr<nlohmann::json> body);
    Task<Done> cancel(std::string request_id, std::shared_ptr<nlohmann::json> body);

    Task<Outcome<Location>> enter_workspace(std::string segment, std::string name, std::string session);
    void forget_identity();
    Task<Outcome<Location>> locate_command(std::optional<std::string> cwd);
    Task<Done> start_and_follow(std::list<Running>::iterator running, std::optional<std::string> cwd,
                                std::optional<std::string> profile, std::shared_ptr<ipc::Start> start,
                                std::optional<std::uint64_t> seconds);
    Task<Done> follow(std::list<Running>::iterator running, std::string name);

    void send_text(std::string_view text);
    Task<bool> room();

    void reject_command(const std::string& request_id, const Problem& problem);
    void send_error(const std::string& request_id, const Problem& problem);
    void send(const std::string& request_id, nlohmann::json message);

    Broker& broker_;
    std::weak_ptr<ClientSocket> socket_;
    std::optional<Identity> identity_;
    std::optional<std::string> segment_;
    bool left_ = false;
    std::size_t commands_ = 0;  // running or waiting
    std::size_t requests_ = 0;  // the others
    Turns in_order_;
    Turns answers_;
    std::list<Running> running_;
};

}  // namespace toren::broker
