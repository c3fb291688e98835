#include "broker/command.h"

namespace toren::broker {

Result<std::shared_ptr<Command>> Command::from_slot(std::uint32_t id, UniqueFd start, UniqueFd control, UniqueFd log) {
    auto command = std::make_shared<Command>();
    TRY_ASSIGN(command->log, ipc::LogView::map(log));
    if (start) TRY(ipc::set_nonblocking(start.get()));
    command->slot = id;
    command->start = ipc::Channel(std::move(start), ipc::Role::kBroker, ipc::Role::kCommand, ipc::Phase::kOpen);
    command->control = AsyncChannel(std::move(control), ipc::Role::kCommand);
    command->log_memory = std::move(log);
    return command;
}

}  // namespace toren::broker
