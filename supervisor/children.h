// What the supervisor starts: the broker, and a cell for each segment in use. Everything a child may do is named here,
// from the sandbox specs of policy/roles.h.
#pragma once

#include <string>
#include <vector>

#include "supervisor/caged_process.h"
#include "supervisor/cell_plan.h"
#include "supervisor/listeners.h"
#include "supervisor/programs.h"

namespace toren::supervisor {

Result<CagedProcess> start_broker(const Programs& programs, const std::vector<Listener>& listeners,
                                  const std::string& broker_state, bool landlock);

// `cgroup`: the cell's group, or -1 where no subtree is delegated.
// `store`: the folder of the segment's checkpoints, or "" where nobody asks for any.
Result<CagedProcess> start_cell(const Programs& programs, const CellPlan& plan, const std::string& store, bool landlock,
                                int cgroup);

}  // namespace toren::supervisor
