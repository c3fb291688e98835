#include <climits>

#include "workers/vcs/activity.h"
#include "workers/vcs/answers.h"
#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

using ipc::VcsChange;
using ipc::VcsConflict;
using ipc::VcsState;

struct StateRow {
    unsigned flag;
    VcsState state;
};

constexpr StateRow kIndexStates[] = {
    {GIT_STATUS_INDEX_RENAMED, VcsState::kRenamed},
    {GIT_STATUS_INDEX_DELETED, VcsState::kDeleted},
    {GIT_STATUS_INDEX_TYPECHANGE, VcsState::kTypeChanged},
    {GIT_STATUS_INDEX_MODIFIED, VcsState::kModified},
    {GIT_STATUS_INDEX_NEW, VcsState::kAdded},
};

// GIT_STATUS_WT_NEW beside an entry in the index is `git rm --cached`, and an entry of its own: git's two lines.
constexpr StateRow kWorkTreeStates[] = {
    {GIT_STATUS_WT_DELETED, VcsState::kDeleted},
    {GIT_STATUS_WT_TYPECHANGE, VcsState::kTypeChanged},
    {GIT_STATUS_WT_MODIFIED, VcsState::kModified},
};

template <std::size_t N>
VcsState state_of(const StateRow (&rows)[N], unsigned flags) {
    for (const StateRow& row : rows)
        if ((flags & row.flag) != 0) return row.state;
    return VcsState::kNone;
}

// `git add -N`: the index has the name alone, so that its content differs from the file's and nothing was modified.
bool only_intended(git_index* index, const char* path) {
    const git_index_entry* entry = git_index_get_bypath(index, path, 0);
    return entry != nullptr && (entry->flags_extended & GIT_INDEX_ENTRY_INTENT_TO_ADD) != 0;
}

VcsConflict conflict_of(git_index* index, const char* path) {
    const git_index_entry *base = nullptr, *ours = nullptr, *theirs = nullptr;
    if (git_index_conflict_get(&base, &ours, &theirs, index, path) != 0) return VcsConflict::kBothModified;
    constexpr VcsConflict kBySides[] = {
        VcsConflict::kNone,        VcsConflict::kBothDeleted, VcsConflict::kAddedByUs, VcsConflict::kDeletedByThem,
        VcsConflict::kAddedByThem, VcsConflict::kDeletedByUs, VcsConflict::kBothAdded, VcsConflict::kBothModified};
    return kBySides[(base != nullptr ? 1 : 0) + (ours != nullptr ? 2 : 0) + (theirs != nullptr ? 4 : 0)];
}

class Lister {
public:
    Lister(git_index* index, const ipc::VcsStatus& request, const Sink<VcsChange>& sink)
        : index_(index), skip_(request.skip), most_(request.max_changes), sink_(sink) {}

    std::uint64_t count() const { return count_; }

    // False: a path is longer than any that the kernel opens, so the index was made by hand.
    bool add(const std::string& path, const StatusEntry& entry) {
        const unsigned flags = entry.flags;
        VcsChange change;
        change.path = path;
        change.old_path = entry.old_path;
        if (change.path.size() > PATH_MAX || change.old_path.size() > PATH_MAX) return false;
        change.submodule = entry.submodule;
        constexpr unsigned kAddedAndModified = GIT_STATUS_INDEX_NEW | GIT_STATUS_WT_MODIFIED;
        const bool intended = flags == kAddedAndModified && only_intended(index_, change.path.c_str());
        if ((flags & GIT_STATUS_CONFLICTED) != 0) change.conflict = conflict_of(index_, change.path.c_str());
        change.index = state_of(kIndexStates, flags);
        change.work_tree = state_of(kWorkTreeStates, flags);
        if (intended) change.index = VcsState::kNone, change.work_tree = VcsState::kAdded;
        if (change.index != VcsState::kNone || change.work_tree != VcsState::kNone ||
            change.conflict != VcsConflict::kNone)
            tell(change);
        change.index = VcsState::kNone;
        change.conflict = VcsConflict::kNone;
        change.old_path.clear();
        for (const auto& [flag, state] :
             {StateRow{GIT_STATUS_WT_NEW, VcsState::kUntracked}, StateRow{GIT_STATUS_IGNORED, VcsState::kIgnored}}) {
            if ((flags & flag) == 0) continue;
            change.work_tree = state;
            tell(change);
        }
        return true;
    }

private:
    void tell(const VcsChange& change) {
        if (count_ >= skip_ && count_ - skip_ < most_) sink_(change);
        ++count_;
    }

    git_index* index_;
    std::uint64_t skip_, most_, count_ = 0;
    const Sink<VcsChange>& sink_;
};

int count_stash(std::size_t, const char*, const git_oid*, void* count) {
    ++*static_cast<std::uint64_t*>(count);
    return 0;
}

void tell_counts(ipc::VcsRepository& about, git_repository* git, const std::string& branch) {
    git_stash_foreach(git, count_stash, &about.stashes);
    tell_activity(about, git);
    if (branch.empty()) return;
    const std::string upstream = upstream_of(git, branch);
    about.upstream = short_name(upstream);
    Owned<git_object> ours, theirs;
    if (upstream.empty() || head_commit(ours, git) != 0 || resolve(theirs, git, upstream, GIT_OBJECT_COMMIT) != 0)
        return;
    std::size_t ahead = 0, behind = 0;
    if (git_graph_ahead_behind(&ahead, &behind, git, git_object_id(ours.get()), git_object_id(theirs.get())) != 0)
        return;
    about.ahead = ahead;
    about.behind = behind;
}

// Both sides in the order of their paths, one after the other.
template <typename Tell>
bool each_entry(const StatusEntries& staged, const StatusEntries& unstaged, Tell tell) {
    auto one = staged.begin();
    auto other = unstaged.begin();
    while (one != staged.end() || other != unstaged.end()) {
        const bool from_one = one != staged.end() && (other == unstaged.end() || one->first <= other->first);
        const bool from_other = other != unstaged.end() && (one == staged.end() || other->first <= one->first);
        const std::string& path = from_one ? one->first : other->first;
        StatusEntry entry = from_one ? one->second : other->second;
        if (from_one && from_other) {
            entry.flags |= other->second.flags;
            entry.submodule = entry.submodule || other->second.submodule;
        }
        if (!tell(path, entry)) return false;
        if (from_one) ++one;
        if (from_other) ++other;
    }
    return true;
}

Answer status_of(Repositories& repositories, const Repository& repository, const ipc::VcsStatus& request,
                 const Sink<VcsChange>& sink) {
    ipc::VcsRepository about;
    about.kind = repository.kind;
    about.folder = repository.folder;
    git_repository* git = repository.git;
    const auto failed = [&](int code) {
        auto refused = git_refusal(code, "read the status of '" + shown(repository) + "'");
        repositories.forget();
        return refused;
    };
    if (const auto why = needs_git(git)) return Refusal{ipc::Failure::kUnsupported, *why};

    std::string branch;
    Owned<git_object> head;
    if (const int code = head_branch(branch, git); code != 0) return failed(code);
    // jj keeps HEAD detached and has no branch at work.
    if (repository.kind == ipc::VcsKind::kGit) about.branch = short_name(branch).substr(0, PATH_MAX);
    if (head_commit(head, git) == 0) about.head = hex(*git_object_id(head.get()));
    if (request.counts) tell_counts(about, git, branch);

    if (const int code = repository.status->bring({request.untracked, request.ignored}); code != 0) return failed(code);
    Owned<git_index> index;
    if (const int code = git_repository_index(index.out(), git); code != 0) return failed(code);
    Lister lister(index.get(), request, sink);
    const auto tell = [&](const std::string& path, const StatusEntry& entry) { return lister.add(path, entry); };
    if (!each_entry(repository.status->staged(), repository.status->unstaged(), tell))
        return Refusal{ipc::Failure::kUnsupported, "read the status of '" + shown(repository) +
                                                       "': a path is longer than " + std::to_string(PATH_MAX) +
                                                       " bytes"};
    about.changes = lister.count();
    return workers::reply(about);
}

}  // namespace

Answer answer_find(Repositories& repositories, const ipc::VcsFind& request) {
    return repositories.locate(request.path);
}

Answer answer_status(Repositories& repositories, const ipc::VcsStatus& request, const Sink<VcsChange>& sink) {
    const Answer none = workers::reply(ipc::VcsRepository{});
    if (request.fresh) repositories.forget();
    return with_repository(repositories, request.path, none, [&](const Repository& repository) {
        return status_of(repositories, repository, request, sink);
    });
}

}  // namespace toren::vcs
