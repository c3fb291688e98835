// The supervisor's part of the cgroup v2 hierarchy, where a subtree is delegated to its account: BASE/daemon holds the
// daemon's own process, BASE/cell-N one segment each. Nothing above BASE is written.
#pragma once

#include <string>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/cgroup.h"

namespace toren {

class CgroupTree {
public:
    // Finds the delegated subtree that this process is in, moves the process into a leaf, enables the controllers and
    // ends what a daemon that died has left there. An error says why there is none and the way out. One daemon at a
    // time holds a subtree.
    static Result<CgroupTree> take_over();

    // A group for one cell, with the segment's limits. Its number is new each time: names of segments may be anything.
    Result<Group> make_cell(const SegmentLimits& limits);

    const std::string& path() const { return path_; }                // "/user.slice/…", as in /proc/self/cgroup
    const std::string& controllers() const { return controllers_; }  // enabled for cells: "memory pids", "cpu", "io"
    bool has(const std::string& controller) const;                   // cpu and io may be missing

private:
    CgroupTree() = default;

    UniqueFd base_;
    std::string path_, controllers_;
    unsigned next_cell_ = 1;
};

}  // namespace toren
