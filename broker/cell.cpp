#include "broker/cell.h"

#include <algorithm>

#include "base/child_process.h"

namespace toren::broker {

using Clock = std::chrono::steady_clock;

namespace {
constexpr std::chrono::milliseconds kReasonTime{500};
constexpr std::uint16_t kOwnProfile = 0;  // the segment's
}  // namespace

Cell::Cell(std::string segment, OpenedCell opened)
    : segment_(std::move(segment)),
      spawner_(std::move(opened.spawner), ipc::Role::kSpawner),
      profiles_(std::move(opened.profiles)),
      last_used_(Clock::now()) {
    prepare_slot(kOwnProfile);
}

Task<Done> Cell::listen() {
    const auto self = shared_from_this();
    while (auto packet = co_await spawner_.receive())
        if (!take_packet(*packet)) break;
    end(spawner_.violation().empty() ? "the cell has ended" : "the cell broke a rule: " + spawner_.violation());
    co_return Done{};
}

bool Cell::take_packet(ipc::Packet& packet) {
    if (const auto slot = packet.as<ipc::Slot>()) {
        take_new_slot(*slot, packet);
        return true;
    }
    if (const auto started = packet.as<ipc::ServiceStarted>()) {
        Worker& worker = workers_[static_cast<int>(started->service)];
        if (worker.starting.empty()) return false;
        const auto waiting = worker.starting.front();
        worker.starting.erase(worker.starting.begin());
        if (started->code == 0) waiting.set(packet.descriptors[0].release());
        else waiting.set(Error{started->code, "start a worker"});
        return true;
    }
    if (const auto ended = packet.as<ipc::ChildEnded>()) {
        const std::string how = describe({ended->exit_code, ended->signal});
        if (ended->slot == 0) service_ended(workers_[static_cast<int>(ended->service)], how);
        else std::erase_if(ready_, [&](const auto& command) { return command->slot() == ended->slot; });
        return true;
    }
    return false;
}

// --- commands

void Cell::prepare_slot(std::uint16_t profile) {
    if (spawner_.send(ipc::NewSlot{profile}) && profile == kOwnProfile) ++ordered_;
}

void Cell::take_new_slot(const ipc::Slot& slot, ipc::Packet& packet) {
    if (slot.profile == kOwnProfile && ordered_ > 0) --ordered_;
    auto command = [&]() -> Result<std::shared_ptr<Command>> {
        if (slot.code != 0) return Error{slot.code, "make a namespace for the command"};
        auto& fds = packet.descriptors;
        return Command::from_slot(slot.id, std::move(fds[0]), std::move(fds[1]), std::move(fds[2]));
    }();
    const auto waits = std::ranges::find(waiting_, slot.profile, &Waiting::profile);
    if (waits != waiting_.end()) {
        waits->slot.set(std::move(command));
        waiting_.erase(waits);
    } else if (command && slot.profile == kOwnProfile) {
        ready_.push_back(std::move(*command));
    }
}

std::optional<std::uint16_t> Cell::profile(std::string_view name) const {
    const auto found = std::ranges::find(profiles_, name);
    if (found == profiles_.end()) return std::nullopt;
    return static_cast<std::uint16_t>(found - profiles_.begin());
}

Task<Result<std::shared_ptr<Command>>> Cell::take_slot(std::uint16_t profile) {
    last_used_ = Clock::now();
    if (!alive()) co_return error("the cell has ended");
    const bool own = profile == kOwnProfile;
    std::shared_ptr<Command> command;
    if (own && !ready_.empty()) {
        command = std::move(ready_.front());
        ready_.pop_front();
    } else {
        Promise<Result<std::shared_ptr<Command>>> slot;
        waiting_.push_back({profile, slot});
        if (!own || ordered_ < waiting_for_own()) prepare_slot(profile);
        auto taken = co_await slot;
        if (!taken) co_return std::move(taken.error());
        command = std::move(*taken);
    }
    std::erase_if(taken_, [](const auto& old) { return old.expired(); });
    taken_.push_back(command);
    // One slot is kept ready, so that the next command finds its namespaces made. After this one has been started.
    if (own)
        post([self = shared_from_this()] {
            if (self->ready_.size() + self->ordered_ <= self->waiting_for_own()) self->prepare_slot(kOwnProfile);
        });
    co_return command;
}

std::size_t Cell::waiting_for_own() const {
    return static_cast<std::size_t>(std::ranges::count(waiting_, kOwnProfile, &Waiting::profile));
}

std::size_t Cell::running_commands() const {
    return static_cast<std::size_t>(std::count_if(taken_.begin(), taken_.end(), [](const auto& command) {
        const auto held = command.lock();
        return held && held->running();
    }));
}

// --- services

void Cell::service_ended(Worker& worker, const std::string& how) {
    worker.ended.set(how);
    // Nobody waits for it: the next request starts another, and its client never hears of this one.
    if (!worker.talking && worker.channel) worker.channel->close();
}

Task<Result<std::shared_ptr<AsyncChannel>>> Cell::worker_channel(ipc::Service service) {
    Worker& worker = workers_[static_cast<int>(service)];
    if (worker.channel && worker.channel->open()) co_return worker.channel;
    Promise<Result<int>> started;
    worker.starting.push_back(started);
    if (!spawner_.send(ipc::StartService{service})) {
        worker.starting.pop_back();
        co_return error("the cell has ended");
    }
    auto fd = co_await started;
    if (!fd) co_return std::move(fd.error());
    worker.channel = std::make_shared<AsyncChannel>(UniqueFd(*fd), ipc::Role::kService);
    worker.ended = {};
    co_return worker.channel;
}

Task<ServiceAnswer> Cell::ask(ServiceRequest request) {
    const auto self = shared_from_this();
    last_used_ = Clock::now();
    Worker& worker = workers_[static_cast<int>(request.service)];
    ++asking_;
    const auto turn = co_await worker.turns.take();
    auto channel = co_await worker_channel(request.service);
    // A worker may have ended since its last answer (the vcs worker does when its heap has grown): one that cannot even
    // take the request is replaced at once. One that dies over a request is reported.
    if (channel && !request.send(**channel)) {
        (*channel)->close();
        channel = co_await worker_channel(request.service);
        if (channel && !request.send(**channel)) (*channel)->close();
    }
    ServiceAnswer answer;
    if (channel) {
        worker.talking = true;
        answer = co_await converse(*channel, request);
        worker.talking = false;
        if (answer.trouble == ServiceAnswer::Trouble::kWorkerDied) {
            // The spawner tells how a moment after the channel has ended.
            const Timer limit(kReasonTime, [ended = worker.ended] { ended.set("ended"); });
            const std::string how = co_await worker.ended;
            answer.error = "the worker for this segment " + how + "; try again";
        }
    } else {
        answer.trouble = ServiceAnswer::Trouble::kNoWorker;
        answer.error = channel.error().text();
    }
    --asking_;
    last_used_ = Clock::now();
    co_return answer;
}

Task<ServiceAnswer> Cell::converse(std::shared_ptr<AsyncChannel> channel, const ServiceRequest& request) {
    ServiceAnswer answer;
    bool timed_out = false;
    // A worker that takes too long is ended with its channel's end; the next request starts another.
    const Timer limit(request.time, [&] {
        timed_out = true;
        channel->close();
    });
    bool going = channel->open();
    if (request.has_content) {
        std::string_view rest = request.content;
        while (going && !rest.empty()) {
            const auto part = rest.substr(0, ipc::kChunkBytes);
            rest.remove_prefix(part.size());
            const ipc::Chunk chunk{std::string(part)};
            going = co_await channel->send_when_possible(chunk);
        }
        const ipc::Chunk end;
        if (going) going = co_await channel->send_when_possible(end);
    }
    while (going) {
        auto packet = co_await channel->receive();
        if (!packet) break;
        if (auto chunk = packet->as<ipc::Chunk>()) {
            answer.bytes += chunk->bytes;
            if (answer.bytes.size() > request.max_answer) break;
        } else if (auto done = packet->as<ipc::Done>()) {
            answer.failure = done->failure;
            answer.error = std::move(done->error);
            co_return answer;
        } else {
            break;
        }
    }
    channel->close();
    answer.trouble = timed_out ? ServiceAnswer::Trouble::kTime : ServiceAnswer::Trouble::kWorkerDied;
    if (timed_out)
        answer.error = "no answer within " + std::to_string(request.time.count()) + " s (limits.service_seconds)";
    co_return answer;
}

// --- the cell's own end

bool Cell::idle_since(Clock::time_point when) const {
    return asking_ == 0 && last_used_ < when && running_commands() == 0;
}

void Cell::retire() { spawner_.send(ipc::Retire{}); }

void Cell::end(const std::string& why) {
    spawner_.close();
    ready_.clear();
    for (const auto& waiting : std::exchange(waiting_, {})) waiting.slot.set(error(why));
    for (Worker& worker : workers_)
        for (const auto& waiting : std::exchange(worker.starting, {})) waiting.set(error(why));
}

// --- all of them

Task<Result<std::shared_ptr<Cell>>> Cells::open(std::string segment) {
    auto& turns = opening_[segment];
    if (!turns) turns = std::make_shared<Turns>();
    const auto held = turns;
    const auto turn = co_await held->take();
    if (const auto found = cells_.find(segment); found != cells_.end()) {
        if (found->second->alive()) co_return found->second;
        cells_.erase(found);
    }
    auto opened = co_await link_.open_cell(segment);
    if (!opened) co_return std::move(opened.error());
    auto cell = std::make_shared<Cell>(segment, std::move(*opened));
    cells_.emplace(segment, cell);
    spawn(cell->listen());
    if (!sweep_) retire_idle();
    co_return cell;
}

void Cells::retire_idle() {
    const auto since = Clock::now() - idle_time_;
    for (auto entry = cells_.begin(); entry != cells_.end();) {
        if (entry->second->alive() && entry->second->idle_since(since)) entry->second->retire();
        entry = entry->second->alive() ? std::next(entry) : cells_.erase(entry);
    }
    sweep_.reset();
    if (!cells_.empty())
        sweep_.emplace(std::min<std::chrono::milliseconds>(std::chrono::seconds(10), idle_time_),
                       [this] { retire_idle(); });
}

}  // namespace toren::broker
