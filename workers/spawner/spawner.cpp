#include "workers/spawner/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>

#include "base/log.h"
#include "ipc/inherited.h"
#include "policy/usage.h"
#include "workers/spawner/service.h"
#include "workers/spawner/slot.h"

namespace toren::spawner {
namespace {

constexpr int kMeasureEvery = 250;  // milliseconds
constexpr std::size_t kMostSlots = 4096;
constexpr std::size_t kMostServices = 16;

}  // namespace

Spawner::Spawner(ipc::Channel supervisor, ipc::CellSettings settings, Guards guards, UniqueFd signals)
    : settings_(std::move(settings)),
      guards_(std::move(guards)),
      signals_(std::move(signals)),
      null_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      supervisor_(std::move(supervisor)),
      proc_(settings_.memory_bytes == 0 ? -1 : ::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)) {}

int Spawner::run() {
    if (!supervisor_.send(ipc::CellReady{})) return 1;
    bool going = true;
    while (going && !retired_) {
        pollfd waiting[] = {{supervisor_.fd(), POLLIN, 0},
                            {broker_.fd(), POLLIN, 0},
                            {signals_.get(), POLLIN, 0},
                            {guards_.fd(), POLLIN, 0}};
        const bool measures =
            proc_ && std::ranges::any_of(slots_, [](const auto& slot) { return slot.second.init.running(); });
        if (::poll(waiting, std::size(waiting), measures ? kMeasureEvery : -1) < 0 && errno != EINTR) break;
        if (measures) hold_memory();
        if (waiting[2].revents != 0) reap();
        if (waiting[3].revents != 0) going = keep_guard();
        if (waiting[1].revents != 0) obey_broker();
        if (waiting[0].revents != 0) going = going && attach_broker();
    }
    slots_.clear();  // before the guards stand down: a command could put something where a name was held
    guards_.release();
    return 0;
}

// What appeared in the segment is guarded too, or the cell ends: its commands would see what they must not. Before the
// first command whatever is new is the host's.
bool Spawner::keep_guard() {
    auto guarded = guards_.refresh(next_slot_ > 1);
    if (!guarded) log_error("the cell ends, for it can no longer be guarded: " + guarded.error().text());
    return static_cast<bool>(guarded);
}

// Where no cgroup holds the segment's memory: every command is told to end its tree, and one that does not is ended.
// Twice in a row, as policy/usage.h asks for.
void Spawner::hold_memory() {
    const auto now = std::chrono::steady_clock::now();
    if (now < next_measure_) return;
    const auto usage = measure_usage(proc_.get(), ::getpid(), settings_.memory_bytes);
    next_measure_ = now + std::chrono::milliseconds(kMeasureEvery);
    const bool over = !usage || usage->memory_bytes > settings_.memory_bytes;
    if (over && over_memory_) {
        log_error("the segment's memory limit is reached: its commands end");
        for (auto& [id, held] : slots_) held.init.kill(std::exchange(held.told_to_end, true) ? SIGKILL : SIGTERM);
    }
    over_memory_ = over;
}

bool Spawner::attach_broker() {
    ipc::Packet packet;
    if (supervisor_.receive(packet) != ipc::Received::kPacket || !packet.as<ipc::AttachBroker>()) return false;
    // What the last broker held has ended with it, but for slots that it never used and those that were to be kept.
    std::erase_if(slots_, [](const auto& slot) { return !slot.second.kept; });
    services_.clear();
    if (!ipc::set_nonblocking(packet.descriptors[0].get())) return false;
    broker_ =
        ipc::Channel(std::move(packet.descriptors[0]), ipc::Role::kSpawner, ipc::Role::kBroker, ipc::Phase::kOpen);
    return true;
}

void Spawner::obey_broker() {
    ipc::Packet packet;
    switch (broker_.receive(packet)) {
        case ipc::Received::kPacket: break;
        case ipc::Received::kNothing: return;
        case ipc::Received::kClosed: return drop_broker("");
        case ipc::Received::kViolation: return drop_broker(broker_.violation());
    }
    if (const auto slot = packet.as<ipc::NewSlot>()) return new_slot(*slot);
    if (auto keep = packet.as<ipc::KeepSlot>()) return keep_slot(std::move(*keep), packet);
    if (const auto next = packet.as<ipc::NextHeld>()) return tell_held(next->after);
    if (const auto drop = packet.as<ipc::DropSlot>()) {
        slots_.erase(drop->id);
        return;
    }
    if (const auto start = packet.as<ipc::StartService>()) return start_service(*start);
    if (const auto end = packet.as<ipc::EndService>()) {
        services_.erase({end->service, end->instance});
        return;
    }
    if (const auto hold = packet.as<ipc::HoldWorktree>()) return hold_worktree(hold->entry);
    if (packet.as<ipc::Retire>()) retired_ = true;
    else drop_broker("a malformed message");
}

void Spawner::new_slot(const ipc::NewSlot& wanted) {
    if (wanted.profile >= settings_.profiles.size())
        return drop_broker("a slot under a profile that the cell does not have");
    if (!keep_guard()) {
        retired_ = true;
        return;
    }
    const std::uint32_t id = next_slot_++;
    auto slot = make_slot(id, settings_, wanted);
    if (!slot) {
        log_error("no slot for a command: " + slot.error().text());
        const int code = slot.error().code != 0 ? slot.error().code : EINVAL;
        return answer(ipc::Slot{0, wanted.request, code}, {null_.get(), null_.get(), null_.get()});
    }
    answer(ipc::Slot{id, wanted.request, 0}, {slot->start.get(), slot->control.get(), slot->log.get()});
    slots_.emplace(id, Held{std::move(slot->group), std::move(slot->init)});
}

// A slot that has ended meanwhile is kept as well: its log tells how.
void Spawner::keep_slot(ipc::KeepSlot keep, ipc::Packet& packet) {
    if (keep.about.size() > ipc::kMostAbout) return drop_broker("it says too much of a slot");
    if (slots_.size() > kMostSlots) return drop_broker("too many slots");
    Held& held = slots_[keep.id];
    held.kept = std::make_unique<Kept>(
        Kept{std::move(keep.about), std::move(packet.descriptors[0]), std::move(packet.descriptors[1])});
}

void Spawner::tell_held(std::uint32_t after) {
    for (auto slot = slots_.upper_bound(after); slot != slots_.end(); ++slot) {
        const auto& kept = slot->second.kept;
        if (kept) return answer(ipc::HeldSlot{slot->first, kept->about}, {kept->control.get(), kept->log.get()});
    }
    answer(ipc::HeldSlot{}, {null_.get(), null_.get()});
}

void Spawner::start_service(const ipc::StartService& request) {
    const auto& [service, instance] = request;
    services_.erase({service, instance});  // ends the one before
    if (services_.size() >= kMostServices) return answer(ipc::ServiceStarted{service, instance, EAGAIN}, {null_.get()});
    auto started = spawn_service(service, settings_);
    if (!started) {
        log_error("a service could not start: " + started.error().text());
        return answer(ipc::ServiceStarted{service, instance, started.error().code}, {null_.get()});
    }
    answer(ipc::ServiceStarted{service, instance, 0}, {started->channel.get()});
    services_.emplace(std::pair(service, instance), std::move(started->process));
}

void Spawner::hold_worktree(const std::string& entry) {
    if (entry.empty() || entry == "." || entry == ".." || entry.find('/') != entry.npos ||
        entry.find('\0') != entry.npos)
        return drop_broker("a worktree's name that is none");
    auto held = guards_.hold_worktree(entry);
    if (held) return answer(ipc::WorktreeHeld{}, {});
    log_error("the cell ends, for it can no longer be guarded: " + held.error().text());
    retired_ = true;
}

void Spawner::reap() {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) > 0) {
    }
    for (auto slot = slots_.begin(); slot != slots_.end();) {
        const auto status = slot->second.init.try_wait();
        if (status && (status->code != 0 || status->signal != 0))
            tell({slot->first, ipc::Service::kFiles, 0, status->code, status->signal});
        if (status) slot->second.group = Group();
        slot = status && !slot->second.kept ? slots_.erase(slot) : std::next(slot);
    }
    for (auto service = services_.begin(); service != services_.end();) {
        const auto status = service->second.try_wait();
        if (status) tell({0, service->first.first, service->first.second, status->code, status->signal});
        service = status ? services_.erase(service) : std::next(service);
    }
}

void Spawner::tell(const ipc::ChildEnded& ended) {
    if (broker_) answer(ended, {});
}

void Spawner::drop_broker(const std::string& why) {
    if (!why.empty()) log_error("broker ended its conversation with this cell by a violation: " + why);
    broker_.close();
}

template <typename T>
void Spawner::answer(const T& message, std::initializer_list<int> descriptors) {
    // A broker that does not read its answers is dropped; this process never waits for it.
    if (auto sent = broker_.send(message, {descriptors.begin(), descriptors.size()}); !sent)
        drop_broker(sent.error().text());
}

}  // namespace toren::spawner
