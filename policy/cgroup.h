// cgroup v2, where a subtree is delegated to the daemon's account: limits that the kernel holds, per segment and per
// command. No cage sees the cgroup file system; the spawner reaches its cell's group by a descriptor it was born with.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace toren {

// The supervisor's: BASE/daemon holds the daemon's own processes, BASE/cell-N one segment.
class CgroupTree {
public:
    // Finds the delegated subtree this process is in, moves the process into a leaf and enables the controllers.
    // An error says why there is none (cgroup v1, not delegated, a missing controller) and the way out.
    static Result<CgroupTree> take_over();

    // A group for one cell, with the segment's limits; the descriptor is the group's folder (O_PATH|O_DIRECTORY works
    // for mkdirat and clone into it). Removed by remove_cell, or when the next daemon takes the tree over.
    Result<UniqueFd> make_cell(const std::string& name, const SegmentLimits& limits);
    // Ends everything in it (cgroup.kill) and removes it.
    void remove_cell(const std::string& name);

    const std::string& path() const { return path_; }                // "/user.slice/…", as in /proc/self/cgroup
    const std::string& controllers() const { return controllers_; }  // "cpu io memory pids": those that it has

private:
    CgroupTree() = default;
    UniqueFd base_;
    std::string path_, controllers_;
};

// In the child that becomes a cell's spawner, cloned into the cell's group: moves itself into the leaf `init` and
// enables the controllers for the groups beside it. Then unshare(CLONE_NEWCGROUP) must already have happened or must
// happen while still in the cell's group itself; see the order in the implementation.
Result<> settle_in_cell(int cell_group);

// The spawner's: one command's group beneath its cell's.
class CommandGroup {
public:
    static Result<CommandGroup> make(int cell_group, std::uint32_t id, const CommandLimits& limits);
    CommandGroup() = default;
    CommandGroup(CommandGroup&&) = default;
    CommandGroup& operator=(CommandGroup&&) noexcept;
    ~CommandGroup();  // kills what is left and removes the group

    int fd() const { return group_.get(); }   // for CLONE_INTO_CGROUP
    void kill() const;                        // the whole tree, at once (cgroup.kill)
    std::uint64_t peak_memory_bytes() const;  // 0 where the kernel does not tell (before 5.19)

private:
    UniqueFd parent_, group_;
    std::string name_;
};

// How often the kernel ended something in a group for memory; `events`: its open memory.events.
std::uint64_t memory_kills(int events);

}  // namespace toren
