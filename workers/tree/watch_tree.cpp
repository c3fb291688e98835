#include "workers/tree/watch_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

#include <climits>
#include <vector>

#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/tree/folder_stack.h"
#include "workers/tree/own_names.h"

namespace toren::workers {
namespace {

constexpr std::uint32_t kEvents = IN_CREATE | IN_DELETE | IN_MODIFY | IN_ATTRIB | IN_MOVED_FROM | IN_MOVED_TO |
                                  IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR | IN_DONT_FOLLOW | IN_EXCL_UNLINK;

bool is_folder_at(int folder, const std::string& name) {
    struct stat about {};
    return ::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(about.st_mode);
}

}  // namespace

bool is_gone(int code) {
    return code == ENOENT || code == ENOTDIR || code == ELOOP || code == EACCES || code == ENAMETOOLONG;
}

Result<WatchTree> WatchTree::start(int segment, const std::string& path, Scope scope) {
    WatchTree tree;
    tree.scope_ = std::move(scope);
    TRY_ASSIGN(tree.root_, open_beneath(segment, path, O_RDONLY | O_DIRECTORY));
    tree.queue_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!tree.queue_) return errno_error("inotify_init1 (fs.inotify.max_user_instances)");
    Folder top;
    if (tree.scope_.ignore) top.rules = IgnoreRules::of_path(segment, path, tree.root_.get(), tree.prefix_);
    TRY(tree.put(top, tree.root_.get()));
    const int number = top.number;
    tree.top_ = (tree.folders_[number] = std::make_unique<Folder>(std::move(top))).get();
    if (tree.scope_.recursive) {
        TRY_ASSIGN(auto names, FolderReader::open(tree.root_.get()));
        while (const auto name = names.next())
            if (names.type() == DT_DIR || (names.type() == DT_UNKNOWN && is_folder_at(tree.root_.get(), *name))) {
                const auto added = tree.add(*tree.top_, *name, [](const std::string&, bool) {});
                if (!added && !is_gone(added.error().code)) return added.error();
            }
    }
    return tree;
}

// inotify takes a path and no descriptor; "." is the folder that fchdir has gone to, whatever its name is by now.
Result<> WatchTree::put(Folder& folder, int descriptor) {
    if (folders_.size() >= scope_.most_folders)
        return Error{ENOSPC, "more than " + std::to_string(scope_.most_folders) + " folders to watch"};
    if (::fchdir(descriptor) != 0) return errno_error("fchdir");
    folder.number = ::inotify_add_watch(queue_.get(), ".", kEvents | scope_.more_events);
    if (folder.number < 0) return errno_error("inotify_add_watch (fs.inotify.max_user_watches)");
    return Ok{};
}

WatchTree::Folder* WatchTree::find(int number) {
    const auto found = folders_.find(number);
    return found == folders_.end() ? nullptr : found->second.get();
}

std::string WatchTree::path_of(const Folder& folder, const std::string& name) const {
    std::vector<const Folder*> way;
    for (const Folder* at = &folder; at->above != nullptr; at = at->above) way.push_back(at);
    std::string path;
    for (auto at = way.rbegin(); at != way.rend(); ++at) path += (*at)->name + '/';
    path += name;
    if (name.empty() && !path.empty()) path.pop_back();
    return path;
}

bool WatchTree::ignores(const Folder& folder, const std::string& name, bool is_folder) const {
    const bool decided = is_folder && scope_.leaves_out;
    if (!decided && is_own_name(name)) return true;
    const std::string path = path_of(folder, name);
    const bool ignored = scope_.ignore && IgnoreRules::ignores(folder.rules, prefix_ + path, is_folder);
    return decided ? scope_.leaves_out(path, ignored) : ignored;
}

Result<> WatchTree::add(Folder& above, const std::string& name, const Found& found) {
    if (!scope_.recursive || ignores(above, name, true)) return Ok{};
    const std::string path = path_of(above, name);
    if (path.size() > PATH_MAX) return Ok{};
    // From the top, without a link on the way: what is in the way of the tree that we know is not ours to follow.
    TRY_ASSIGN(auto descriptor, open_without_links(root_.get(), path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW));
    TRY_ASSIGN(auto stack, FolderStack::at(std::move(descriptor)));
    struct Level {
        Folder* folder;
        std::vector<std::string> folders;  // still to go into
    };
    std::vector<Level> levels;
    const auto enter = [&](Folder& parent, const std::string& folder_name) -> Result<> {
        TRY_ASSIGN(const int open, stack.top());
        auto made = std::make_unique<Folder>();
        made->above = &parent;
        made->name = folder_name;
        TRY(put(*made, open));
        // The kernel gives a folder that it watches already its old number: it was moved here.
        if (Folder* known = find(made->number)) {
            if (known == top_) return Error{ELOOP, "'" + folder_name + "'"};
            move(*known->above, known->name, parent, folder_name);
            return Ok{};
        }
        const std::string own_path = path_of(*made, "");
        if (scope_.ignore) made->rules = IgnoreRules::enter(parent.rules, open, prefix_ + own_path + '/');
        Folder* folder = (folders_[made->number] = std::move(made)).get();
        parent.folders[folder_name] = folder;
        levels.push_back({folder, {}});
        auto reader = FolderReader::open(open);
        if (!reader) return Ok{};  // it may not be read, and is watched all the same
        while (const auto entry = reader->next()) {
            const bool is_folder =
                reader->type() == DT_DIR || (reader->type() == DT_UNKNOWN && is_folder_at(open, *entry));
            if (own_path.size() + 1 + entry->size() > PATH_MAX || ignores(*folder, *entry, is_folder)) continue;
            found(own_path + '/' + *entry, is_folder);
            if (is_folder) levels.back().folders.push_back(*entry);
        }
        return Ok{};
    };
    TRY(enter(above, name));
    while (!levels.empty()) {
        if (levels.back().folders.empty()) {
            levels.pop_back();
            if (!levels.empty()) stack.pop();
            continue;
        }
        const std::string next = std::move(levels.back().folders.back());
        levels.back().folders.pop_back();
        if (!stack.push(next)) continue;  // gone again
        const auto depth = levels.size();
        const auto entered = enter(*levels.back().folder, next);
        if (!entered && !is_gone(entered.error().code)) return entered.error();
        if (levels.size() == depth) stack.pop();
    }
    return Ok{};
}

void WatchTree::drop(Folder& folder, bool watched) {
    std::vector<Folder*> all = {&folder};
    for (std::size_t at = 0; at < all.size(); ++at)
        for (const auto& [name, child] : all[at]->folders) all.push_back(child);
    for (Folder* each : all) {
        if (watched) ::inotify_rm_watch(queue_.get(), each->number);
        folders_.erase(each->number);
    }
}

void WatchTree::remove(Folder& above, const std::string& name) {
    const auto found = above.folders.find(name);
    if (found == above.folders.end()) return;
    Folder* folder = found->second;
    above.folders.erase(found);
    drop(*folder, true);
}

void WatchTree::move(Folder& from, const std::string& old_name, Folder& to, const std::string& new_name) {
    const auto found = from.folders.find(old_name);
    if (found == from.folders.end()) return;
    Folder* folder = found->second;
    for (const Folder* at = &to; at != nullptr; at = at->above)
        if (at == folder) return;  // events that contradict each other: a later one will tell
    from.folders.erase(found);
    remove(to, new_name);
    folder->above = &to;
    folder->name = new_name;
    to.folders[new_name] = folder;
}

void WatchTree::forget(int number) {
    Folder* folder = find(number);
    if (folder == nullptr || folder == top_) return;
    folder->above->folders.erase(folder->name);
    drop(*folder, false);
}

}  // namespace toren::workers
