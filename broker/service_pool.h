// The services of one cell: files, vcs and checkpoint workers. One of each kind is shared by all requests that are
// short and by every change, in their order, so that writers take turns; what may take long gets a files worker of its
// own for that while.
//
// To the shared files worker requests are sent ahead while it is still at an earlier one: it then finds the next
// without having slept. One that dies or takes too long fails the request that it was at; those behind it are put to
// the next worker, for it has not begun them.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/async_channel.h"
#include "broker/loop.h"
#include "broker/task.h"
#include "ipc/messages.h"

namespace toren::broker {

// A request to a service, and what came back.
struct ServiceRequest {
    ipc::Service service;
    std::function<Sent(AsyncChannel&)> send;  // the request's message
    std::string content;                      // follows the request in chunks
    bool has_content = false;
    std::uint64_t max_answer = 0;  // bytes; a worker that sends more is ended
    std::chrono::seconds time{30};
    const char* time_limit = "limits.service_seconds";  // what sets it
};

struct ServiceAnswer {
    enum class Trouble { kNone, kWorkerDied, kTime, kNoWorker };
    Trouble trouble = Trouble::kNone;
    ipc::Failure failure = ipc::Failure::kNone;
    std::string error;
    std::string result;  // the record that the request names
    std::string bytes;   // all Chunks, one after another, and what came with the end
    UniqueFd file;       // of Opened, whose record is then in result
};

class ServicePool;

// A files worker of one's own. Its end gives it back, or ends it where it is still at a request.
class LeasedWorker {
public:
    LeasedWorker(std::shared_ptr<ServicePool> pool, std::shared_ptr<AsyncChannel> channel, std::uint32_t instance)
        : pool_(std::move(pool)), channel_(std::move(channel)), instance_(instance) {}
    LeasedWorker(const LeasedWorker&) = delete;
    LeasedWorker& operator=(const LeasedWorker&) = delete;
    ~LeasedWorker();

    // Begins a request; false where the worker has gone.
    template <typename T>
    bool begin(const T& message) {
        at_request_ = true;
        return channel_->send(message);
    }
    // Content, at most kChunkBytes. Empty: its end. False once the worker has gone, or takes nothing for so long.
    Task<bool> put(std::string bytes, std::chrono::seconds time);

    struct Part {
        bool last = false;
        std::string bytes;     // of a Chunk
        ServiceAnswer answer;  // with the last; its bytes are the last part of the answer
    };
    Task<Part> next(std::chrono::seconds time);  // 0: for as long as it takes
    // The answer to a request that has no Chunks.
    Task<ServiceAnswer> finish(std::chrono::seconds time);

    // Ends the worker; whoever waits for it hears at once.
    void end() { channel_->close(); }

private:
    std::shared_ptr<ServicePool> pool_;
    std::shared_ptr<AsyncChannel> channel_;
    std::uint32_t instance_;
    bool at_request_ = false;
};

class ServicePool : public std::enable_shared_from_this<ServicePool> {
public:
    explicit ServicePool(std::shared_ptr<AsyncChannel> spawner) : spawner_(std::move(spawner)) {}

    Task<ServiceAnswer> ask(ServiceRequest request);
    // Waits for a place where too many are leased.
    Task<Result<std::unique_ptr<LeasedWorker>>> lease(std::chrono::seconds patience);

    bool busy() const { return asking_ > 0 || leased_ > 0; }

    // What the spawner says; false where it had no reason to.
    bool take_started(const ipc::ServiceStarted& started, ipc::Packet& packet);
    void take_ended(const ipc::ChildEnded& ended, const std::string& how);
    void end(const std::string& why);

private:
    friend class LeasedWorker;

    struct Asked {
        ServiceRequest request;
        ServiceAnswer answer;
        Promise<Done> finished;
        int tries = 0;
        std::chrono::steady_clock::time_point until{};
    };
    // The shared worker of one kind.
    struct Shared {
        ipc::Service service;
        std::size_t ahead;  // requests that it may have been sent
        std::shared_ptr<AsyncChannel> channel;
        std::uint32_t instance = 0;
        std::deque<std::shared_ptr<Asked>> waiting;
        std::deque<std::shared_ptr<Asked>> sent;  // the first is what it is at
        std::optional<Timer> timer;
        bool starting = false;
        bool sending = false;  // content, or waits for room
        bool timed_out = false;
    };
    struct Instance {
        Promise<Result<int>> started;
        Promise<std::string> ended;
    };

    Shared& shared_of(ipc::Service service);
    void pump(Shared& shared);
    Task<Done> start(Shared& shared);
    Task<Done> listen(Shared& shared);
    Task<Done> send_content(Shared& shared, std::shared_ptr<Asked> asked);
    Task<Done> wait_for_room(Shared& shared);
    void at_front(Shared& shared);
    void watch_time(Shared& shared);
    bool take_answer(Shared& shared, ipc::Packet& packet);
    Task<Result<std::shared_ptr<AsyncChannel>>> start_instance(ipc::Service service, std::uint32_t instance);
    void end_instance(ipc::Service service, std::uint32_t instance);
    Task<std::string> how_it_ended(ipc::Service service, std::uint32_t instance);
    Task<Done> retire(std::uint32_t instance);
    void give_back(std::shared_ptr<AsyncChannel> channel, std::uint32_t instance, bool usable);

    std::shared_ptr<AsyncChannel> spawner_;
    Shared files_{.service = ipc::Service::kFiles, .ahead = 32, .channel = {}, .waiting = {}, .sent = {}, .timer = {}};
    // The vcs worker leaves after an answer when its heap has grown.
    Shared vcs_{.service = ipc::Service::kVcs, .ahead = 1, .channel = {}, .waiting = {}, .sent = {}, .timer = {}};
    // What it drops after an answer takes a while.
    Shared checkpoints_{
        .service = ipc::Service::kCheckpoints, .ahead = 1, .channel = {}, .waiting = {}, .sent = {}, .timer = {}};
    std::map<std::pair<ipc::Service, std::uint32_t>, Instance> instances_;
    std::uint32_t next_instance_ = 0;
    std::size_t asking_ = 0;
    std::size_t leased_ = 0;
    std::vector<std::pair<std::uint32_t, std::shared_ptr<AsyncChannel>>> spare_;
    std::deque<Promise<bool>> lease_waiters_;
    bool over_ = false;
};

}  // namespace toren::broker
