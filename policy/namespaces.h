// Namespaces and the root inside them: the first boundary for files, processes and the network. These steps run in a
// child that the supervisor has just cloned with kAllNamespaces, before it executes its program.
#pragma once

#include <cstdint>
#include <span>

#include "base/result.h"
#include "policy/sandbox_spec.h"

namespace toren {

// For ChildProcess::fork.
extern const std::uint64_t kAllNamespaces;
// For each command inside a cell.
extern const std::uint64_t kCommandNamespaces;

// Every id maps to itself: another mapping would show files with other owners than git's index recorded.
Result<> map_own_ids(unsigned user, unsigned group);

// The namespace's own bounds, below its parent's. Where the kernel's settings are read-only (in a container) they stay
// as they are: what must not be made at all, the filter refuses.
void bound_objects(std::span<const ObjectLimit> limits);

// The root is the spec's and nothing else; the host's is detached. The root itself is read-only.
Result<> enter_root(const RootSpec& spec);

// The empty network namespace has a loopback interface of its own that is up.
Result<> bring_loopback_up();

// A fresh read-only /proc of this pid namespace covers the one there, without the list of the operator's keys.
Result<> mount_own_proc();

}  // namespace toren
