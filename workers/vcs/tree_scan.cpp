#include "workers/vcs/tree_scan.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <mutex>
#include <string_view>
#include <tuple>
#include <unordered_map>
#include <vector>

#include "workers/tree/beneath.h"
#include "workers/tree/folder_reader.h"
#include "workers/vcs/second_thread.h"

namespace toren::vcs {
namespace {

bool earlier(const git_index_time& time, const timespec& other) {
    return std::tuple(std::int64_t{time.seconds}, std::int64_t{time.nanoseconds}) <
           std::tuple(std::int64_t{static_cast<std::int32_t>(other.tv_sec)}, std::int64_t{other.tv_nsec});
}

// The index keeps 32 bits of each number, and of some writers no nanoseconds.
bool is_same(const git_index_time& time, const timespec& other) {
    return time.seconds == static_cast<std::int32_t>(other.tv_sec) &&
           (time.nanoseconds == 0 || time.nanoseconds == static_cast<std::uint32_t>(other.tv_nsec));
}

std::uint32_t mode_of(const struct stat& about) {
    if (S_ISLNK(about.st_mode)) return GIT_FILEMODE_LINK;
    if (!S_ISREG(about.st_mode)) return GIT_FILEMODE_UNREADABLE;
    return (about.st_mode & S_IXUSR) != 0 ? GIT_FILEMODE_BLOB_EXECUTABLE : GIT_FILEMODE_BLOB;
}

struct Folder {
    std::string path;                             // "" or with a '/' at its end
    std::vector<const git_index_entry*> entries;  // of its files
    std::vector<std::string_view> names;          // of those and of its folders; sorted in the end
};

class Scan {
public:
    Scan(int work_tree, git_index* index, const Identity& index_file, bool untracked, std::size_t most)
        : work_tree_(work_tree), index_file_(index_file), untracked_(untracked), most_(most) {
        folders_.emplace_back();
        numbers_.emplace("", 0);
        std::size_t at = 0;
        for (std::size_t i = 0, count = git_index_entrycount(index); i < count; ++i) {
            const git_index_entry* entry = git_index_get_byindex(index, i);
            const std::string_view path = entry->path;
            const auto end = path.rfind('/') + 1;
            if (folders_[at].path != path.substr(0, end)) at = number_of(path.substr(0, end));
            folders_[at].entries.push_back(entry);
            folders_[at].names.push_back(path.substr(end));
        }
    }

    std::set<std::string> run() {
        work_together([this] { look(); });
        return std::move(doubtful_);
    }

private:
    // `path` is of an entry, and ends with '/'.
    std::size_t number_of(std::string_view path) {
        const auto known = numbers_.find(std::string(path));
        if (known != numbers_.end()) return known->second;
        const auto end = path.substr(0, path.size() - 1).rfind('/') + 1;
        const std::size_t above = number_of(path.substr(0, end));
        folders_[above].names.push_back(path.substr(end, path.size() - 1 - end));
        folders_.push_back({std::string(path), {}, {}});
        return numbers_[std::string(path)] = folders_.size() - 1;
    }

    // By both threads.
    void look() {
        std::set<std::string> doubtful;
        while (found_ <= most_) {
            const std::size_t at = next_++;
            if (at >= folders_.size()) break;
            const auto before = doubtful.size();
            look_at(folders_[at], doubtful);
            found_ += doubtful.size() - before;
        }
        const std::lock_guard lock(mutex_);
        doubtful_.merge(doubtful);
    }

    void look_at(Folder& folder, std::set<std::string>& doubtful) const {
        const auto fd =
            workers::open_without_links(work_tree_, folder.path.empty() ? "." : folder.path, O_RDONLY | O_DIRECTORY);
        if (!fd) {
            doubtful.insert(folder.path.substr(0, folder.path.size() - 1));
            return;
        }
        for (const git_index_entry* entry : folder.entries)
            if (may_differ(fd->get(), entry->path + folder.path.size(), *entry)) doubtful.insert(entry->path);
        if (!untracked_) return;
        std::ranges::sort(folder.names);
        auto names = workers::FolderReader::open(fd->get());
        while (names && found_ + doubtful.size() <= most_) {
            const auto name = names->next();
            if (!name) break;
            if (!std::ranges::binary_search(folder.names, std::string_view(*name)) && *name != ".git")
                doubtful.insert(folder.path + *name);
        }
    }

    // Whatever is special about an entry (a conflict's, a submodule's, one that git was told to leave alone) is
    // libgit2's to judge.
    bool may_differ(int folder, const char* name, const git_index_entry& entry) const {
        struct stat about {};
        return git_index_entry_stage(&entry) != 0 || (entry.flags & GIT_INDEX_ENTRY_VALID) != 0 ||
               entry.flags_extended != 0 || ::fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) != 0 ||
               entry.mode != mode_of(about) || entry.file_size != static_cast<std::uint32_t>(about.st_size) ||
               entry.ino != static_cast<std::uint32_t>(about.st_ino) || !is_same(entry.mtime, about.st_mtim) ||
               !is_same(entry.ctime, about.st_ctim) || !earlier(entry.mtime, index_file_.modified);
    }

    int work_tree_;
    const Identity& index_file_;
    bool untracked_;
    std::size_t most_;
    std::vector<Folder> folders_;
    std::unordered_map<std::string, std::size_t> numbers_;
    std::atomic<std::size_t> next_ = 0, found_ = 0;
    std::mutex mutex_;
    std::set<std::string> doubtful_;
};

}  // namespace

std::optional<std::set<std::string>> scan_tree(int work_tree, git_index* index, const Identity& index_file,
                                               bool untracked, std::size_t most) {
    auto doubtful = Scan(work_tree, index, index_file, untracked, most).run();
    if (doubtful.size() > most) return std::nullopt;
    return doubtful;
}

}  // namespace toren::vcs
