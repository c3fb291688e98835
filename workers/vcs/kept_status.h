// What `git status` lists, kept from one request to the next: only what may have changed since is looked at again.
#pragma once

#include <array>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ipc/vcs_messages.h"
#include "workers/vcs/identity.h"
#include "workers/vcs/libgit2.h"
#include "workers/vcs/tree_watch.h"

namespace toren::vcs {

// In libgit2's words; status.cpp puts them into ours.
struct StatusEntry {
    unsigned flags = 0;
    std::string old_path;  // of one that was renamed between HEAD and the index
    bool submodule = false;
};
using StatusEntries = std::map<std::string, StatusEntry>;

class KeptStatus {
public:
    struct Question {
        ipc::VcsUntracked untracked = ipc::VcsUntracked::kFolders;
        bool ignored = false;  // this answer is never kept
    };

    // `folder`: the work tree's, from the segment; both it and `git` outlive this.
    KeptStatus(int segment, std::string folder, git_repository* git);

    // Makes both sides true: HEAD against the index, and the index against the work tree. An error of libgit2's; the
    // sides are valid until the next call.
    int bring(const Question& question);
    const StatusEntries& staged() const { return staged_; }
    const StatusEntries& unstaged() const { return shown_ ? sides_[*shown_].entries : unkept_.entries; }

    // The tracked paths at which each of the two differs. Nothing where that is not known.
    struct Differing {
        std::vector<std::string> staged, unstaged;
    };
    std::optional<Differing> differing();

    // Between requests: whether the answer to the last question could be had sooner the next time, and a step to that.
    bool can_prepare() const;
    void prepare();

private:
    // The index against the work tree, as one kind of question sees it.
    struct Side {
        bool known = false;
        StatusEntries entries;
        TreeWatch::Paths doubtful;
    };

    int look_for_changes(git_index* index);
    void watch(git_index* index);
    int bring_staged(git_index* index);
    int bring_unstaged(git_index* index, const Question& question);
    std::optional<TreeWatch::Paths> scan(git_index* index, bool untracked) const;
    bool is_ignored_link(const std::string& path) const;
    int list(StatusEntries& entries, git_status_show_t show, const Question& question, const TreeWatch::Paths* only);

    int segment_;
    std::string folder_;
    git_repository* git_;

    std::vector<std::string> rule_files_;  // that decide what is ignored, outside the work tree's own
    bool scannable_ = false;
    bool watchable_ = true;
    std::unique_ptr<TreeWatch> watch_;
    std::optional<Question> asked_;

    Identity index_;  // that the sides were made with
    std::vector<Identity> rules_;
    std::optional<git_oid> head_;  // that `staged_` was made with
    StatusEntries staged_;
    std::array<Side, 3> sides_;  // by VcsUntracked
    Side unkept_;
    std::optional<std::size_t> shown_;  // one of the sides, else `unkept_`
};

}  // namespace toren::vcs
