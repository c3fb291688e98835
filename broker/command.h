// One command in a cell, from its slot to its exit. Its end, or abandon(), ends the process tree.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "broker/async_channel.h"
#include "ipc/messages.h"
#include "ipc/output_log.h"

namespace toren::broker {

class Command {
public:
    // Takes over what a Slot message carried.
    static Result<std::shared_ptr<Command>> from_slot(std::uint32_t id, UniqueFd start, UniqueFd control, UniqueFd log);

    std::uint32_t slot() const { return slot_; }
    bool running() const { return started_ && control_.open(); }

    // False where the slot has died meanwhile.
    bool start(const ipc::Start& request);

    struct Event {
        enum Kind { kOutput, kExited, kLost } kind = kLost;
        ipc::Exited exited;
    };
    // Waits until there is output to read, or the command has ended. Read everything before the next call.
    Task<Event> next();
    // The next piece of output that the last event announced. kMalformed: the cell is hostile; abandon.
    ipc::LogReader::Next read(ipc::Stream& stream, std::string& data);
    // What was read is no longer needed: its space is free again, and the command goes on.
    void consumed();

    // Asks its init to end the whole tree; an exit follows.
    void end();
    // Ends it, and nobody wants to know how it went.
    void abandon() { control_.close(); }

private:
    std::uint32_t slot_ = 0;
    ipc::Channel start_;
    AsyncChannel control_;
    ipc::LogReader log_;
    std::uint64_t until_ = 0;
    bool started_ = false;
};

}  // namespace toren::broker
