// Which paths of a work tree may have changed since it was last asked, as inotify tells it, so that a status need not
// look at the others again. What git ignores is not watched, unless it has tracked files beneath.
//
// inotify tells nothing of stores through a shared mapping, nor of a change by another name of the same file. Files
// that changed lately are therefore looked at each time, and where one of them has several names, everything is; what
// is left in doubt is told in docs/protocol-v2.md.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <set>
#include <string>

#include "workers/tree/watch_tree.h"
#include "workers/vcs/identity.h"
#include "workers/vcs/libgit2.h"

namespace toren::vcs {

class TreeWatch {
public:
    using Paths = std::set<std::string>;  // relative to the work tree

    // `segment` and `folder` lead to the work tree of `git`, which outlives this.
    static Result<std::unique_ptr<TreeWatch>> start(int segment, const std::string& folder, git_repository* git);

    // Watches the folders that only the index speaks for. After each change of the index, and before the tree is
    // looked at.
    Result<> cover(git_index* index);

    // What may have changed since the last call: all, where that cannot be told by paths. Nothing: events were lost,
    // and this watch is of no more use.
    struct Doubts {
        Paths paths;
        bool all = false;
    };
    std::optional<Doubts> take();

private:
    using Folder = workers::WatchTree::Folder;

    explicit TreeWatch(git_repository* git) : git_(git) {}
    bool leaves_out(const std::string& path, bool ignored) const;
    bool take_event(std::uint32_t mask, int number, const std::string& name, Paths& doubtful);
    bool watch_folder(Folder& above, const std::string& name);
    void look_at_recent(Paths& doubtful);
    void remember(Doubts& doubts);

    git_repository* git_;
    UniqueFd root_;
    std::unique_ptr<workers::WatchTree> tree_;
    Paths submodules_;
    std::deque<std::pair<std::string, Identity>> recent_;
};

}  // namespace toren::vcs
