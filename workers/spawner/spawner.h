// The spawner's loop: what the supervisor and the broker may ask of it, and the children it holds.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>

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
    void obey_broker();
    void new_slot(std::uint16_t profile);
    void start_service(ipc::Service service);
    void reap();
    void tell(const ipc::ChildEnded& ended);
    // The broker broke a rule or went away: the cell waits for the next one.
    void drop_broker(const std::string& why);
    template <typename T>
    void answer(const T& message, std::initializer_list<int> descriptors);

    struct Held {
        ChildProcess init;
        CommandGroup group;
    };

    ipc::CellSettings settings_;
    Guards guards_;
    UniqueFd signals_;
    UniqueFd null_;
    ipc::Channel supervisor_;
    ipc::Channel broker_;
    std::unordered_map<std::uint32_t, Held> slots_;
    ChildProcess services_[2];
    std::uint32_t next_slot_ = 1;
    bool retired_ = false;
};

}  // namespace toren::spawner
