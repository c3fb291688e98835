// Namespaces and the root inside them: the first boundary for files, processes and the network. These steps run in a
// child that the supervisor has just cloned with kAllNamespaces, before it executes its program.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/sandbox_spec.h"

namespace toren {

inline constexpr const char* kNothingFile = "/.toren/file";
inline constexpr const char* kNothingFolder = "/.toren/folder";

// For ChildProcess::fork. The cgroup namespace is not among them: with the clone its root would be the parent's group,
// so enter_cell makes it, once the child is in its own.
extern const std::uint64_t kAllNamespaces;
// For each command inside a cell.
extern const std::uint64_t kCommandNamespaces;

// Why ChildProcess::fork(kAllNamespaces) failed with `code`: finds out which of them the kernel refuses. The caller
// must be single-threaded.
Error refused_namespaces(int code);

// Every id maps to itself: another mapping would show files with other owners than git's index recorded.
Result<> map_own_ids(unsigned user, unsigned group);

// The namespace's own bounds, below its parent's. Where the kernel's settings are read-only (in a container) they stay
// as they are: what must not be made at all, the filter refuses.
void bound_objects(std::span<const ObjectLimit> limits);

// A copy of a host's folder that is mounted in no tree: only its descriptor leads there, nothing is executed from it,
// and
// ".." does not lead out of it. For before enter_root().
Result<UniqueFd> mount_nowhere(const std::string& folder);

// The root is the spec's and nothing else; the host's is detached. The root itself is read-only. It holds kNothing:
// an empty file and an empty folder without permissions, to be mounted over what is hidden.
Result<> enter_root(const RootSpec& spec);

// The empty network namespace has a loopback interface of its own that is up.
Result<> bring_loopback_up();

// --- a slot's own view of its cell, in its own mount namespace

// The tree at an absolute path, with everything mounted in it, can be read and no longer written.
Result<> make_tree_read_only(const std::string& path);
// Nothing is left to read or write at an absolute path: an empty file or folder that nobody may open lies over it. A
// path that does not exist is no error.
Result<> hide_path(const std::string& path);
// The same for what a descriptor (O_PATH) stands for. All that hides something in a cell hides it like this.
Result<> cover_with_nothing(int found, bool folder);

// A fresh read-only /proc of this pid namespace covers the one there, without the list of the operator's keys.
Result<> mount_own_proc();

}  // namespace toren
