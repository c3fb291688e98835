// The folders that guards watch: each by inotify, with its places in the trees, so that a watch leads back to an open
// folder. A folder that was moved has a further place; whether a place still holds is seen when it is opened.
#pragma once

#include <sys/stat.h>

#include <set>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/result.h"
#include "base/unique_fd.h"
#include "policy/guard_rules.h"

namespace toren {

struct GuardFolder {
    struct Place {
        int parent;  // a watch, or -1 - N for the root of tree N
        std::string name;
    };

    FolderKind kind = FolderKind::kPlain;
    bool bare = false;    // the rules for kBare hold as well
    bool ruled = false;   // the rules have been applied: what a rule speaks of and appears now is new
    bool pinned = false;  // cannot be moved aside
    dev_t device = 0;
    ino_t inode = 0;
    std::vector<Place> places = {};
    std::set<std::string> held = {};  // names that are read-only here, and are made so again when they are replaced
};

// One step on the way from a tree's root to a folder.
struct GuardStep {
    UniqueFd fd;  // readable
    int watch = -1;
    GuardFolder* folder = nullptr;
    std::string path;  // from the tree's root, for patterns
};
using GuardWay = std::vector<GuardStep>;

class GuardFolders {
public:
    static Result<GuardFolders> create(std::vector<std::string> trees);

    int fd() const { return inotify_.get(); }
    // Nothing is watched any more once this is closed.
    UniqueFd stop_watching() { return std::move(inotify_); }
    const std::vector<std::string>& trees() const { return trees_; }

    // The folder `name` of the last step of `way` (or a tree's root where the way is empty) is watched from here on.
    Result<GuardStep> enter(const GuardWay& way, int tree, const std::string& name, UniqueFd fd,
                            const struct stat& about, FolderKind kind);
    // What it is has changed: other events count.
    Result<> watch_as(GuardStep& step, FolderKind kind, bool bare);

    GuardFolder* find(int watch);
    void forget(int watch) { folders_.erase(watch); }
    // Every way that leads to the folder now, opened step by step; none where it is no longer in a tree.
    std::vector<GuardWay> ways_to(int watch);

private:
    using Chain = std::vector<std::pair<int, GuardFolder::Place>>;  // from the folder up to a tree's root
    Result<int> watch(int fd, FolderKind kind, bool bare);
    void chains_to(int watch, Chain& chain, std::vector<Chain>& all);
    bool open_chain(const Chain& chain, GuardWay& way);

    std::vector<std::string> trees_;
    UniqueFd inotify_;
    std::unordered_map<int, GuardFolder> folders_;
};

// Deeper folders are hidden: nobody looks into them.
inline constexpr std::size_t kDeepestGuarded = 200;

}  // namespace toren
