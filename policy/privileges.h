// Privileges a process gives up, each step a function whose name says what is true after it (libcap).
#pragma once

#include <sys/capability.h>

#include <span>

#include "base/result.h"
#include "policy/sandbox_spec.h"

namespace toren {

// The only capabilities left, in every set and through exec, are those named; none can come back (securebits locked).
Result<> keep_only_capabilities(std::span<const cap_value_t> kept);
// For a process that forks many who drop all: what its bounding set lacks they need not drop again, one call for each.
void note_dropped_capabilities();
// Every set is empty, the bounding and ambient sets included.
Result<> drop_all_capabilities();
// No exec gives more than this process has.
Result<> set_no_new_privileges();
// No core dump, no ptrace by an equal, /proc/PID belongs to root.
Result<> set_not_dumpable();
Result<> set_resource_limits(std::span<const ResourceLimit> limits);
// Root's own supplementary groups; an ordinary user cannot drop his (the user namespace keeps them, and nothing that
// they open is in a cell's root).
Result<> drop_supplementary_groups_if_permitted();

}  // namespace toren
