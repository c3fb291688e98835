#include <unistd.h>

#include <cerrno>
#include <string>
#include <vector>

#include "workers/vcs/answers.h"

namespace toren::vcs {
namespace {

using ipc::Failure;

// The patch text on its way out, up to its limit.
struct Output {
    const TextSink& sink;
    std::uint64_t left;
    bool exceeded = false;
};

int print_line(const git_diff_delta*, const git_diff_hunk*, const git_diff_line* line, void* payload) {
    auto& output = *static_cast<Output*>(payload);
    const bool content = line->origin == GIT_DIFF_LINE_CONTEXT || line->origin == GIT_DIFF_LINE_ADDITION ||
                         line->origin == GIT_DIFF_LINE_DELETION;
    const std::uint64_t length = line->content_len + (content ? 1 : 0);
    if (length > output.left) {
        output.exceeded = true;
        return GIT_EUSER;
    }
    output.left -= length;
    if (content) output.sink({&line->origin, 1});
    output.sink({line->content, line->content_len});
    return 0;
}

// The tree of the last commit; null before the first one.
int head_tree(Owned<git_object>& tree, git_repository* git) {
    Owned<git_reference> head;
    const int code = git_repository_head(head.out(), git);
    if (code == GIT_EUNBORNBRANCH) return 0;
    return code != 0 ? code : git_reference_peel(tree.out(), head.get(), GIT_OBJECT_TREE);
}

// Puts one entry in the place of each conflict's three: libgit2 compares nothing of a path in conflict, git compares
// the file as it lies in the work tree, and which entry stands between does not matter to that. In memory only.
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

// The differences that `git diff HEAD` shows, renames found as diff.renames says.
int compare(Owned<git_diff>& diff, git_repository* git, bool& index_changed, Unreadable& unreadable) {
    Owned<git_object> tree;
    Owned<git_index> index;
    Owned<git_diff> work_tree;
    git_diff_options options;
    git_diff_options_init(&options, GIT_DIFF_OPTIONS_VERSION);
    if (const int code = head_tree(tree, git); code != 0) return code;
    if (const int code = git_repository_index(index.out(), git); code != 0) return code;
    if (const int code = git_index_read(index.get(), 0); code != 0) return code;
    index_changed = git_index_has_conflicts(index.get()) != 0;
    if (index_changed)
        if (const int code = settle_conflicts(index.get()); code != 0) return code;
    auto* commit = reinterpret_cast<git_tree*>(tree.get());
    if (const int code = git_diff_tree_to_index(diff.out(), git, commit, index.get(), &options); code != 0) return code;
    const char* work_tree_path = git_repository_workdir(git);
    unreadable.work_tree = work_tree_path == nullptr ? "" : work_tree_path;
    options.notify_cb = leave_out_unreadable;
    options.payload = &unreadable;
    if (const int code = git_diff_index_to_workdir(work_tree.out(), git, index.get(), &options); code != 0) return code;
    if (const int code = git_diff_merge(diff.get(), work_tree.get()); code != 0) return code;
    return git_diff_find_similar(diff.get(), nullptr);
}

}  // namespace

Answer answer_diff(Repositories& repositories, const ipc::VcsDiff& request, const TextSink& sink) {
    const auto found = repositories.find(request.path);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    const auto& repository = std::get<Repository>(found);
    if (repository.git == nullptr)
        return Refusal{Failure::kNotRepository, "'" + request.path + "' is in no repository of its segment"};
    const std::string what = "diff '" + (repository.folder.empty() ? "." : repository.folder) + "'";
    bool index_changed = false;
    const Answer answer = [&]() -> Answer {
        Owned<git_diff> diff;
        Output output{sink, request.max_bytes};
        Unreadable unreadable;
        int code = compare(diff, repository.git, index_changed, unreadable);
        if (code == 0) code = git_diff_print(diff.get(), GIT_DIFF_FORMAT_PATCH, print_line, &output);
        if (output.exceeded)
            return Refusal{Failure::kTooLarge,
                           what + ": larger than " + std::to_string(request.max_bytes) + " bytes (limits.diff_bytes)"};
        if (code != 0) return git_refusal(code, what);
        // Between files a patch may hold any text; nothing is left out in silence.
        for (const auto& path : unreadable.paths) sink("not compared, for it may not be read: " + path + "\n");
        return Ok{};
    }();
    if (index_changed || std::holds_alternative<Refusal>(answer)) repositories.forget();
    return answer;
}

}  // namespace toren::vcs
