// One segment's cell as the broker sees it: slots for commands, and its files and vcs workers.
#pragma once

#include <chrono>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "broker/async_channel.h"
#include "broker/command.h"
#include "broker/supervisor_link.h"
#include "broker/task.h"
#include "ipc/messages.h"

namespace toren::broker {

// A request to a files or vcs worker, and what came back.
struct ServiceRequest {
    ipc::Service service;
    std::function<bool(AsyncChannel&)> send;  // the request's message
    std::string content;                      // of a write; follows the request in chunks
    bool has_content = false;
    std::uint64_t max_answer = 0;  // bytes; a worker that sends more is ended
    std::chrono::seconds time{30};
};

struct ServiceAnswer {
    enum class Trouble { kNone, kWorkerDied, kTime, kNoWorker };
    Trouble trouble = Trouble::kNone;
    ipc::Failure failure = ipc::Failure::kNone;
    std::string error;
    std::string bytes;  // all Chunks, one after another
};

class Cell : public std::enable_shared_from_this<Cell> {
public:
    Cell(std::string segment, OpenedCell opened);

    // Reads the spawner until it goes; keep the cell alive meanwhile.
    Task<Done> listen();
    bool alive() const { return spawner_.open(); }
    // Nothing runs and nothing was asked since.
    bool idle_since(std::chrono::steady_clock::time_point when) const;
    void retire();

    // The place of a profile among those that a command may run under; nothing where it has no such profile.
    std::optional<std::uint16_t> profile(std::string_view name) const;
    // A confined process that waits for its command.
    Task<Result<std::shared_ptr<Command>>> take_slot(std::uint16_t profile);
    Task<ServiceAnswer> ask(ServiceRequest request);

    std::size_t running_commands() const;

private:
    struct Worker {
        std::shared_ptr<AsyncChannel> channel;
        std::vector<Promise<Result<int>>> starting;
        bool talking = false;
        Promise<std::string> ended;  // how the one that runs ends
        Turns turns;
    };
    bool take_packet(ipc::Packet& packet);
    void take_new_slot(const ipc::Slot& slot, ipc::Packet& packet);
    struct Waiting {
        std::uint16_t profile = 0;
        Promise<Result<std::shared_ptr<Command>>> slot;
    };
    void prepare_slot(std::uint16_t profile);
    std::size_t waiting_for_own() const;
    void service_ended(Worker& worker, const std::string& how);
    Task<Result<std::shared_ptr<AsyncChannel>>> worker_channel(ipc::Service service);
    // After the request was sent: its content, then the answer.
    Task<ServiceAnswer> converse(std::shared_ptr<AsyncChannel> channel, const ServiceRequest& request);
    void end(const std::string& why);

    std::string segment_;
    AsyncChannel spawner_;
    std::vector<std::string> profiles_;
    std::deque<std::shared_ptr<Command>> ready_;  // under the segment's own profile, all of them
    std::deque<Waiting> waiting_;
    std::size_t ordered_ = 0;  // slots under that profile that were asked for and have not yet come
    std::vector<std::weak_ptr<Command>> taken_;
    Worker workers_[2];
    std::size_t asking_ = 0;
    std::chrono::steady_clock::time_point last_used_;
};

// Every cell in use, by segment name.
class Cells {
public:
    Cells(SupervisorLink& link, std::chrono::seconds idle_time) : link_(link), idle_time_(idle_time) {}
    Task<Result<std::shared_ptr<Cell>>> open(std::string segment);

private:
    void retire_idle();

    SupervisorLink& link_;
    std::chrono::seconds idle_time_;
    std::map<std::string, std::shared_ptr<Cell>> cells_;
    std::map<std::string, std::shared_ptr<Turns>> opening_;
    std::optional<Timer> sweep_;
};

}  // namespace toren::broker
