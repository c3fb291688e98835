// A way down a tree of folders, by descriptors: each folder is opened from the one above, never through a symlink.
// However deep it goes, few descriptors are open: those above are closed, and opened again on the way back, where each
// must be the folder that it was (a tree that somebody moves under the walk is not followed elsewhere).
#pragma once

#include <sys/stat.h>

#include <string>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"

namespace toren::workers {

class FolderStack {
public:
    // The root stays open.
    static Result<FolderStack> at(UniqueFd root);

    // Goes into a folder of the top. ENOTDIR, ELOOP: it is none.
    Result<> push(const std::string& name);
    void pop();
    // The descriptor of the deepest folder; ESTALE where it is no longer there.
    Result<int> top();
    std::size_t depth() const { return levels_.size(); }  // 1: the root
    dev_t device() const { return levels_.back().device; }
    ino_t inode() const { return levels_.back().inode; }

private:
    struct Level {
        std::string name;
        UniqueFd fd;
        dev_t device = 0;
        ino_t inode = 0;
    };
    FolderStack() = default;
    Result<> open_again(std::size_t index);

    std::vector<Level> levels_;
    std::size_t open_from_ = 1;  // levels below it, but for the root, are closed
};

}  // namespace toren::workers
