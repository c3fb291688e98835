#include "workers/vcs/walk.h"

#include <cstring>
#include <queue>
#include <set>

#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

struct IdLess {
    bool operator()(const git_oid& a, const git_oid& b) const { return git_oid_cmp(&a, &b) < 0; }
};
using Ids = std::set<git_oid, IdLess>;

int begin_revwalk(Owned<git_revwalk>& walk, git_repository* git, const WalkRange& range, bool first_parent) {
    if (const int code = git_revwalk_new(walk.out(), git); code != 0) return code;
    if (first_parent) git_revwalk_simplify_first_parent(walk.get());
    for (const auto& id : range.from)
        if (const int code = git_revwalk_push(walk.get(), &id); code != 0) return code;
    for (const auto& id : range.without)
        if (const int code = git_revwalk_hide(walk.get(), &id); code != 0) return code;
    return 0;
}

// Everything behind one commit, as fast as libgit2 does it.
class AllCommits final : public Walk {
public:
    explicit AllCommits(Owned<git_revwalk> walk) : walk_(std::move(walk)) {}
    int next(git_oid& id) override { return git_revwalk_next(&id, walk_.get()); }

private:
    Owned<git_revwalk> walk_;
};

// What the file is in a tree: its id and mode; a zero id where it is not there.
struct Version {
    git_oid id{};
    git_filemode_t mode = GIT_FILEMODE_UNREADABLE;
    bool operator==(const Version& other) const { return git_oid_equal(&id, &other.id) != 0 && mode == other.mode; }
};

// Several beginnings, whose order libgit2 does not keep, and histories of a file.
class OwnWalk final : public Walk {
public:
    OwnWalk(git_repository* git, std::string file, bool first_parent)
        : git_(git), file_(std::move(file)), first_parent_(first_parent) {}

    // Only these; without it all are.
    void restrict_to(Ids ids) {
        within_ = std::move(ids);
        restricted_ = true;
    }

    int push(const git_oid& id) {
        if (!seen_.insert(id).second || (restricted_ && !within_.contains(id))) return 0;
        Owned<git_commit> commit;
        if (const int code = git_commit_lookup(commit.out(), git_, &id); code != 0) return code;
        const auto time = git_commit_time(commit.get());
        queue_.push({time, pushed_++, std::move(commit)});
        return 0;
    }

    int next(git_oid& id) override {
        while (!queue_.empty()) {
            const Owned<git_commit> commit = std::move(const_cast<Waiting&>(queue_.top()).commit);
            queue_.pop();
            bool changed = false;
            if (const int code = visit(commit.get(), changed); code != 0) return code;
            if (!changed) continue;
            id = *git_commit_id(commit.get());
            return 0;
        }
        return GIT_ITEROVER;
    }

private:
    struct Waiting {
        git_time_t time;
        std::uint64_t order;
        Owned<git_commit> commit;
        // The newest comes first; of equal ones the one that was met first.
        bool operator<(const Waiting& other) const {
            return time != other.time ? time < other.time : order > other.order;
        }
    };

    int version_in(Version& version, git_commit* commit) {
        const git_oid tree_id = *git_commit_tree_id(commit);
        for (const auto& [id, known] : recent_)
            if (git_oid_equal(&id, &tree_id) != 0) return version = known, 0;
        Owned<git_tree> tree;
        Owned<git_tree_entry> entry;
        if (const int code = git_commit_tree(tree.out(), commit); code != 0) return code;
        const int code = git_tree_entry_bypath(entry.out(), tree.get(), file_.c_str());
        if (code != 0 && code != GIT_ENOTFOUND) return code;
        version = {};
        if (code == 0) version = {*git_tree_entry_id(entry.get()), git_tree_entry_filemode_raw(entry.get())};
        recent_[oldest_++ % std::size(recent_)] = {tree_id, version};
        return 0;
    }

    int visit(git_commit* commit, bool& changed) {
        const unsigned parents = git_commit_parentcount(commit),
                       relevant = first_parent_ ? std::min(1U, parents) : parents;
        if (file_.empty()) {
            changed = true;
            for (unsigned nth = 0; nth < relevant; ++nth)
                if (const int code = push(*git_commit_parent_id(commit, nth)); code != 0) return code;
            return 0;
        }
        Version here;
        if (const int code = version_in(here, commit); code != 0) return code;
        if (relevant == 0) {
            changed = !(here == Version{});
            return 0;
        }
        std::vector<git_oid> follow;
        changed = false;
        for (unsigned nth = 0; nth < relevant; ++nth) {
            const git_oid id = *git_commit_parent_id(commit, nth);
            Owned<git_commit> parent;
            Version there;
            if (const int code = git_commit_parent(parent.out(), commit, nth); code != 0) return code;
            if (const int code = version_in(there, parent.get()); code != 0) return code;
            const bool interesting = !restricted_ || within_.contains(id);
            if (here == there && interesting) {
                changed = false;
                return push(id);
            }
            if (!(here == there)) changed = true;
            follow.push_back(id);
        }
        for (const auto& id : follow)
            if (const int code = push(id); code != 0) return code;
        return 0;
    }

    git_repository* git_;
    std::string file_;
    bool first_parent_;
    std::priority_queue<Waiting> queue_;
    std::uint64_t pushed_ = 0;
    Ids seen_, within_;
    bool restricted_ = false;
    std::pair<git_oid, Version> recent_[8]{};
    std::size_t oldest_ = 0;
};

int add_revision(WalkRange& range, git_repository* git, const std::string& revision) {
    Owned<git_object> commit;
    if (revision.starts_with('^')) {
        const int code = resolve(commit, git, revision.substr(1), GIT_OBJECT_COMMIT);
        if (code == 0) range.without.push_back(*git_object_id(commit.get()));
        return code;
    }
    const auto dots = revision.find("..");
    if (dots == revision.npos) {
        const int code = resolve(commit, git, revision, GIT_OBJECT_COMMIT);
        if (code == 0) range.from.push_back(*git_object_id(commit.get()));
        return code;
    }
    const bool symmetric = revision.compare(dots, 3, "...") == 0;
    std::string left = revision.substr(0, dots), right = revision.substr(dots + (symmetric ? 3 : 2));
    if (left.empty()) left = "HEAD";
    if (right.empty()) right = "HEAD";
    Owned<git_object> first, second;
    if (const int code = resolve(first, git, left, GIT_OBJECT_COMMIT); code != 0) return code;
    if (const int code = resolve(second, git, right, GIT_OBJECT_COMMIT); code != 0) return code;
    range.from.push_back(*git_object_id(second.get()));
    if (!symmetric) {
        range.without.push_back(*git_object_id(first.get()));
        return 0;
    }
    range.from.push_back(*git_object_id(first.get()));
    git_oidarray bases{};
    const int code = git_merge_bases(&bases, git, git_object_id(first.get()), git_object_id(second.get()));
    for (std::size_t i = 0; code == 0 && i < bases.count; ++i) range.without.push_back(bases.ids[i]);
    git_oidarray_dispose(&bases);
    return code == GIT_ENOTFOUND ? 0 : code;
}

// In git's order, which decides between commits of one second: branches, tags, remotes' branches, each by name.
int add_all(WalkRange& range, git_repository* git) {
    std::map<std::string, std::vector<std::string>> refs;
    if (const int code = refs_by_commit(refs, git); code != 0) return code;
    std::map<std::pair<int, std::string>, std::string> ordered;
    for (const auto& [id, names] : refs)
        for (const auto& name : names) {
            const int kind = name.starts_with("refs/heads/") ? 0 : name.starts_with("refs/tags/") ? 1 : 2;
            ordered[{kind, name}] = id;
        }
    for (const auto& [name, id] : ordered) {
        git_oid tip;
        if (git_oid_fromstr(&tip, id.c_str()) == 0) range.from.push_back(tip);
    }
    return 0;
}

}  // namespace

int find_range(WalkRange& range, git_repository* git, const ipc::VcsLog& request) {
    for (const auto& revision : request.revisions)
        if (const int code = add_revision(range, git, revision); code != 0) return code;
    if (request.all)
        if (const int code = add_all(range, git); code != 0) return code;
    if (request.all || range.from.empty()) {
        Owned<git_object> head;
        const int code = head_commit(head, git);
        if (code == 0) range.from.push_back(*git_object_id(head.get()));
        else if (code != GIT_EUNBORNBRANCH) return code;
    }
    return 0;
}

int begin_walk(std::unique_ptr<Walk>& walk, git_repository* git, const WalkRange& range, const ipc::VcsLog& request) {
    Owned<git_revwalk> all;
    if (const int code = begin_revwalk(all, git, range, request.first_parent); code != 0) return code;
    if (request.file.empty() && range.from.size() == 1) {
        walk = std::make_unique<AllCommits>(std::move(all));
        return 0;
    }
    auto own = std::make_unique<OwnWalk>(git, request.file, request.first_parent);
    if (!range.without.empty()) {
        Ids within;
        git_oid id;
        int code = 0;
        while ((code = git_revwalk_next(&id, all.get())) == 0) within.insert(id);
        if (code != GIT_ITEROVER) return code;
        own->restrict_to(std::move(within));
    }
    for (const auto& id : range.from)
        if (const int code = own->push(id); code != 0) return code;
    walk = std::move(own);
    return 0;
}

}  // namespace toren::vcs
