// Walks the trees, folder by folder and by descriptors, and has each verdict of guard_rules.h carried out. An entry is
// looked at after its folder is watched, so what appears meanwhile is told by an event.
#pragma once

#include <set>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "policy/guard_folders.h"
#include "policy/guard_mounts.h"
#include "policy/guard_rules.h"

namespace toren {

class GuardWalk {
public:
    // A workspace's: which tree is the repository's, and which of its worktrees is the cell's own.
    struct Shared {
        std::string common, worktree;
    };

    // `paths`: hidden whatever their name.
    GuardWalk(GuardRules rules, std::set<std::string> paths, Shared shared, GuardMounts mounts, GuardFolders folders)
        : rules_(std::move(rules)),
          hidden_paths_(std::move(paths)),
          shared_(std::move(shared)),
          mounts_(std::move(mounts)),
          folders_(std::move(folders)) {}

    enum class Newcomers : bool { kLeave, kGuard };

    // Everything; also once events were lost.
    Result<> all(Newcomers newcomers);
    // What an event told: `name` in the folder of `watch` is new, or is gone.
    Result<> appeared(int watch, const std::string& name, Newcomers newcomers);
    Result<> disappeared(int watch, const std::string& name);
    // One of the repository's worktrees, which nobody in this cell has made.
    Result<> hold_worktree(const std::string& name);
    // The folder of `watch` is gone.
    void forget(int watch);
    // After the events that were in the queue: lets go of the folders that they were about.
    void rest() {
        recent_.clear();
        made_.clear();
    }
    // Further names of hidden files, where one was found since the last time.
    Result<> hide_aliases();
    // From here on a socket may be the cell's own.
    void cell_runs() { starting_ = false; }
    void release();

    GuardFolders& folders() { return folders_; }

private:
    struct Child {
        std::string name;
        FolderKind kind;
    };
    using Children = std::vector<Child>;
    using FileId = std::pair<dev_t, ino_t>;
    struct Placeholder {
        int watch;
        std::string name;
    };

    std::vector<GuardWay>& ways_to(int watch);
    Result<> tree(int number);
    // The way to a tree's root; empty where it is a file.
    Result<GuardWay> way_to_tree(int number);
    Result<> tree_file(const std::string& path);
    // The last step's folder and everything beneath; `way` is as before afterwards.
    Result<> walk(GuardWay& way);
    Result<> walk_child(GuardWay& way, const Child& child);
    Result<bool> enter(GuardWay& way, const Child& child);
    Result<Children> list(GuardWay& way);
    Result<Children> list_plain(GuardWay& way);
    Result<Children> list_folders(GuardWay& way, FolderKind as);
    Result<Children> list_worktrees(GuardWay& way);
    Result<> look_at_worktree(GuardWay& way, const std::string& name, Children& children);
    Result<Children> list_aliases(GuardWay& way);
    Result<> look_at(GuardWay& way, const std::string& name, unsigned char type, Children& children);

    // The table's rules for a repository's folder.
    Result<Children> apply_rules(GuardWay& way, FolderKind kind);
    Result<> apply_rule(GuardWay& way, const GuardRule& rule, Children& children);
    Result<> hold_absent(GuardWay& way, const GuardRule& rule);
    Result<> hold_at_top(GuardWay& way, Children& children);
    Result<> move_aside(const GuardWay& way, const std::string& name);

    GuardVerdict verdict(const GuardWay& way, const std::string& name, bool is_folder) const;

    // What a verdict comes to.
    Result<> hide(GuardWay& way, const std::string& name);
    Result<> hide_target(GuardWay& way, const std::string& name);
    Result<> make_read_only(GuardWay& way, const std::string& name, int fd);
    Result<> guard_link(GuardWay& way, const std::string& name, int fd);
    Result<> judge_other(GuardWay& way, const std::string& name);
    Result<> pin(GuardWay& way);
    Result<> pin_above(const std::string& path);
    std::string tree_of(const std::string& path) const;
    bool may_guard(const GuardStep& step, const std::string& name) const;

    GuardRules rules_;
    std::set<std::string> hidden_paths_;
    Shared shared_;
    GuardMounts mounts_;
    GuardFolders folders_;
    std::set<FileId> hidden_;  // every file that is masked
    bool aliases_wanted_ = false, looking_for_aliases_ = false;
    bool starting_ = true;
    Newcomers newcomers_ = Newcomers::kGuard;
    std::vector<Placeholder> placeholders_;
    std::set<std::pair<int, std::string>> made_;  // placeholders whose event is still to come, and is no news
    int recent_watch_ = -1;
    std::vector<GuardWay> recent_;  // the ways to it, for events come in rows
};

// A name that was there a moment ago and is not any more.
inline bool is_gone(int code) { return code == ENOENT || code == ENOTDIR || code == ELOOP; }

}  // namespace toren
