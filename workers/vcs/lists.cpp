#include "workers/vcs/answers.h"
#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

constexpr std::size_t kLongestSubject = 1000;

// As git's %(subject): the lines before the first empty one, joined.
std::string subject_of(const char* message) {
    std::string text = text_of(message);
    text.erase(0, std::min(text.find_first_not_of('\n'), text.size()));
    text.resize(std::min({text.find("\n\n"), text.size(), kLongestSubject}));
    while (text.ends_with('\n')) text.pop_back();
    for (char& c : text)
        if (c == '\n') c = ' ';
    return text;
}

// --- branches and tags

void tell_object(ipc::VcsRef& told, git_reference* ref) {
    Owned<git_object> object, commit;
    const git_oid* target = git_reference_target(ref);
    if (target != nullptr) told.id = hex(*target);
    if (git_reference_peel(commit.out(), ref, GIT_OBJECT_COMMIT) == 0) {
        auto* behind = reinterpret_cast<git_commit*>(commit.get());
        told.commit = hex(*git_object_id(commit.get()));
        told.time = git_commit_committer(behind) == nullptr ? 0 : git_commit_committer(behind)->when.time;
        told.subject = subject_of(git_commit_message(behind));
    }
    if (target == nullptr || git_object_lookup(object.out(), git_reference_owner(ref), target, GIT_OBJECT_TAG) != 0)
        return;
    auto* tag = reinterpret_cast<git_tag*>(object.get());
    told.subject = subject_of(git_tag_message(tag));
    if (git_tag_tagger(tag) != nullptr) told.time = git_tag_tagger(tag)->when.time;
}

void tell_distance(ipc::VcsRef& told, git_repository* git) {
    Owned<git_object> there;
    git_oid id;
    std::size_t ahead = 0, behind = 0;
    if (git_oid_fromstr(&id, told.commit.c_str()) != 0 || resolve(there, git, told.upstream, GIT_OBJECT_COMMIT) != 0 ||
        git_graph_ahead_behind(&ahead, &behind, git, &id, git_object_id(there.get())) != 0)
        return;
    told.ahead = ahead;
    told.behind = behind;
}

int tell_refs(git_repository* git, const ipc::VcsLists& request, const Sink<ipc::VcsRef>& sink) {
    std::string head;
    if (const int code = head_branch(head, git); code != 0) return code;
    Owned<git_reference_iterator> all;
    if (const int code = git_reference_iterator_new(all.out(), git); code != 0) return code;
    while (true) {
        Owned<git_reference> ref;
        const int code = git_reference_next(ref.out(), all.get());
        if (code == GIT_ITEROVER) return 0;
        if (code != 0) return code;
        ipc::VcsRef told;
        told.name = git_reference_name(ref.get());
        const bool local = told.name.starts_with("refs/heads/");
        if (!local && !told.name.starts_with("refs/remotes/") && !told.name.starts_with("refs/tags/")) continue;
        told.target = text_of(git_reference_symbolic_target(ref.get()));
        told.head = told.name == head;
        tell_object(told, ref.get());
        if (local) told.upstream = upstream_of(git, told.name);
        if (request.counts && !told.upstream.empty()) tell_distance(told, git);
        sink(told);
    }
}

// --- conflicts

ipc::VcsSide side_of(const git_index_entry* entry) {
    if (entry == nullptr) return {};
    return {entry->path, hex(entry->id), entry->mode};
}

int tell_conflicts(git_repository* git, const Sink<ipc::VcsConflicted>& sink) {
    Owned<git_index> index;
    Owned<git_index_conflict_iterator> conflicts;
    if (const int code = git_repository_index(index.out(), git); code != 0) return code;
    if (const int code = git_index_read(index.get(), 0); code != 0) return code;
    if (const int code = git_index_conflict_iterator_new(conflicts.out(), index.get()); code != 0) return code;
    while (true) {
        const git_index_entry *base = nullptr, *ours = nullptr, *theirs = nullptr;
        const int code = git_index_conflict_next(&base, &ours, &theirs, conflicts.get());
        if (code == GIT_ITEROVER) return 0;
        if (code != 0) return code;
        sink({side_of(base), side_of(ours), side_of(theirs)});
    }
}

// --- stashes

struct Stashes {
    git_repository* git;
    const Sink<ipc::VcsStash>& sink;
};

int tell_stash(std::size_t, const char* message, const git_oid* id, void* payload) {
    auto& stashes = *static_cast<Stashes*>(payload);
    Owned<git_commit> commit;
    ipc::VcsStash told{hex(*id), subject_of(message), 0};
    if (git_commit_lookup(commit.out(), stashes.git, id) == 0) told.time = git_commit_time(commit.get());
    stashes.sink(told);
    return 0;
}

// --- worktrees

void tell_head(ipc::VcsWorktree& told, git_reference* head) {
    const git_oid* id = git_reference_target(head);
    if (id != nullptr) told.head = hex(*id);
    const std::string branch = git_reference_name(head);
    if (branch != "HEAD") told.branch = branch;
}

// The one that the others are linked to; nothing where the repository has no work tree of its own.
void tell_main_worktree(git_repository* git, const Sink<ipc::VcsWorktree>& sink) {
    Owned<git_repository> main;
    Owned<git_reference> head;
    if (git_repository_open_ext(main.out(), git_repository_commondir(git), GIT_REPOSITORY_OPEN_NO_SEARCH, nullptr) !=
            0 ||
        git_repository_is_bare(main.get()) != 0)
        return;
    ipc::VcsWorktree told;
    told.path = text_of(git_repository_workdir(main.get()));
    while (told.path.size() > 1 && told.path.ends_with('/')) told.path.pop_back();
    if (git_repository_head(head.out(), main.get()) == 0) tell_head(told, head.get());
    sink(told);
}

// libgit2 opens a worktree by the path that it has, and that may lie outside what this process sees; what .git knows
// of it can be read all the same.
int tell_worktree(ipc::VcsWorktree& told, git_repository* git, const char* name) {
    Owned<git_worktree> worktree;
    Owned<git_reference> head;
    if (const int code = git_worktree_lookup(worktree.out(), git, name); code != 0) return code;
    told.path = text_of(git_worktree_path(worktree.get()));
    told.locked = git_worktree_is_locked(nullptr, worktree.get()) > 0;
    told.missing = git_worktree_validate(worktree.get()) != 0;
    if (git_repository_head_for_worktree(head.out(), git, name) == 0) tell_head(told, head.get());
    return 0;
}

int tell_worktrees(git_repository* git, const Sink<ipc::VcsWorktree>& sink) {
    tell_main_worktree(git, sink);
    git_strarray names{};
    if (const int code = git_worktree_list(&names, git); code != 0) return code;
    int code = 0;
    for (std::size_t i = 0; code == 0 && i < names.count; ++i) {
        ipc::VcsWorktree told;
        code = tell_worktree(told, git, names.strings[i]);
        if (code == 0) sink(told);
    }
    git_strarray_dispose(&names);
    return code;
}

}  // namespace

Answer answer_lists(Repositories& repositories, const ipc::VcsLists& request, const ListSinks& sinks) {
    return with_repository(repositories, request.path, in_no_repository(request.path),
                           [&](Repository& repository) -> Answer {
                               const int code = [&] {
                                   Stashes stashes{repository.git, sinks.stashes};
                                   switch (request.list) {
                                       case ipc::VcsList::kRefs: return tell_refs(repository.git, request, sinks.refs);
                                       case ipc::VcsList::kConflicts:
                                           return tell_conflicts(repository.git, sinks.conflicts);
                                       case ipc::VcsList::kStashes:
                                           return git_stash_foreach(repository.git, tell_stash, &stashes);
                                       case ipc::VcsList::kWorktrees: break;
                                   }
                                   return tell_worktrees(repository.git, sinks.worktrees);
                               }();
                               if (code == 0) return Ok{};
                               auto refused = git_refusal(code, "read '" + shown(repository) + "'");
                               repositories.forget();
                               return refused;
                           });
}

}  // namespace toren::vcs
