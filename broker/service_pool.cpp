#include "broker/service_pool.h"

#include "base/child_process.h"

namespace toren::broker {

using Clock = std::chrono::steady_clock;
using Trouble = ServiceAnswer::Trouble;

namespace {

constexpr std::chrono::milliseconds kReasonTime{500};
constexpr std::size_t kMostLeased = 8;  // the spawner holds 16 services, those too that are on their way out
constexpr std::chrono::seconds kTidyTime{5};
constexpr std::size_t kMostSpare = 2;

std::string too_slow(std::chrono::seconds time, const char* limit = "limits.service_seconds") {
    return "no answer within " + std::to_string(time.count()) + " s (" + limit + ")";
}

std::string died(const std::string& how) { return "the worker for this segment " + how + "; try again"; }

}  // namespace

// --- instances

Task<Result<std::shared_ptr<AsyncChannel>>> ServicePool::start_instance(ipc::Service service, std::uint32_t instance) {
    const auto self = shared_from_this();
    const std::pair key(service, instance);
    if (!spawner_->send(ipc::StartService{service, instance})) co_return error("the cell has ended");
    const auto started = instances_[key].started;
    auto fd = co_await started;
    if (!fd) {
        instances_.erase(key);
        co_return std::move(fd.error());
    }
    co_return std::make_shared<AsyncChannel>(UniqueFd(*fd), ipc::Role::kService);
}

bool ServicePool::take_started(const ipc::ServiceStarted& started, ipc::Packet& packet) {
    const auto found = instances_.find({started.service, started.instance});
    if (found == instances_.end() || found->second.started.is_set()) return false;
    if (started.code == 0) found->second.started.set(packet.descriptors[0].release());
    else found->second.started.set(Error{started.code, "start a worker"});
    return true;
}

void ServicePool::take_ended(const ipc::ChildEnded& ended, const std::string& how) {
    const auto found = instances_.find({ended.service, ended.instance});
    if (found != instances_.end()) found->second.ended.set(how);
}

void ServicePool::end_instance(ipc::Service service, std::uint32_t instance) {
    instances_.erase({service, instance});
    spawner_->send(ipc::EndService{service, instance});
}

// The spawner tells how a moment after the channel has ended.
Task<std::string> ServicePool::how_it_ended(ipc::Service service, std::uint32_t instance) {
    const auto found = instances_.find({service, instance});
    if (found == instances_.end()) co_return "ended";
    const auto ended = found->second.ended;
    const Timer limit(kReasonTime, [ended] { ended.set("ended"); });
    std::string how = co_await ended;
    co_return how;
}

void ServicePool::end(const std::string& why) {
    over_ = true;
    for (const auto& [key, instance] : instances_) {
        instance.started.set(error(why));
        instance.ended.set("ended with its cell");
    }
    spare_.clear();
    for (const auto& waiter : std::exchange(lease_waiters_, {})) waiter.set(false);
}

// --- the shared workers

ServicePool::Shared& ServicePool::shared_of(ipc::Service service) {
    switch (service) {
        case ipc::Service::kFiles: return files_;
        case ipc::Service::kVcs: return vcs_;
        case ipc::Service::kCheckpoints: break;
    }
    return checkpoints_;
}

Task<ServiceAnswer> ServicePool::ask(ServiceRequest request) {
    const auto self = shared_from_this();
    Shared& shared = shared_of(request.service);
    const auto asked = std::make_shared<Asked>();
    asked->request = std::move(request);
    ++asking_;
    shared.waiting.push_back(asked);
    pump(shared);
    co_await asked->finished;
    --asking_;
    co_return std::move(asked->answer);
}

// Sends what can be sent.
void ServicePool::pump(Shared& shared) {
    if (!shared.channel) {
        if (!shared.starting && !shared.waiting.empty()) spawn(start(shared));
        return;
    }
    if (!shared.channel->open()) return;  // listen() is about to hear of it
    while (!shared.waiting.empty() && !shared.sending && shared.sent.size() < shared.ahead) {
        const auto next = shared.waiting.front();
        const Sent sent = next->request.send(*shared.channel);
        if (sent == Sent::kFull) {
            shared.sending = true;
            spawn(wait_for_room(shared));
            return;
        }
        if (sent == Sent::kNo) {
            // It has ended since its last answer: listen() sees that, and another takes the request. Once.
            if (++next->tries > 1) {
                shared.waiting.pop_front();
                next->answer.trouble = Trouble::kWorkerDied;
                next->answer.error = died("ended");
                next->finished.set({});
            }
            shared.channel->close();
            return;
        }
        shared.waiting.pop_front();
        shared.sent.push_back(next);
        if (shared.sent.size() == 1) at_front(shared);
        if (next->request.has_content) {
            shared.sending = true;
            spawn(send_content(shared, next));
        }
    }
}

Task<Done> ServicePool::wait_for_room(Shared& shared) {
    const auto self = shared_from_this();
    const auto channel = shared.channel;
    co_await channel->writable();
    if (shared.channel != channel) co_return Done{};
    shared.sending = false;
    pump(shared);
    co_return Done{};
}

Task<Done> ServicePool::send_content(Shared& shared, std::shared_ptr<Asked> asked) {
    const auto self = shared_from_this();
    const auto channel = shared.channel;
    std::string_view rest = asked->request.content;  // kept: another worker may have to get it
    bool going = true;
    while (going && !rest.empty()) {
        const auto part = rest.substr(0, ipc::kChunkBytes);
        rest.remove_prefix(part.size());
        const ipc::Chunk chunk{std::string(part)};
        going = co_await channel->send_when_possible(chunk);
    }
    const ipc::Chunk end;
    if (going) going = co_await channel->send_when_possible(end);
    if (shared.channel != channel) co_return Done{};
    shared.sending = false;
    if (!going) channel->close();
    pump(shared);
    co_return Done{};
}

Task<Done> ServicePool::start(Shared& shared) {
    const auto self = shared_from_this();
    shared.starting = true;
    shared.instance = next_instance_++;
    auto channel = co_await start_instance(shared.service, shared.instance);
    shared.starting = false;
    if (!channel) {
        for (const auto& asked : std::exchange(shared.waiting, {})) {
            asked->answer.trouble = Trouble::kNoWorker;
            asked->answer.error = channel.error().text();
            asked->finished.set({});
        }
        co_return Done{};
    }
    shared.channel = std::move(*channel);
    shared.sending = shared.timed_out = false;
    spawn(listen(shared));
    pump(shared);
    co_return Done{};
}

Task<Done> ServicePool::listen(Shared& shared) {
    const auto self = shared_from_this();
    const auto channel = shared.channel;
    const auto instance = shared.instance;
    bool going = true;
    while (going) {
        auto packet = co_await channel->receive();
        going = packet && take_answer(shared, *packet);
        if (going) pump(shared);
    }
    channel->close();
    // Its place is free at once: nothing below waits for how it ended but the request that it was at.
    shared.channel.reset();
    shared.sending = false;
    const bool timed_out = shared.timed_out;
    auto sent = std::exchange(shared.sent, {});
    while (sent.size() > 1) {  // those that it had not begun
        sent.back()->answer = {};
        shared.waiting.push_front(sent.back());
        sent.pop_back();
    }
    pump(shared);
    if (!sent.empty()) {
        const auto first = sent.front();
        first->answer = {};
        first->answer.trouble = timed_out ? Trouble::kTime : Trouble::kWorkerDied;
        if (timed_out) first->answer.error = too_slow(first->request.time, first->request.time_limit);
        else first->answer.error = died(co_await how_it_ended(shared.service, instance));
        first->finished.set({});
    }
    end_instance(shared.service, instance);
    co_return Done{};
}

// False where it broke a rule.
bool ServicePool::take_answer(Shared& shared, ipc::Packet& packet) {
    if (shared.sent.empty()) return false;
    const auto first = shared.sent.front();
    ServiceAnswer& answer = first->answer;
    if (auto chunk = packet.as<ipc::Chunk>()) {
        answer.bytes += chunk->bytes;
        return answer.bytes.size() <= first->request.max_answer;
    }
    if (auto done = packet.as<ipc::Done>()) {
        answer.failure = done->failure;
        answer.error = std::move(done->error);
        answer.result = std::move(done->result);
        if (answer.bytes.empty()) answer.bytes = std::move(done->bytes);
        else answer.bytes += done->bytes;
        if (answer.bytes.size() > first->request.max_answer) return false;
    } else if (packet.type == ipc::Type::kOpened) {
        answer.result = std::move(packet.payload);
        answer.file = std::move(packet.descriptors[0]);
    } else {
        return false;
    }
    // An answer before its request was whole would leave the two out of step.
    if (shared.sending && shared.sent.size() == 1 && first->request.has_content) return false;
    shared.sent.pop_front();
    if (!shared.sent.empty()) at_front(shared);
    first->finished.set({});
    return true;
}

void ServicePool::at_front(Shared& shared) {
    const auto& first = shared.sent.front();
    first->until = Clock::now() + first->request.time;
    if (!shared.timer) watch_time(shared);
}

// One timer for all of them, which looks again when the one that it was set for has long been answered.
void ServicePool::watch_time(Shared& shared) {
    shared.timer.reset();
    if (shared.sent.empty()) return;
    const auto left = shared.sent.front()->until - Clock::now();
    if (left <= Clock::duration::zero()) {
        shared.timed_out = true;
        if (shared.channel) shared.channel->close();
        return;
    }
    const auto wait = std::chrono::duration_cast<std::chrono::milliseconds>(left) + std::chrono::milliseconds(1);
    shared.timer.emplace(wait, [weak = weak_from_this(), &shared] {
        if (const auto self = weak.lock()) post([self, &shared] { self->watch_time(shared); });
    });
}

// --- leased ones

Task<Result<std::unique_ptr<LeasedWorker>>> ServicePool::lease(std::chrono::seconds patience) {
    const auto self = shared_from_this();
    if (leased_ >= kMostLeased) {
        const Promise<bool> place;
        lease_waiters_.push_back(place);
        const Timer limit(patience, [place] { place.set(false); });
        const bool given = co_await place;
        if (!given) co_return error("too many long requests are under way in this segment");
    } else {
        ++leased_;
    }
    while (!spare_.empty()) {
        auto [instance, channel] = std::move(spare_.back());
        spare_.pop_back();
        if (channel->open()) co_return std::make_unique<LeasedWorker>(self, std::move(channel), instance);
    }
    const std::uint32_t instance = next_instance_++;
    auto channel = co_await start_instance(ipc::Service::kFiles, instance);
    if (!channel) {
        give_back(nullptr, instance, false);
        co_return std::move(channel.error());
    }
    co_return std::make_unique<LeasedWorker>(self, std::move(*channel), instance);
}

void ServicePool::give_back(std::shared_ptr<AsyncChannel> channel, std::uint32_t instance, bool usable) {
    if (usable && !over_ && channel->open() && spare_.size() < kMostSpare) {
        spare_.emplace_back(instance, std::move(channel));
    } else if (channel) {
        channel->close();
        spawn(retire(instance));
    }
    // The place goes to who has waited longest and still does.
    while (!lease_waiters_.empty()) {
        const auto next = lease_waiters_.front();
        lease_waiters_.pop_front();
        if (next.is_set()) continue;
        next.set(true);
        return;
    }
    --leased_;
}

// It hears that its channel has ended, removes what it has begun and leaves.
Task<Done> ServicePool::retire(std::uint32_t instance) {
    const auto self = shared_from_this();
    const auto found = instances_.find({ipc::Service::kFiles, instance});
    if (found == instances_.end()) co_return Done{};
    const auto ended = found->second.ended;
    {
        const Timer limit(kTidyTime, [ended] { ended.set("was ended"); });
        co_await ended;
    }
    end_instance(ipc::Service::kFiles, instance);
    co_return Done{};
}

LeasedWorker::~LeasedWorker() { pool_->give_back(std::move(channel_), instance_, !at_request_); }

Task<bool> LeasedWorker::put(std::string bytes, std::chrono::seconds time) {
    const ipc::Chunk chunk{std::move(bytes)};
    const Sent sent = channel_->try_send(chunk);
    if (sent != Sent::kFull) co_return sent == Sent::kYes;
    const Timer limit(time, [channel = channel_] { channel->close(); });
    const bool put = co_await channel_->send_when_possible(chunk);
    co_return put;
}

Task<LeasedWorker::Part> LeasedWorker::next(std::chrono::seconds time) {
    Part part;
    bool timed_out = false;
    std::optional<Timer> limit;
    if (time.count() != 0)
        limit.emplace(time, [&timed_out, channel = channel_] {
            timed_out = true;
            channel->close();
        });
    auto packet = co_await channel_->receive();
    limit.reset();
    if (packet) {
        if (auto chunk = packet->as<ipc::Chunk>()) {
            part.bytes = std::move(chunk->bytes);
            co_return part;
        }
        part.last = true;
        if (auto done = packet->as<ipc::Done>()) {
            at_request_ = false;
            part.answer.failure = done->failure;
            part.answer.error = std::move(done->error);
            part.answer.result = std::move(done->result);
            part.answer.bytes = std::move(done->bytes);
            co_return part;
        }
    }
    part.last = true;
    channel_->close();
    part.answer.trouble = timed_out ? Trouble::kTime : Trouble::kWorkerDied;
    if (timed_out) part.answer.error = too_slow(time);
    else part.answer.error = died(co_await pool_->how_it_ended(ipc::Service::kFiles, instance_));
    co_return part;
}

Task<ServiceAnswer> LeasedWorker::finish(std::chrono::seconds time) {
    auto part = co_await next(time);
    if (part.last) co_return std::move(part.answer);
    channel_->close();
    ServiceAnswer answer;
    answer.trouble = Trouble::kWorkerDied;
    answer.error = died("sent what it was not asked for");
    co_return answer;
}

}  // namespace toren::broker
