#include <climits>

#include "workers/vcs/answers.h"

namespace toren::vcs {
namespace {

using ipc::VcsEntry;
using ipc::VcsState;

// One state for what git gives two letters (index, work tree): the first row that fits. So AM, MM and RM are
// modified, modified and renamed; what the work tree lost is deleted, however it stood in the index (AD, MD).
struct StateRow {
    unsigned flags;
    VcsState state;
};

constexpr StateRow kStates[] = {
    {GIT_STATUS_CONFLICTED, VcsState::kConflicted},
    {GIT_STATUS_INDEX_RENAMED, VcsState::kRenamed},
    {GIT_STATUS_INDEX_DELETED | GIT_STATUS_WT_DELETED, VcsState::kDeleted},
    {GIT_STATUS_INDEX_MODIFIED | GIT_STATUS_INDEX_TYPECHANGE | GIT_STATUS_WT_MODIFIED | GIT_STATUS_WT_TYPECHANGE,
     VcsState::kModified},
    {GIT_STATUS_INDEX_NEW, VcsState::kAdded},
};

// The branch that HEAD names, born or not; "" where it is detached.
std::variant<std::string, Refusal> branch_of(git_repository* git) {
    Owned<git_reference> head;
    if (const int code = git_reference_lookup(head.out(), git, "HEAD"); code != 0)
        return git_refusal(code, "read HEAD");
    const char* target = git_reference_symbolic_target(head.get());
    if (target == nullptr) return std::string();
    std::string branch = target;
    for (const std::string_view prefix : {"refs/heads/", "refs/"})
        if (branch.starts_with(prefix)) branch.erase(0, prefix.size());
    return branch;
}

// As git decides it: status.renames, else diff.renames, else yes. "copies" is no boolean and means yes here.
bool finds_renames(git_repository* git) {
    Owned<git_config> config;
    if (git_repository_config_snapshot(config.out(), git) != 0) return true;
    int wanted = 1;
    for (const char* name : {"status.renames", "diff.renames"}) {
        const int code = git_config_get_bool(&wanted, config.get(), name);
        if (code == 0) return wanted != 0;
        if (code != GIT_ENOTFOUND) return true;
    }
    return true;
}

// `git add -N`: the index has the name alone, so that its content differs from the file's and nothing was modified.
bool only_intended(git_repository* git, const char* path) {
    Owned<git_index> index;
    if (git_repository_index(index.out(), git) != 0) return false;
    const git_index_entry* entry = git_index_get_bypath(index.get(), path, 0);
    return entry != nullptr && (entry->flags_extended & GIT_INDEX_ENTRY_INTENT_TO_ADD) != 0;
}

const char* new_path(const git_diff_delta* delta) {
    return delta->new_file.path != nullptr ? delta->new_file.path : delta->old_file.path;
}

class Lister {
public:
    Lister(git_repository* git, const EntrySink& sink) : git_(git), sink_(sink) {}

    // False: a path is longer than any that the kernel opens, so the index was made by hand.
    bool add(const git_status_entry& entry) {
        unsigned flags = entry.status;
        const git_diff_delta* delta = entry.head_to_index != nullptr ? entry.head_to_index : entry.index_to_workdir;
        if (delta == nullptr) return true;
        VcsEntry record;
        record.path = new_path(delta);
        if ((flags & GIT_STATUS_INDEX_RENAMED) != 0) record.old_path = delta->old_file.path;
        if (record.path.size() > PATH_MAX || record.old_path.size() > PATH_MAX) return false;
        constexpr unsigned kAddedAndModified = GIT_STATUS_INDEX_NEW | GIT_STATUS_WT_MODIFIED;
        if (flags == kAddedAndModified && only_intended(git_, record.path.c_str())) flags = GIT_STATUS_INDEX_NEW;
        for (const StateRow& row : kStates)
            if ((flags & row.flags) != 0) {
                record.state = row.state;
                sink_(record);
                break;
            }
        // Besides being deleted in the index (`git rm --cached`) a file can be there, untracked: git's two lines.
        if ((flags & GIT_STATUS_WT_NEW) != 0) {
            record.state = VcsState::kUntracked;
            record.old_path.clear();
            sink_(record);
        }
        return true;
    }

private:
    git_repository* git_;
    const EntrySink& sink_;
};

}  // namespace

Answer answer_status(Repositories& repositories, const ipc::VcsStatus& request, const EntrySink& sink) {
    const auto found = repositories.find(request.path);
    if (const auto* refused = std::get_if<Refusal>(&found)) return *refused;
    const auto& repository = std::get<Repository>(found);
    VcsEntry header;
    header.kind = repository.kind;
    if (repository.git == nullptr) {
        sink(header);
        return Ok{};
    }
    const std::string what = "read the status of '" + (repository.folder.empty() ? "." : repository.folder) + "'";
    const auto branch = branch_of(repository.git);
    if (const auto* refused = std::get_if<Refusal>(&branch)) {
        repositories.forget();
        return Refusal{refused->failure, what + ": " + refused->error};
    }
    // jj keeps HEAD detached and has no branch at work.
    if (repository.kind == ipc::VcsKind::kGit) header.path = std::get<std::string>(branch).substr(0, PATH_MAX);
    sink(header);

    git_status_options options;
    git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
    options.show = GIT_STATUS_SHOW_INDEX_AND_WORKDIR;
    options.flags = GIT_STATUS_OPT_INCLUDE_UNTRACKED | GIT_STATUS_OPT_SORT_CASE_SENSITIVELY;
    if (finds_renames(repository.git)) options.flags |= GIT_STATUS_OPT_RENAMES_HEAD_TO_INDEX;
    Owned<git_status_list> list;
    if (const int code = git_status_list_new(list.out(), repository.git, &options); code != 0) {
        auto refused = git_refusal(code, what);
        repositories.forget();
        return refused;
    }
    Lister lister(repository.git, sink);
    for (std::size_t i = 0, count = git_status_list_entrycount(list.get()); i < count; ++i)
        if (!lister.add(*git_status_byindex(list.get(), i)))
            return Refusal{ipc::Failure::kUnsupported,
                           what + ": a path is longer than " + std::to_string(PATH_MAX) + " bytes"};
    return Ok{};
}

}  // namespace toren::vcs
