#include "workers/spawner/spawner.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "base/log.h"
#include "ipc/inherited.h"
#include "workers/spawner/service.h"
#include "workers/spawner/slot.h"

namespace toren::spawner {

Spawner::Spawner(CellSettings settings, UniqueFd signals)
    : settings_(std::move(settings)),
      signals_(std::move(signals)),
      null_(::open("/dev/null", O_RDWR | O_CLOEXEC)),
      supervisor_(UniqueFd(ipc::kSpawnerSupervisorFd), ipc::Role::kSpawner, ipc::Role::kSupervisor,
                  ipc::Phase::kGreeting) {}

int Spawner::run() {
    if (!supervisor_.send(ipc::CellReady{})) return 1;
    while (!retired_) {
        pollfd waiting[] = {{supervisor_.fd(), POLLIN, 0}, {broker_.fd(), POLLIN, 0}, {signals_.get(), POLLIN, 0}};
        if (::poll(waiting, std::size(waiting), -1) < 0 && errno != EINTR) return 1;
        if (waiting[2].revents != 0) reap();
        if (waiting[1].revents != 0) obey_broker();
        if (waiting[0].revents != 0 && !attach_broker()) return 0;
    }
    return 0;
}

bool Spawner::attach_broker() {
    ipc::Packet packet;
    if (supervisor_.receive(packet) != ipc::Received::kPacket || !packet.as<ipc::AttachBroker>()) return false;
    slots_.clear();  // what the last broker held has ended with it, but for slots that it never used
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
    if (packet.as<ipc::NewSlot>()) return new_slot();
    if (const auto start = packet.as<ipc::StartService>()) return start_service(start->service);
    if (packet.as<ipc::Retire>()) retired_ = true;
    else drop_broker("a malformed message");
}

void Spawner::new_slot() {
    auto slot = make_slot(settings_.ring_bytes, settings_.landlock);
    if (!slot) {
        log_error("no slot for a command: " + slot.error().text());
        return answer(ipc::Slot{0, slot.error().code}, {null_.get(), null_.get(), null_.get()});
    }
    const std::uint32_t id = next_slot_++;
    answer(ipc::Slot{id, 0}, {slot->start.get(), slot->control.get(), slot->log.get()});
    slots_.emplace(id, std::move(slot->init));
}

void Spawner::start_service(ipc::Service service) {
    ChildProcess& child = services_[static_cast<int>(service)];
    child = ChildProcess();  // ends the one before: it hangs, or its broker has gone
    auto started = spawn_service(service, settings_);
    if (!started) {
        log_error("a service could not start: " + started.error().text());
        return answer(ipc::ServiceStarted{service, started.error().code}, {null_.get()});
    }
    answer(ipc::ServiceStarted{service, 0}, {started->channel.get()});
    child = std::move(started->process);
}

void Spawner::reap() {
    signalfd_siginfo info;
    while (::read(signals_.get(), &info, sizeof info) > 0) {
    }
    for (auto slot = slots_.begin(); slot != slots_.end();) {
        const auto status = slot->second.try_wait();
        if (status && (status->code != 0 || status->signal != 0))
            tell({slot->first, ipc::Service::kFiles, status->code, status->signal});
        slot = status ? slots_.erase(slot) : std::next(slot);
    }
    for (const auto service : {ipc::Service::kFiles, ipc::Service::kVcs})
        if (const auto status = services_[static_cast<int>(service)].try_wait())
            tell({0, service, status->code, status->signal});
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
