#include "workers/vcs/tree_watch.h"

#include <fcntl.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <cstring>

#include "workers/tree/beneath.h"

namespace toren::vcs {
namespace {

using workers::WatchTree;

constexpr std::size_t kMostEvents = 100'000;  // in one call; a tree that changes faster is not worth to be followed
constexpr std::size_t kMostRecent = 512;
constexpr std::size_t kMostFolders = 20'000;

// A file that says what git ignores, or how it reads the others: nothing that was known holds.
bool rules_others(const std::string& name) {
    return name == ".gitignore" || name == ".gitattributes" || name == ".gitmodules";
}

// A repository within is one entry, whatever in its `.git` changed.
std::string doubtful_path(const std::string& path) {
    const auto within = path.find("/.git");
    return within != path.npos && (within + 5 == path.size() || path[within + 5] == '/') ? path.substr(0, within)
                                                                                         : path;
}

std::string last_name(const std::string& path) { return path.substr(path.rfind('/') + 1); }

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == path.npos ? "" : path.substr(0, slash);
}

}  // namespace

Result<std::unique_ptr<TreeWatch>> TreeWatch::start(int segment, const std::string& folder, git_repository* git) {
    std::unique_ptr<TreeWatch> watch(new TreeWatch(git));
    TreeWatch* self = watch.get();
    const std::string path = folder.empty() ? "." : folder;
    TRY_ASSIGN(watch->root_, workers::open_beneath(segment, path, O_PATH | O_DIRECTORY));
    WatchTree::Scope scope;
    scope.leaves_out = [self](const std::string& at, bool ignored) { return self->leaves_out(at, ignored); };
    // A file that was mapped and stored to says so only when it is closed.
    scope.more_events = IN_CLOSE_WRITE;
    scope.most_folders = kMostFolders;
    TRY_ASSIGN(auto tree, WatchTree::start(segment, path, std::move(scope)));
    watch->tree_ = std::make_unique<WatchTree>(std::move(tree));
    return watch;
}

// The ignore rules that the watch reads are for searching; libgit2 has the last word, and is asked only where they
// would leave a folder out. `.git` of a repository within makes it one entry of the status, or no more: it is watched
// itself, and nothing in it.
bool TreeWatch::leaves_out(const std::string& path, bool ignored) const {
    if (path == ".git" || last_name(folder_of(path)) == ".git") return true;
    if (!ignored || last_name(path) == ".git") return false;
    int agreed = 0;
    if (git_ignore_path_is_ignored(&agreed, git_, (path + '/').c_str()) != 0 || agreed == 0) return false;
    Owned<git_index> index;
    std::size_t at = 0;
    return git_repository_index(index.out(), git_) == 0 &&
           git_index_find_prefix(&at, index.get(), (path + '/').c_str()) == GIT_ENOTFOUND;
}

Result<> TreeWatch::cover(git_index* index) {
    submodules_.clear();
    std::string known;  // the folder of the entry before
    for (std::size_t at = 0, count = git_index_entrycount(index); at < count; ++at) {
        const git_index_entry* entry = git_index_get_byindex(index, at);
        if (entry->mode == GIT_FILEMODE_COMMIT) submodules_.insert(entry->path);
        const char* slash = std::strrchr(entry->path, '/');
        const std::string_view folder(entry->path,
                                      slash == nullptr ? 0 : static_cast<std::size_t>(slash - entry->path));
        if (folder == known) continue;
        known = folder;
        Folder* above = &tree_->top();
        for (std::string_view rest = folder; !rest.empty();) {
            const std::string name(rest.substr(0, rest.find('/')));
            if (!above->folders.contains(name)) {
                const auto added = tree_->add(*above, name, [](const std::string&, bool) {});
                if (!added && !workers::is_gone(added.error().code)) return added.error();
            }
            const auto found = above->folders.find(name);
            if (found == above->folders.end()) break;  // not there, or no folder
            above = found->second;
            rest.remove_prefix(std::min(rest.size(), name.size() + 1));
        }
    }
    return Ok{};
}

std::optional<TreeWatch::Doubts> TreeWatch::take() {
    alignas(inotify_event) char buffer[64 * 1024];
    Doubts told;
    for (std::size_t events = 0;;) {
        const ssize_t length = ::read(tree_->queue(), buffer, sizeof buffer);
        if (length < 0 && errno == EINTR) continue;
        if (length <= 0) break;
        for (const char* at = buffer; at < buffer + length; ++events) {
            inotify_event event;
            std::memcpy(&event, at, sizeof event);
            const std::string name = event.len > 0 ? std::string(at + sizeof event) : std::string();
            if (!take_event(event.mask, event.wd, name, told.paths)) return std::nullopt;
            at += sizeof event + event.len;
        }
        if (events > kMostEvents) return std::nullopt;
    }
    look_at_recent(told.paths);
    remember(told);
    told.paths.insert(submodules_.begin(), submodules_.end());
    return told;
}

bool TreeWatch::take_event(std::uint32_t mask, int number, const std::string& name, Paths& doubtful) {
    if ((mask & IN_Q_OVERFLOW) != 0) return false;
    Folder* folder = tree_->find(number);
    if (folder == nullptr) return true;  // of a folder that went, which its own folder told
    const bool is_top = folder == &tree_->top();
    if ((mask & (IN_IGNORED | IN_UNMOUNT | IN_DELETE_SELF | IN_MOVE_SELF)) != 0) {
        if (is_top) return false;
        doubtful.insert(tree_->path_of(*folder, ""));
        if ((mask & IN_IGNORED) != 0) tree_->forget(number);
        return true;
    }
    if (is_top && name == ".git") return true;  // which Repositories looks at for each request
    if (rules_others(name)) return false;
    if (is_top && name.empty()) return true;
    doubtful.insert(doubtful_path(tree_->path_of(*folder, name)));
    if ((mask & IN_ISDIR) == 0 || name.empty()) return true;
    if ((mask & (IN_DELETE | IN_MOVED_FROM)) != 0) {
        tree_->remove(*folder, name);
        return true;
    }
    return folder->folders.contains(name) || watch_folder(*folder, name);
}

// A folder has come, or can be looked into since now. What is in it is in doubt with it.
bool TreeWatch::watch_folder(Folder& above, const std::string& name) {
    const auto added = tree_->add(above, name, [](const std::string&, bool) {});
    return added || workers::is_gone(added.error().code);
}

void TreeWatch::look_at_recent(Paths& doubtful) {
    for (const auto& [path, identity] : recent_) {
        struct stat about {};
        const bool there = ::fstatat(root_.get(), path.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0;
        if ((there ? identity_of(about) : Identity{}) != identity) doubtful.insert(path);
    }
}

void TreeWatch::remember(Doubts& doubts) {
    std::erase_if(recent_, [&](const auto& known) { return doubts.paths.contains(known.first); });
    for (const auto& path : doubts.paths) {
        struct stat about {};
        if (::fstatat(root_.get(), path.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(about.st_mode)) continue;
        recent_.emplace_back(path, identity_of(about));
        doubts.all = doubts.all || about.st_nlink > 1;
    }
    while (recent_.size() > kMostRecent) recent_.pop_front();
}

}  // namespace toren::vcs
