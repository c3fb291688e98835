// One connection: HTTP requests one after another, until it becomes a WebSocket or ends.
#pragma once

#include "base/unique_fd.h"
#include "broker/broker.h"
#include "broker/task.h"

namespace toren::broker {

Task<Done> serve_connection(Broker& broker, UniqueFd socket);

}  // namespace toren::broker
