// What every connection of the broker shares.
#pragma once

#include <memory>

#include "broker/ancillaries.h"
#include "broker/auth.h"
#include "broker/cell.h"
#include "broker/processes.h"
#include "broker/store.h"
#include "broker/supervisor_link.h"
#include "broker/workspaces.h"
#include "ipc/messages.h"

namespace toren::broker {

struct Broker {
    ipc::BrokerWelcome settings;
    std::unique_ptr<Store> store;
    Auth auth;
    std::unique_ptr<SupervisorLink> supervisor;
    Cells cells;
    Processes processes;
    Ancillaries ancillaries;
    Workspaces workspaces;
    std::size_t connections = 0;
};

}  // namespace toren::broker
