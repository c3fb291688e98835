#include "workers/vcs/kept_status.h"

#include <fcntl.h>
#include <git2/sys/mempack.h>
#include <git2/sys/odb_backend.h>
#include <git2/sys/repository.h>
#include <sys/stat.h>

#include <algorithm>

#include "base/log.h"
#include "workers/tree/beneath.h"
#include "workers/tree/ignore_rules.h"
#include "workers/vcs/revisions.h"
#include "workers/vcs/tree_scan.h"

namespace toren::vcs {
namespace {

// More doubtful paths than these are no quicker to look at than the whole tree.
constexpr std::size_t kMostDoubtful = 10'000;
// A larger tree is not looked at without being asked: a request would have to wait for it.
constexpr std::size_t kMostPrepared = 200'000;
constexpr std::size_t kOwnRuleFiles = 4;  // of every repository; others the configuration names

const char* new_path(const git_diff_delta* delta) {
    return delta->new_file.path != nullptr ? delta->new_file.path : delta->old_file.path;
}

bool is_submodule(const git_diff_delta* delta) {
    return delta->new_file.mode == GIT_FILEMODE_COMMIT || delta->old_file.mode == GIT_FILEMODE_COMMIT;
}

// As git decides it: status.renames, else diff.renames, else yes. "copies" is no boolean and means yes here.
bool finds_renames(git_config* config) {
    int wanted = 1;
    for (const char* name : {"status.renames", "diff.renames"}) {
        const int code = git_config_get_bool(&wanted, config, name);
        if (code == 0) return wanted != 0;
        if (code != GIT_ENOTFOUND) return true;
    }
    return true;
}

unsigned flags_of(const KeptStatus::Question& question) {
    unsigned flags = 0;
    if (question.untracked != ipc::VcsUntracked::kNone) flags |= GIT_STATUS_OPT_INCLUDE_UNTRACKED;
    if (question.untracked == ipc::VcsUntracked::kAll) flags |= GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS;
    // Asked or not: among them are links that git does not ignore.
    if (question.ignored || question.untracked != ipc::VcsUntracked::kNone) flags |= GIT_STATUS_OPT_INCLUDE_IGNORED;
    return flags;
}

// The tree that the index would commit, as it remembers it from the last one. Nothing is written: what libgit2 makes of
// an index that has changed since goes to an object store in memory, and is not used.
bool is_tree_of(git_index* index, const git_oid& tree) {
    Owned<git_odb> store;
    Owned<git_repository> nowhere;
    git_odb_backend* memory = nullptr;
    if (git_odb_new(store.out()) != 0 || git_mempack_new(&memory) != 0 ||
        git_odb_add_backend(store.get(), memory, 1) != 0 || git_repository_wrap_odb(nowhere.out(), store.get()) != 0)
        return false;
    git_oid remembered{};
    return git_index_write_tree_to(&remembered, index, nowhere.get()) == 0 && git_oid_equal(&remembered, &tree) != 0;
}

// The entry that a change of this path may alter: itself where its folders have tracked files, and else the first of
// them that has none, since such a folder is told as one.
std::string entry_of(git_index* index, const std::string& path) {
    for (auto slash = path.find('/'); slash != path.npos; slash = path.find('/', slash + 1)) {
        const std::string folder = path.substr(0, slash);
        std::size_t at = 0;
        if (git_index_find(&at, index, folder.c_str()) == 0 ||
            git_index_find_prefix(&at, index, (folder + '/').c_str()) != 0)
            return folder;
    }
    return path;
}

void erase_beneath(StatusEntries& entries, const std::string& path) {
    entries.erase(path);
    entries.erase(entries.lower_bound(path + '/'), entries.lower_bound(path + char('/' + 1)));
}

// The entries to look at again, none beneath another.
TreeWatch::Paths entries_of(git_index* index, const TreeWatch::Paths& doubtful) {
    TreeWatch::Paths all, outermost;
    for (const auto& path : doubtful) all.insert(entry_of(index, path));
    for (const auto& path : all) {
        auto slash = path.find('/');
        while (slash != path.npos && !all.contains(path.substr(0, slash))) slash = path.find('/', slash + 1);
        if (slash == path.npos) outermost.insert(path);
    }
    return outermost;
}

}  // namespace

KeptStatus::KeptStatus(int segment, std::string folder, git_repository* git)
    : segment_(segment), folder_(std::move(folder)), git_(git) {
    const std::string own = text_of(git_repository_path(git)), common = text_of(git_repository_commondir(git));
    rule_files_ = {own + "config.worktree", common + "info/exclude", common + "info/attributes",
                   own + "info/sparse-checkout"};
    // As one sees it from the segment; core.worktree may name another.
    const auto root = workers::open_beneath(segment, folder_.empty() ? "." : folder_, O_PATH | O_DIRECTORY);
    struct stat about {};
    Owned<git_config> config;
    int ignores_case = 0;
    scannable_ = root && ::fstat(root->get(), &about) == 0 &&
                 identity_of(about) == identity_of(text_of(git_repository_workdir(git))) &&
                 git_repository_config_snapshot(config.out(), git) == 0 &&
                 (git_config_get_bool(&ignores_case, config.get(), "core.ignorecase") != 0 || ignores_case == 0);
    // A file that the configuration includes may lie anywhere: such a repository is not watched.
    Owned<git_config_iterator> includes;
    git_config_entry* include = nullptr;
    if (!scannable_ || git_config_iterator_glob_new(includes.out(), config.get(), "^include(if)?\\.") != 0 ||
        git_config_next(&include, includes.get()) == 0) {
        watchable_ = false;
        return;
    }
    for (const char* name : {"core.excludesfile", "core.attributesfile"}) {
        git_buf path = GIT_BUF_INIT;
        if (git_config_get_path(&path, config.get(), name) == 0) rule_files_.emplace_back(path.ptr, path.size);
        git_buf_dispose(&path);
    }
}

int KeptStatus::bring(const Question& question) {
    Owned<git_index> index;
    if (const int code = git_repository_index(index.out(), git_); code != 0) return code;
    if (!question.ignored) asked_ = question;
    int code = look_for_changes(index.get());
    if (code == 0) code = bring_staged(index.get());
    if (code == 0) code = bring_unstaged(index.get(), question);
    return code;
}

// Before anything is read, so that what changes meanwhile is seen the next time.
int KeptStatus::look_for_changes(git_index* index) {
    std::vector<Identity> rules;
    for (const auto& file : rule_files_) rules.push_back(identity_of(file));
    const bool other_rules = rules != rules_;
    rules_ = std::move(rules);
    const Identity identity = identity_of(text_of(git_index_path(index)));
    const bool other_index = identity != index_;
    index_ = identity;
    if (const int code = git_index_read(index, 0); code != 0) return code;

    std::optional<TreeWatch::Doubts> doubts = TreeWatch::Doubts{};
    if (watch_ && !other_rules) doubts = watch_->take();
    const bool lost = watch_ && (other_rules || !doubts);
    if (lost) watch(index);
    else if (watch_ && other_index && !watch_->cover(index)) watch_.reset();
    if (other_index || other_rules) head_.reset();
    const bool all = !watch_ || lost || doubts->all || other_index || other_rules;
    for (Side& side : sides_) {
        if (!all) side.doubtful.insert(doubts->paths.begin(), doubts->paths.end());
        if (all || side.doubtful.size() > kMostDoubtful) side = {};
    }
    return 0;
}

void KeptStatus::watch(git_index* index) {
    watch_.reset();
    auto made = TreeWatch::start(segment_, folder_, git_);
    Result<> done = made ? (*made)->cover(index) : Result<>(made.error());
    watchable_ = static_cast<bool>(done);
    if (done) watch_ = std::move(*made);
    else log_info("each status of this repository looks at the whole tree: " + done.error().text());
}

int KeptStatus::bring_staged(git_index* index) {
    git_oid head{};
    const int code = git_reference_name_to_id(&head, git_, "HEAD");
    if (code != 0 && code != GIT_ENOTFOUND) return code;
    if (head_ && git_oid_equal(&*head_, &head) != 0) return 0;
    head_.reset();
    staged_.clear();
    Owned<git_object> commit;
    if (head_commit(commit, git_) == 0 && git_oid_equal(git_object_id(commit.get()), &head) != 0 &&
        is_tree_of(index, *git_commit_tree_id(reinterpret_cast<git_commit*>(commit.get())))) {
        head_ = head;
        return 0;
    }
    if (const int failed = list(staged_, GIT_STATUS_SHOW_INDEX_ONLY, {ipc::VcsUntracked::kNone}, nullptr); failed != 0)
        return failed;
    head_ = head;
    return 0;
}

int KeptStatus::bring_unstaged(git_index* index, const Question& question) {
    unkept_ = {};
    const bool keeps = watch_ && !question.ignored;
    shown_ = keeps ? std::optional(static_cast<std::size_t>(question.untracked)) : std::nullopt;
    Side& side = keeps ? sides_[*shown_] : unkept_;
    if (side.known && side.doubtful.empty()) return 0;
    std::optional<TreeWatch::Paths> only;
    if (side.known) only = std::move(side.doubtful);
    else if (!question.ignored) only = scan(index, question.untracked != ipc::VcsUntracked::kNone);
    if (only) only = entries_of(index, *only);
    if (only && side.known)
        for (const auto& path : *only) erase_beneath(side.entries, path);
    else side = {};
    const bool differs = !only || !only->empty();
    const int code = differs ? list(side.entries, GIT_STATUS_SHOW_WORKDIR_ONLY, question, only ? &*only : nullptr) : 0;
    side.doubtful.clear();
    side.known = code == 0;
    if (code != 0) side.entries.clear();
    return code;
}

std::optional<TreeWatch::Paths> KeptStatus::scan(git_index* index, bool untracked) const {
    const auto root = workers::open_beneath(segment_, folder_.empty() ? "." : folder_, O_RDONLY | O_DIRECTORY);
    if (!root || !scannable_) return std::nullopt;
    return scan_tree(root->get(), index, index_, untracked, kMostDoubtful);
}

// libgit2 takes a link to a folder for a folder, and leaves it out where a rule speaks of folders alone.
bool KeptStatus::is_ignored_link(const std::string& path) const {
    const auto [above, name] = workers::split_path(folder_.empty() ? path : folder_ + '/' + path);
    const auto folder = workers::open_beneath(segment_, above, O_RDONLY | O_DIRECTORY);
    if (!folder || rule_files_.size() > kOwnRuleFiles) return true;
    using workers::IgnoreRules;
    std::string prefix;
    const auto rules = IgnoreRules::of_path(segment_, above, folder->get(), prefix, IgnoreRules::Which::kGitOnly);
    return IgnoreRules::ignores(rules, prefix + name, false);
}

// Where folders stand for what is untracked beneath them, libgit2 does not look into a folder for the sake of a path
// that it is told to look at: all files are listed then, and their folders told here. It also takes paths literally
// only in that case.
int KeptStatus::list(StatusEntries& entries, git_status_show_t show, const Question& question,
                     const TreeWatch::Paths* only) {
    Owned<git_index> index;
    if (const int code = git_repository_index(index.out(), git_); code != 0) return code;
    git_status_options options;
    git_status_options_init(&options, GIT_STATUS_OPTIONS_VERSION);
    options.show = show;
    options.flags = flags_of(question);
    if (show == GIT_STATUS_SHOW_INDEX_ONLY) {
        Owned<git_config> config;
        if (git_repository_config_snapshot(config.out(), git_) != 0 || finds_renames(config.get()))
            options.flags |= GIT_STATUS_OPT_RENAMES_HEAD_TO_INDEX;
    }
    std::vector<char*> paths;
    if (only != nullptr) {
        for (const auto& path : *only) paths.push_back(const_cast<char*>(path.c_str()));
        options.flags |= GIT_STATUS_OPT_DISABLE_PATHSPEC_MATCH | GIT_STATUS_OPT_RECURSE_UNTRACKED_DIRS;
        options.pathspec = {paths.data(), paths.size()};
    }
    Owned<git_status_list> list;
    if (const int code = git_status_list_new(list.out(), git_, &options); code != 0) return code;
    const bool by_folder = question.untracked == ipc::VcsUntracked::kFolders;
    for (std::size_t at = 0, count = git_status_list_entrycount(list.get()); at < count; ++at) {
        const git_status_entry* told = git_status_byindex(list.get(), at);
        const git_diff_delta* delta = told->head_to_index != nullptr ? told->head_to_index : told->index_to_workdir;
        if (delta == nullptr) continue;
        std::string path = new_path(delta);
        unsigned flags = told->status;
        if (flags == GIT_STATUS_IGNORED && delta->new_file.mode == GIT_FILEMODE_LINK && !is_ignored_link(path))
            flags = GIT_STATUS_WT_NEW;
        if (flags == GIT_STATUS_IGNORED && !question.ignored) continue;
        if (flags == GIT_STATUS_WT_NEW && by_folder) {
            const std::string entry = entry_of(index.get(), path);
            if (entry != path) path = entry + '/';
            // A folder in the place of a file that the index has is no entry of its own to git.
            std::size_t tracked = 0;
            if (path.ends_with('/') && git_index_find(&tracked, index.get(), entry.c_str()) == 0) continue;
        }
        StatusEntry& entry = entries[path];
        entry.flags |= flags;
        if ((flags & GIT_STATUS_INDEX_RENAMED) != 0) entry.old_path = delta->old_file.path;
        entry.submodule = entry.submodule || is_submodule(delta);
    }
    return 0;
}

std::optional<KeptStatus::Differing> KeptStatus::differing() {
    if (bring(asked_.value_or(Question{ipc::VcsUntracked::kNone})) != 0) return std::nullopt;
    Differing paths;
    for (const auto& [path, entry] : staged()) {
        paths.staged.push_back(path);
        if (!entry.old_path.empty()) paths.staged.push_back(entry.old_path);
    }
    for (const auto& [path, entry] : unstaged())
        if (entry.flags != GIT_STATUS_WT_NEW) paths.unstaged.push_back(path);
    return paths;
}

bool KeptStatus::can_prepare() const {
    return watchable_ && asked_ && (!watch_ || !sides_[static_cast<std::size_t>(asked_->untracked)].known);
}

void KeptStatus::prepare() {
    Owned<git_index> index;
    if (git_repository_index(index.out(), git_) != 0) watchable_ = false;
    else if (!watch_) watch(index.get());
    else if (git_index_entrycount(index.get()) > kMostPrepared || bring(*asked_) != 0) asked_.reset();
}

}  // namespace toren::vcs
