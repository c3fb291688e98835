// One segment's cell as the broker sees it: slots for commands, and its services.
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
#include "broker/process.h"
#include "broker/service_pool.h"
#include "broker/supervisor_link.h"
#include "broker/task.h"
#include "ipc/messages.h"

namespace toren::broker {

class Cell : public std::enable_shared_from_this<Cell> {
public:
    Cell(std::string segment, OpenedCell opened);

    // Reads the spawner until it goes; keep the cell alive meanwhile.
    Task<Done> listen();
    bool alive() const { return spawner_->open(); }
    // Nothing runs or is kept, and nothing was asked since.
    bool idle_since(std::chrono::steady_clock::time_point when);
    void retire();

    // The place of a profile among those that a command may run under; nothing where it has no such profile.
    std::optional<std::uint16_t> profile(std::string_view name) const;
    const std::string& profile_name(std::uint16_t profile) const { return profiles_[profile]; }
    const std::string& segment() const { return segment_; }
    // A confined process that waits for its command. Its `request` is filled in.
    Task<Result<std::shared_ptr<Command>>> take_slot(ipc::NewSlot wanted);
    // The cell counts it among its own, and does not end while it is there.
    void hold(const std::shared_ptr<Process>& process) { processes_.push_back(process); }
    // From here on it outlives this broker, until drop(). False where the cell has ended.
    bool keep(const Process& process);
    void drop(std::uint32_t slot);
    // What an earlier broker kept, one after another; `command` is null at the end.
    struct HeldCommand {
        std::string about;
        std::shared_ptr<Command> command;
    };
    Task<Result<HeldCommand>> next_held(std::uint32_t after);
    // A workspace has been made beside it. False where the cell has ended.
    Task<bool> hold_worktree(std::string entry);
    ServicePool& services() {
        last_used_ = std::chrono::steady_clock::now();
        return *services_;
    }

    std::size_t running_commands() const;

private:
    bool take_packet(ipc::Packet& packet);
    void take_new_slot(const ipc::Slot& slot, ipc::Packet& packet);
    using NewCommand = Promise<Result<std::shared_ptr<Command>>>;
    bool prepare_slot();
    void refill_soon();
    void end(const std::string& why);

    std::string segment_;
    std::shared_ptr<AsyncChannel> spawner_;
    std::shared_ptr<ServicePool> services_;
    std::vector<std::string> profiles_;
    std::uint32_t requests_ = 0;
    std::deque<std::shared_ptr<Command>> ready_;  // plain slots under the segment's own profile
    std::deque<std::uint32_t> ordered_;           // those that were asked for and have not yet come, by request
    std::optional<Timer> refill_;
    std::deque<NewCommand> waiting_;               // for one of those
    std::map<std::uint32_t, NewCommand> special_;  // all others, by request
    std::optional<Promise<Result<HeldCommand>>> next_held_;
    std::deque<Promise<bool>> worktrees_;  // those that are still to be held
    std::vector<std::weak_ptr<Process>> processes_;
    std::chrono::steady_clock::time_point last_used_;
};

// Every cell in use, by segment name.
class Cells {
public:
    Cells(SupervisorLink& link, std::chrono::seconds idle_time) : link_(link), idle_time_(idle_time) {}
    // What is done with a cell before anybody gets it.
    void on_opened(std::function<Task<Done>(std::shared_ptr<Cell>)> work) { on_opened_ = std::move(work); }
    Task<Result<std::shared_ptr<Cell>>> open(std::string segment);
    // The one that lives; nothing where it must be opened.
    std::shared_ptr<Cell> find(const std::string& segment) const;
    // Ends it; the next one who asks gets another.
    void end(const std::string& segment);

private:
    void retire_idle();

    SupervisorLink& link_;
    std::chrono::seconds idle_time_;
    std::function<Task<Done>(std::shared_ptr<Cell>)> on_opened_;
    std::map<std::string, std::shared_ptr<Cell>> cells_;
    std::map<std::string, std::shared_ptr<Turns>> opening_;
    std::optional<Timer> sweep_;
};

}  // namespace toren::broker
