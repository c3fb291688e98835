// The spawner's loop: what the supervisor and the broker may ask of it, and the children it holds.
#pragma once

#include <chrono>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <utility>

#include "base/child_process.h"
#include "base/unique_fd.h"
#include "ipc/channel.h"
#include "ipc/messages.h"
#include "policy/cgroup.h"
#include "policy/guards.h"

namespace toren::spawner {

class Spawner {
public:
    Spawner(ipc::Channel supervisor, ipc::CellSettings settings, Guards guards, UniqueFd signals);
    // Until the supervisor goes or the broker retires the cell; the kernel then ends whatever is left in it.
    int run();

private:
    bool attach_broker();
    bool keep_guard();
    void hold_memory();
    void obey_broker();
    void new_slot(const ipc::NewSlot& wanted);
    void keep_slot(ipc::KeepSlot keep, ipc::Packet& packet);
    void tell_held(std::uint32_t after);
    void start_service(const ipc::StartService& request);
    void hold_worktree(const std::string& entry);
    void reap();
    void tell(const ipc::ChildEnded& ended);
    // The broker broke a rule or went away: the cell waits for the next one.
    void drop_broker(const std::string& why);
    template <typename T>
    void answer(const T& message, std::initializer_list<int> descriptors);

    // What the next broker gets: the ends that a broker has of the slot, and what the last one said of it.
    struct Kept {
        std::string about;
        UniqueFd control, log;
    };
    struct Held {
        Group group;  // before its init, so that it ends after it
        ChildProcess init;
        bool told_to_end = false;
        std::unique_ptr<Kept> kept = nullptr;  // where it outlives its broker
    };

    ipc::CellSettings settings_;
    Guards guards_;
    UniqueFd signals_;
    UniqueFd null_;
    ipc::Channel supervisor_;
    ipc::Channel broker_;
    std::map<std::uint32_t, Held> slots_;
    std::map<std::pair<ipc::Service, std::uint32_t>, ChildProcess> services_;  // by kind and the broker's number
    UniqueFd proc_;  // the cell's, where its memory has to be measured
    std::chrono::steady_clock::time_point next_measure_{};
    bool over_memory_ = false;  // at the last look
    std::uint32_t next_slot_ = 1;
    bool retired_ = false;
};

}  // namespace toren::spawner
