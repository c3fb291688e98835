// Starts a files, vcs or checkpoint worker of this cell: without capabilities from its first instruction; Landlock and
// the filter it takes on itself, for they would forbid the exec that starts it.
#pragma once

#include "base/child_process.h"
#include "base/unique_fd.h"
#include "ipc/messages.h"

namespace toren::spawner {

struct StartedService {
    ChildProcess process;
    UniqueFd channel;  // the broker's end
};

Result<StartedService> spawn_service(ipc::Service service, const ipc::CellSettings& cell);

}  // namespace toren::spawner
