#include "broker/command.h"

namespace toren::broker {

Result<std::shared_ptr<Command>> Command::from_slot(std::uint32_t id, UniqueFd start, UniqueFd control, UniqueFd log) {
    auto command = std::make_shared<Command>();
    TRY_ASSIGN(command->log_, ipc::LogReader::map(std::move(log)));
    TRY(ipc::set_nonblocking(start.get()));
    command->slot_ = id;
    command->start_ = ipc::Channel(std::move(start), ipc::Role::kBroker, ipc::Role::kCommand, ipc::Phase::kOpen);
    command->control_ = AsyncChannel(std::move(control), ipc::Role::kCommand);
    return command;
}

bool Command::start(const ipc::Start& request) {
    started_ = static_cast<bool>(start_.send(request));
    start_.close();
    return started_;
}

Task<Command::Event> Command::next() {
    auto packet = co_await control_.receive();
    Event event;
    if (packet && packet->as<ipc::Output>()) {
        event.kind = Event::kOutput;
        until_ = log_.head();
    } else if (const auto exited = packet ? packet->as<ipc::Exited>() : std::nullopt) {
        event.kind = Event::kExited;
        event.exited = *exited;
        until_ = exited->position;
    }
    if (event.kind == Event::kLost) control_.close();
    co_return event;
}

ipc::LogReader::Next Command::read(ipc::Stream& stream, std::string& data) { return log_.next(until_, stream, data); }

void Command::consumed() { control_.send(ipc::Consumed{log_.position()}); }

void Command::end() { control_.send(ipc::EndCommand{}); }

}  // namespace toren::broker
