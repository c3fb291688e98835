// The ladder into a cage, in its order: what every process that becomes a cell, and every process that becomes a
// command in one, climbs. Each runs in a child that was just cloned.
#pragma once

#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/roles.h"
#include "policy/sandbox_spec.h"

namespace toren {

// A child of ChildProcess::fork(kAllNamespaces): the namespaces are there, nothing in them is set up.
struct CellSpec {
    RootSpec root;
    std::vector<ResourceLimit> limits;
    unsigned user = 0, group = 0;  // its own ids outside; they are the same inside
    bool in_cgroup = false;        // it was cloned into a group of its own (cgroup_tree.h)
    bool oom_victim = false;       // when the machine runs out of memory it goes before the operator's own processes
    std::vector<ObjectLimit> objects = object_limits();
};

// Afterwards: ids map to themselves, the process is not dumpable, the root is the spec's and the host's is detached,
// resource limits hold. It still has every capability of its own user namespace, so it can open, mount and fork.
// The result stands for its group where it has one, to make groups of commands beneath it; else it is empty.
Result<UniqueFd> enter_cell(const CellSpec& spec);

// Afterwards: no capability, no_new_privs, Landlock (`ruleset`; -1 only where the operator allowed to run without), the
// command filter. What it executes has no more.
Result<> confine_command(int ruleset);

}  // namespace toren
