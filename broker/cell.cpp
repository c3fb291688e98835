#include "broker/cell.h"

#include <algorithm>

#include "base/child_process.h"

namespace toren::broker {

using Clock = std::chrono::steady_clock;

namespace {
constexpr std::uint16_t kOwnProfile = 0;  // the segment's
constexpr std::size_t kReadySlots = 2;
constexpr std::chrono::milliseconds kRefillAfter{2};
}  // namespace

Cell::Cell(std::string segment, OpenedCell opened)
    : segment_(std::move(segment)),
      spawner_(std::make_shared<AsyncChannel>(std::move(opened.spawner), ipc::Role::kSpawner)),
      services_(std::make_shared<ServicePool>(spawner_)),
      profiles_(std::move(opened.profiles)),
      last_used_(Clock::now()) {
    prepare_slot();
}

Task<Done> Cell::listen() {
    const auto self = shared_from_this();
    while (auto packet = co_await spawner_->receive())
        if (!take_packet(*packet)) break;
    end(spawner_->violation().empty() ? "the cell has ended" : "the cell broke a rule: " + spawner_->violation());
    co_return Done{};
}

bool Cell::take_packet(ipc::Packet& packet) {
    if (const auto slot = packet.as<ipc::Slot>()) {
        take_new_slot(*slot, packet);
        return true;
    }
    if (auto held = packet.as<ipc::HeldSlot>()) {
        if (!next_held_) return false;
        const auto waiting = *std::exchange(next_held_, std::nullopt);
        auto& fds = packet.descriptors;
        if (held->id == 0) return waiting.set(HeldCommand{}), true;
        auto command = Command::from_slot(held->id, UniqueFd(), std::move(fds[0]), std::move(fds[1]));
        if (!command) return waiting.set(std::move(command.error())), false;
        waiting.set(HeldCommand{std::move(held->about), std::move(*command)});
        return true;
    }
    if (packet.as<ipc::WorktreeHeld>()) {
        if (worktrees_.empty()) return false;
        worktrees_.front().set(true);
        worktrees_.pop_front();
        return true;
    }
    if (const auto started = packet.as<ipc::ServiceStarted>()) return services_->take_started(*started, packet);
    if (const auto ended = packet.as<ipc::ChildEnded>()) {
        const std::string how = describe({ended->exit_code, ended->signal});
        if (ended->slot == 0) services_->take_ended(*ended, how);
        else std::erase_if(ready_, [&](const auto& command) { return command->slot == ended->slot; });
        return true;
    }
    return false;
}

// --- commands

// False where it cannot be asked for.
bool Cell::prepare_slot() {
    ipc::NewSlot plain;
    plain.request = ++requests_;
    if (!spawner_->send(plain)) return false;
    ordered_.push_back(plain.request);
    return true;
}

void Cell::take_new_slot(const ipc::Slot& slot, ipc::Packet& packet) {
    auto command = [&]() -> Result<std::shared_ptr<Command>> {
        if (slot.code != 0) return Error{slot.code, "make a namespace for the command"};
        auto& fds = packet.descriptors;
        return Command::from_slot(slot.id, std::move(fds[0]), std::move(fds[1]), std::move(fds[2]));
    }();
    if (auto waits = special_.extract(slot.request)) return waits.mapped().set(std::move(command));
    std::erase(ordered_, slot.request);
    if (!waiting_.empty()) {
        waiting_.front().set(std::move(command));
        waiting_.pop_front();
    } else if (command) {
        ready_.push_back(std::move(*command));
    }
}

// Slots are kept ready, so that the next command finds its namespaces made. They are made when this one has had the
// time to start, and most to end: to make one takes as long.
void Cell::refill_soon() {
    if (refill_) return;
    refill_.emplace(kRefillAfter, [this] {
        refill_.reset();
        bool going = alive();
        while (going && ready_.size() + ordered_.size() < waiting_.size() + kReadySlots) going = prepare_slot();
    });
}

std::optional<std::uint16_t> Cell::profile(std::string_view name) const {
    const auto found = std::ranges::find(profiles_, name);
    if (found == profiles_.end()) return std::nullopt;
    return static_cast<std::uint16_t>(found - profiles_.begin());
}

Task<Result<std::shared_ptr<Command>>> Cell::take_slot(ipc::NewSlot wanted) {
    last_used_ = Clock::now();
    if (!alive()) co_return error("the cell has ended");
    if (wanted.profile != kOwnProfile || !wanted.plain()) {
        const NewCommand slot;
        wanted.request = ++requests_;
        special_.emplace(wanted.request, slot);
        const bool sent = co_await spawner_->send_when_possible(wanted);
        if (!sent) co_return error("the cell has ended");
        co_return co_await slot;
    }
    std::shared_ptr<Command> command;
    if (!ready_.empty()) {
        command = std::move(ready_.front());
        ready_.pop_front();
    } else {
        const NewCommand slot;
        waiting_.push_back(slot);
        if (ordered_.size() < waiting_.size()) prepare_slot();
        auto taken = co_await slot;
        if (!taken) co_return std::move(taken.error());
        command = std::move(*taken);
    }
    refill_soon();
    co_return command;
}

std::size_t Cell::running_commands() const {
    return static_cast<std::size_t>(std::ranges::count_if(processes_, [](const auto& process) {
        const auto held = process.lock();
        return held && held->running();
    }));
}

bool Cell::keep(const Process& process) {
    const ipc::KeepSlot keep{process.slot(), process.about().to_json()};
    return keep.about.size() <= ipc::kMostAbout && spawner_->send(keep, process.held_descriptors());
}

void Cell::drop(std::uint32_t slot) { spawner_->send(ipc::DropSlot{slot}); }

Task<Result<Cell::HeldCommand>> Cell::next_held(std::uint32_t after) {
    const Promise<Result<HeldCommand>> answer;
    next_held_ = answer;
    const ipc::NextHeld request{after};
    const bool sent = co_await spawner_->send_when_possible(request);
    if (!sent) co_return error("the cell has ended");
    co_return co_await answer;
}

Task<bool> Cell::hold_worktree(std::string entry) {
    const auto self = shared_from_this();
    const Promise<bool> held;
    worktrees_.push_back(held);
    const ipc::HoldWorktree request{std::move(entry)};
    const bool sent = co_await spawner_->send_when_possible(request);
    if (!sent) co_return false;
    co_return co_await held;
}

// --- the cell's own end

// What has ended and is kept keeps its cell too: its output lies there.
bool Cell::idle_since(Clock::time_point when) {
    std::erase_if(processes_, [](const auto& process) { return process.expired(); });
    return !services_->busy() && last_used_ < when && processes_.empty();
}

void Cell::retire() { spawner_->send(ipc::Retire{}); }

void Cell::end(const std::string& why) {
    spawner_->close();
    refill_.reset();
    ready_.clear();
    for (const auto& waiting : std::exchange(waiting_, {})) waiting.set(error(why));
    for (const auto& [request, waiting] : std::exchange(special_, {})) waiting.set(error(why));
    for (const auto& waiting : std::exchange(worktrees_, {})) waiting.set(false);
    if (next_held_) next_held_->set(error(why));
    services_->end(why);
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
    if (on_opened_) co_await on_opened_(cell);
    if (!sweep_) retire_idle();
    co_return cell;
}

std::shared_ptr<Cell> Cells::find(const std::string& segment) const {
    const auto found = cells_.find(segment);
    return found != cells_.end() && found->second->alive() ? found->second : nullptr;
}

void Cells::end(const std::string& segment) {
    const auto found = cells_.find(segment);
    if (found == cells_.end()) return;
    if (found->second->alive()) found->second->retire();
    cells_.erase(found);
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
