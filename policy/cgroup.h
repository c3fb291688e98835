// cgroup v2 groups: limits that the kernel holds, for a segment's cell and for each command in it. No cage has the
// cgroup file system in its root; the spawner reaches its cell's group by a descriptor and nothing above it.
// cgroup_tree.h makes the cells' groups.
#pragma once

#include <cstdint>
#include <string>

#include "base/limits.h"
#include "base/result.h"
#include "base/unique_fd.h"

namespace toren {

// What one group used, and its end, by descriptors opened beforehand: for a process that may open nothing any more.
struct GroupMeter {
    UniqueFd kill_switch, memory_events, memory_peak, cpu_stat;

    void kill() const;                        // everything in the group and below it, at once
    std::uint64_t memory_kills() const;       // how often the kernel ended something in it for memory
    std::uint64_t peak_memory_bytes() const;  // 0 where the kernel does not tell (before 5.19)
    std::uint64_t cpu_microseconds() const;   // of everything that ever ran in it
};

// A group and the duty to end it: what is left in it is killed, then it is removed.
class Group {
public:
    Group() = default;
    Group(Group&&) = default;
    Group& operator=(Group&& other) noexcept;
    ~Group() { end(); }

    // A new group `name` in the one that `parent` stands for.
    static Result<Group> make(int parent, std::string name);

    int fd() const { return group_.get(); }  // for ChildProcess::fork
    Result<> limit(const SegmentLimits& limits) const;
    Result<> limit(const CommandLimits& limits) const;
    Result<GroupMeter> meter() const;

private:
    void end();

    UniqueFd parent_, group_;
    std::string name_;
};

// For one command beneath its cell: command-ID, with its limits. Its processes end together when memory runs out.
Result<Group> make_command_group(int cell_group, std::uint32_t id, const CommandLimits& limits);

// In the child that becomes a cell, cloned into the cell's group, with every capability of its new user namespace:
// the group becomes the root of a cgroup namespace, the process moves to the leaf `init` in it, and groups beside that
// can have limits. The result stands for the cell's group as seen from inside: nothing above it can be reached from it.
Result<UniqueFd> settle_in_cell();

// The same for a child that has no group of its own.
Result<> hide_own_cgroup();

// Kills what is in the group `name` of `parent` and below it, and removes all of it. Waits for a moment only: an error
// where a process does not end (it is in the kernel and cannot be interrupted).
Result<> remove_group(int parent, const std::string& name);

}  // namespace toren
