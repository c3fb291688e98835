// The mounts that guards are made of. Each is put in place by descriptor, so no path is resolved twice and nothing can
// be swapped in between.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren {

class GuardMounts {
public:
    // Afterwards: the trees' mounts are shared, so what is mounted there later reaches the namespaces that follow
    // (follow_guards()); a folder for copies is made, out of reach of every path.
    static Result<GuardMounts> prepare(const std::vector<std::string>& trees);

    // What `fd` names is covered (cover_with_nothing): opening it is EACCES, and not silently empty. Nothing is done
    // where it is already.
    Result<> mask(int fd);
    bool is_mask(dev_t device) const { return device == device_; }
    // What `fd` names can be read and executed, but neither changed, nor renamed or removed. Nothing is done where it
    // is read-only already.
    Result<> make_read_only(int fd);
    // What `fd` names can be neither renamed nor removed; nothing else about it changes. The kernel refuses both for
    // whatever is a mount point anywhere in the caller's namespace, so the mount is made in a hidden copy: one in the
    // tree itself would make every rename across it EXDEV.
    Result<> pin(int fd);
    // One of these mounts went with the file that it was on.
    void forget_one() { mounts_ -= mounts_ > 0 ? 1 : 0; }

private:
    GuardMounts() = default;
    Result<> attach(const std::string& place);
    Result<> open_pins();
    Result<> count();

    UniqueFd pins_;           // where the hidden copies are attached
    UniqueFd pins_writable_;  // the same where one can make folders
    dev_t device_ = 0;        // of the cell's empty file and folder
    unsigned mounts_ = 0;
    unsigned copies_ = 0;
};

// Whether the mount that `fd` is on, or its file system, is read-only.
bool on_read_only_mount(int fd);

}  // namespace toren
