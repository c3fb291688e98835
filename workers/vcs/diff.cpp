#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <string>
#include <vector>

#include "workers/vcs/answers.h"
#include "workers/vcs/revisions.h"

namespace toren::vcs {
namespace {

using ipc::Failure;
using ipc::VcsFileDiff;
using ipc::VcsSides;
using ipc::VcsState;

// Puts one entry in the place of each conflict's three: libgit2 compares nothing of a path in conflict, git compares
// the file as it lies in the work tree. Ours where there is one. In memory only.
int settle_conflicts(git_index* index) {
    std::vector<std::pair<std::string, git_index_entry>> settled;
    {
        Owned<git_index_conflict_iterator> conflicts;
        if (const int code = git_index_conflict_iterator_new(conflicts.out(), index); code != 0) return code;
        const git_index_entry *ancestor = nullptr, *ours = nullptr, *theirs = nullptr;
        int code = 0;
        while ((code = git_index_conflict_next(&ancestor, &ours, &theirs, conflicts.get())) == 0) {
            const git_index_entry* one = ours != nullptr ? ours : theirs != nullptr ? theirs : ancestor;
            git_index_entry entry{};
            entry.mode = one->mode;
            entry.id = one->id;
            settled.emplace_back(one->path, entry);
        }
        if (code != GIT_ITEROVER) return code;
    }
    for (auto& [path, entry] : settled) {
        entry.path = path.c_str();
        if (const int code = git_index_conflict_remove(index, entry.path); code != 0) return code;
        if (const int code = git_index_add(index, &entry); code != 0) return code;
    }
    return 0;
}

// Files of the work tree that may not be read: secrets that the cell hides. Comparing one would fail the whole answer.
struct Unreadable {
    std::string work_tree;
    std::vector<std::string> paths;
};

int leave_out_unreadable(const git_diff*, const git_diff_delta* delta, const char*, void* payload) {
    auto& unreadable = *static_cast<Unreadable*>(payload);
    const std::string path = delta->new_file.path;
    if (delta->status == GIT_DELTA_DELETED || ::access((unreadable.work_tree + path).c_str(), R_OK) == 0 ||
        errno != EACCES)
        return 0;
    unreadable.paths.push_back(path);
    return 1;
}

// What of a side is a commit, and which.
struct Trees {
    Owned<git_object> from, to;  // trees; null: nothing, before the first commit
    std::string from_id, to_id;  // of the commits
};

int tree_of(Owned<git_object>& tree, std::string& id, git_object* commit) {
    id = hex(*git_object_id(commit));
    return git_object_peel(tree.out(), commit, GIT_OBJECT_TREE);
}

int head_tree(Owned<git_object>& tree, std::string& id, git_repository* git) {
    Owned<git_object> commit;
    const int code = head_commit(commit, git);
    if (code == GIT_EUNBORNBRANCH) return 0;
    return code != 0 ? code : tree_of(tree, id, commit.get());
}

// A tree without a commit is a revision here too.
int revision_tree(Owned<git_object>& tree, std::string& id, git_repository* git, const std::string& revision) {
    Owned<git_object> commit;
    if (resolve(commit, git, revision, GIT_OBJECT_COMMIT) == 0) return tree_of(tree, id, commit.get());
    return resolve(tree, git, revision, GIT_OBJECT_TREE);
}

int parent_tree(Trees& trees, git_repository* git, const std::string& revision) {
    Owned<git_object> commit;
    if (const int code = resolve(commit, git, revision, GIT_OBJECT_COMMIT); code != 0) return code;
    if (const int code = tree_of(trees.to, trees.to_id, commit.get()); code != 0) return code;
    Owned<git_commit> parent;
    auto* child = reinterpret_cast<git_commit*>(commit.get());
    if (git_commit_parentcount(child) == 0) return 0;
    if (const int code = git_commit_parent(parent.out(), child, 0); code != 0) return code;
    return tree_of(trees.from, trees.from_id, reinterpret_cast<git_object*>(parent.get()));
}

int merge_base_tree(Trees& trees, git_repository* git, const ipc::VcsDiff& request) {
    Owned<git_object> from, to, base;
    git_oid id;
    if (const int code = resolve(from, git, request.from, GIT_OBJECT_COMMIT); code != 0) return code;
    if (const int code = resolve(to, git, request.to, GIT_OBJECT_COMMIT); code != 0) return code;
    if (const int code = git_merge_base(&id, git, git_object_id(from.get()), git_object_id(to.get())); code != 0)
        return code;
    if (const int code = git_object_lookup(base.out(), git, &id, GIT_OBJECT_COMMIT); code != 0) return code;
    if (const int code = tree_of(trees.from, trees.from_id, base.get()); code != 0) return code;
    return tree_of(trees.to, trees.to_id, to.get());
}

int find_trees(Trees& trees, git_repository* git, const ipc::VcsDiff& request) {
    switch (request.sides) {
        case VcsSides::kHeadToWorkTree:
        case VcsSides::kHeadToIndex: return head_tree(trees.from, trees.from_id, git);
        case VcsSides::kIndexToWorkTree: return 0;
        case VcsSides::kRevisionToWorkTree: return revision_tree(trees.from, trees.from_id, git, request.from);
        case VcsSides::kCommit: return parent_tree(trees, git, request.to);
        case VcsSides::kMergeBase: return merge_base_tree(trees, git, request);
        case VcsSides::kRevisions: break;
    }
    if (const int code = revision_tree(trees.from, trees.from_id, git, request.from); code != 0) return code;
    return revision_tree(trees.to, trees.to_id, git, request.to);
}

bool has_work_tree(VcsSides sides) {
    return sides == VcsSides::kHeadToWorkTree || sides == VcsSides::kIndexToWorkTree ||
           sides == VcsSides::kRevisionToWorkTree;
}
bool has_index(VcsSides sides) { return has_work_tree(sides) || sides == VcsSides::kHeadToIndex; }

git_tree* as_tree(const Owned<git_object>& object) { return reinterpret_cast<git_tree*>(object.get()); }

// Which paths are compared: those that the request names, all where it names none. Of sides that are known, only those
// that differ.
class ComparedPaths {
public:
    ComparedPaths(const std::vector<std::string>& wanted, const std::vector<std::string>* differing)
        : none_(differing != nullptr) {
        const auto add = [&](const std::string& path) { paths_.push_back(const_cast<char*>(path.c_str())); };
        if (differing == nullptr) std::ranges::for_each(wanted, add);
        else
            for (const auto& path : *differing)
                if (wanted.empty() || std::ranges::any_of(wanted, [&](const auto& file) { return holds(file, path); }))
                    add(path);
        none_ = none_ && paths_.empty();
    }

    bool none() const { return none_; }
    void limit(git_diff_options& options) {
        options.pathspec = {paths_.data(), paths_.size()};
        if (!paths_.empty()) options.flags |= GIT_DIFF_DISABLE_PATHSPEC_MATCH;
    }

private:
    static bool holds(std::string_view file, std::string_view path) {
        while (file.ends_with('/')) file.remove_suffix(1);
        return path == file || (path.size() > file.size() && path[file.size()] == '/' && path.starts_with(file));
    }

    bool none_;
    std::vector<char*> paths_;
};

// The differences of one request, renames found as diff.renames says.
struct Comparison {
    Trees trees;
    Owned<git_index> index;
    Owned<git_diff> diff;
    Unreadable unreadable;
    bool index_changed = false;  // in memory: conflicts were settled

    int make(const Repository& repository, const ipc::VcsDiff& request) {
        git_repository* git = repository.git;
        git_diff_options options;
        git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
        options.context_lines = request.context;
        std::optional<KeptStatus::Differing> differing;
        if (has_work_tree(request.sides)) differing = repository.status->differing();
        const bool from_head = request.sides == VcsSides::kHeadToWorkTree;
        ComparedPaths first(request.files, differing && from_head ? &differing->staged : nullptr);
        ComparedPaths second(request.files, differing ? &differing->unstaged : nullptr);
        if (const int code = find_trees(trees, git, request); code != 0) return code;
        if (has_index(request.sides))
            if (const int code = read_index(git); code != 0) return code;
        first.limit(options);
        int code = 0;
        if (!has_index(request.sides))
            code = git_diff_tree_to_tree(diff.out(), git, as_tree(trees.from), as_tree(trees.to), &options);
        else if (request.sides != VcsSides::kIndexToWorkTree && !first.none())
            code = git_diff_tree_to_index(diff.out(), git, as_tree(trees.from), index.get(), &options);
        else code = git_diff_tree_to_tree(diff.out(), git, nullptr, nullptr, &options);  // nothing, so far
        second.limit(options);
        if (code == 0 && has_work_tree(request.sides) && !second.none())
            code = add_work_tree(git, request.sides, options);
        return code != 0 ? code : git_diff_find_similar(diff.get(), nullptr);
    }

private:
    int read_index(git_repository* git) {
        if (const int code = git_repository_index(index.out(), git); code != 0) return code;
        if (const int code = git_index_read(index.get(), 0); code != 0) return code;
        index_changed = git_index_has_conflicts(index.get()) != 0;
        return index_changed ? settle_conflicts(index.get()) : 0;
    }

    int add_work_tree(git_repository* git, VcsSides sides, git_diff_options& options) {
        unreadable.work_tree = text_of(git_repository_workdir(git));
        options.notify_cb = leave_out_unreadable;
        options.payload = &unreadable;
        Owned<git_diff> work_tree;
        if (const int code = git_diff_index_to_workdir(work_tree.out(), git, index.get(), &options); code != 0)
            return code;
        if (sides != VcsSides::kIndexToWorkTree) return git_diff_merge(diff.get(), work_tree.get());
        diff = std::move(work_tree);
        return 0;
    }
};

VcsState state_of(git_delta_t status) {
    switch (status) {
        case GIT_DELTA_ADDED: return VcsState::kAdded;
        case GIT_DELTA_DELETED: return VcsState::kDeleted;
        case GIT_DELTA_RENAMED: return VcsState::kRenamed;
        case GIT_DELTA_COPIED: return VcsState::kCopied;
        case GIT_DELTA_TYPECHANGE: return VcsState::kTypeChanged;
        default: return VcsState::kModified;
    }
}

// Git tells the modes before the names, libgit2 after them.
void put_modes_first(std::string& patch) {
    const auto modes = patch.find("\nold mode "), names = patch.find("\nsimilarity index ");
    const auto content = std::min(patch.find("\n@@ "), patch.find("\n--- "));
    if (names == patch.npos || modes == patch.npos || modes < names || modes > content) return;
    const auto end = patch.find('\n', patch.find('\n', modes + 1) + 1);
    if (end == patch.npos) return;
    std::rotate(patch.begin() + static_cast<std::ptrdiff_t>(names), patch.begin() + static_cast<std::ptrdiff_t>(modes),
                patch.begin() + static_cast<std::ptrdiff_t>(end));
}

int tell_file(VcsFileDiff& file, git_diff* diff, std::size_t nth, const ipc::VcsDiff& request) {
    Owned<git_patch> patch;
    if (const int code = git_patch_from_diff(patch.out(), diff, nth); code != 0) return code;
    // Only now are the sides read: ids, and whether they are text.
    const git_diff_delta* delta =
        patch.get() != nullptr ? git_patch_get_delta(patch.get()) : git_diff_get_delta(diff, nth);
    file.path = delta->new_file.path;
    file.old_path = delta->old_file.path;
    file.state = state_of(delta->status);
    file.old_mode = delta->old_file.mode;
    file.new_mode = delta->new_file.mode;
    file.old_id = hex(delta->old_file.id);
    file.new_id = hex(delta->new_file.id);
    file.binary = (delta->flags & GIT_DIFF_FLAG_BINARY) != 0;
    if (patch.get() == nullptr) return 0;
    std::size_t context = 0, additions = 0, deletions = 0;
    if (const int code = git_patch_line_stats(&context, &additions, &deletions, patch.get()); code != 0) return code;
    file.additions = additions;
    file.deletions = deletions;
    if (!request.patch) return 0;
    file.cut = git_patch_size(patch.get(), 1, 1, 1) > request.max_file_bytes;
    if (file.cut) return 0;
    git_buf text = GIT_BUF_INIT;
    const int code = git_patch_to_buf(&text, patch.get());
    if (code == 0) file.patch.assign(text.ptr, text.size);
    git_buf_dispose(&text);
    put_modes_first(file.patch);
    return code;
}

// One page of it.
int tell_files(ipc::VcsDiffEnd& end, Comparison& comparison, const ipc::VcsDiff& request,
               const Sink<VcsFileDiff>& sink) {
    const std::size_t deltas = git_diff_num_deltas(comparison.diff.get());
    const auto& unreadable = comparison.unreadable.paths;
    end.files = deltas + unreadable.size();
    std::uint64_t told = 0, bytes = 0;
    for (std::uint64_t nth = request.skip; nth < end.files; ++nth) {
        VcsFileDiff file;
        if (nth < deltas) {
            if (const int code = tell_file(file, comparison.diff.get(), nth, request); code != 0) return code;
        } else {
            file.path = file.old_path = unreadable[nth - deltas];
            file.state = VcsState::kModified;
            file.unreadable = true;
        }
        bytes += file.patch.size();
        end.more = (request.max_files > 0 && told == request.max_files) || (told > 0 && bytes > request.max_bytes);
        if (end.more) return 0;
        sink(file);
        ++told;
    }
    return 0;
}

}  // namespace

Answer answer_diff(Repositories& repositories, const ipc::VcsDiff& request, const Sink<VcsFileDiff>& sink) {
    return with_repository(repositories, request.path, in_no_repository(request.path),
                           [&](Repository& repository) -> Answer {
                               if (has_work_tree(request.sides))
                                   if (const auto why = needs_git(repository.git))
                                       return Refusal{Failure::kUnsupported, *why};
                               Comparison comparison;
                               ipc::VcsDiffEnd end;
                               int code = comparison.make(repository, request);
                               if (code == 0) code = tell_files(end, comparison, request, sink);
                               end.from = comparison.trees.from_id;
                               end.to = comparison.trees.to_id;
                               Answer answer = workers::reply(end);
                               if (code != 0) answer = git_refusal(code, "diff '" + shown(repository) + "'");
                               const bool clean = code == 0 && !comparison.index_changed;
                               comparison = {};  // before what it was made of
                               if (!clean) repositories.forget();
                               return answer;
                           });
}

}  // namespace toren::vcs
