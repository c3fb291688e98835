#include "supervisor/probe_command.h"

#include <poll.h>

#include <algorithm>

#include "ipc/output_log.h"

namespace toren::supervisor {
namespace {

constexpr std::size_t kLargestOutput = 65536;

using Deadline = std::chrono::steady_clock::time_point;

// The next packet, before the deadline; everything else is an error that says who failed to say what.
Result<ipc::Packet> next_packet(ipc::Channel& channel, Deadline deadline, const char* awaited) {
    const auto left =
        std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now());
    pollfd waiting{channel.fd(), POLLIN, 0};
    if (::poll(&waiting, 1, static_cast<int>(std::max<std::int64_t>(left.count(), 0))) <= 0)
        return error(std::string("no ") + awaited + " in time");
    ipc::Packet packet;
    switch (channel.receive(packet)) {
        case ipc::Received::kPacket: return packet;
        case ipc::Received::kViolation: return error("instead of " + std::string(awaited) + ": " + channel.violation());
        default: return error(std::string("it ended before ") + awaited);
    }
}

// The text of an Error as one again, so that its way out is known as such.
Error error_of_cell(const std::string& text) {
    const auto end = text.find("; needed: ");
    if (end == std::string::npos) return error(text);
    return Error{0, text.substr(0, end), text.substr(end + 2)};
}

// A broker's end of a conversation with the cell's spawner.
Result<ipc::Channel> attach(CagedProcess& cell, Deadline deadline) {
    TRY_ASSIGN(const auto packet, next_packet(cell.channel, deadline, "CellReady"));
    if (const auto failed = packet.as<ipc::CellFailed>()) return error_of_cell(failed->error);
    const auto ready = packet.as<ipc::CellReady>();
    if (!ready || ready->version != ipc::kProtocolVersion) return error("its spawner is of another build");
    TRY_ASSIGN(auto ends, ipc::socket_pair());
    const int to_spawner[] = {ends.first.get()};
    TRY(cell.channel.send(ipc::AttachBroker{}, to_spawner));
    return ipc::Channel(std::move(ends.second), ipc::Role::kBroker, ipc::Role::kSpawner, ipc::Phase::kOpen);
}

Result<> take_output(ipc::LogReader& log, std::uint64_t end, ProbeCommand& command) {
    ipc::Stream stream{};
    std::string data;
    while (true) {
        switch (log.next(end, stream, data)) {
            case ipc::LogView::Next::kNothing: return Ok{};
            case ipc::LogView::Next::kOverrun:
            case ipc::LogView::Next::kMalformed: return error("a malformed output log");
            case ipc::LogView::Next::kPiece: break;
        }
        auto& text = stream == ipc::Stream::kStdout ? command.output : command.errors;
        text += data.substr(0, kLargestOutput - std::min(kLargestOutput, text.size()));
    }
}

Result<ProbeCommand> follow(ipc::Channel control, ipc::LogReader log, Deadline deadline) {
    ProbeCommand command;
    while (true) {
        TRY_ASSIGN(const auto packet, next_packet(control, deadline, "Exited"));
        const auto exited = packet.as<ipc::Exited>();
        TRY(take_output(log, exited ? exited->place : log.head(), command));
        if (exited) {
            command.exited = *exited;
            return command;
        }
        // Where the command has ended meanwhile nobody reads it, and Exited is there already.
        [[maybe_unused]] const auto told = control.send(ipc::Consumed{log.place()});
    }
}

}  // namespace

Result<ProbeCommand> run_in_cell(CagedProcess& cell, std::vector<std::string> argv, Deadline deadline) {
    TRY_ASSIGN(auto spawner, attach(cell, deadline));
    TRY(spawner.send(ipc::NewSlot{}));
    TRY_ASSIGN(auto packet, next_packet(spawner, deadline, "Slot"));
    const auto slot = packet.as<ipc::Slot>();
    if (!slot) return error("a message that is no Slot");
    if (slot->code != 0) return Error{slot->code, "make a namespace for the command"};
    TRY_ASSIGN(auto log, ipc::LogReader::map(packet.descriptors[2]));
    ipc::Channel start(std::move(packet.descriptors[0]), ipc::Role::kBroker, ipc::Role::kCommand, ipc::Phase::kOpen);
    ipc::Channel control(std::move(packet.descriptors[1]), ipc::Role::kBroker, ipc::Role::kCommand, ipc::Phase::kOpen);
    TRY(start.send(ipc::Start{.argv = std::move(argv), .environment = {}, .cwd = "."}));
    return follow(std::move(control), std::move(log), deadline);
}

}  // namespace toren::supervisor
