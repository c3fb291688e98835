#include "workers/vcs/discovery.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <deque>
#include <string_view>
#include <vector>

namespace toren::vcs {
namespace {

constexpr int kLongestChain = 40;  // of symbolic links, as the kernel's own limit
constexpr int kTries = 128;        // while something else renames: the kernel asks for another try with EAGAIN

Result<UniqueFd> open_path(int folder, const std::string& path, int flags) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_PATH | O_CLOEXEC);
    how.resolve = RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS;
    long fd = -1;
    for (int tries = 0; tries < kTries; ++tries) {
        fd = ::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how);
        if (fd >= 0 || errno != EAGAIN) break;
    }
    if (fd < 0) return errno_error("openat2 '" + path + "'");
    return UniqueFd(static_cast<int>(fd));
}

Result<struct stat> stat_of(int fd, const std::string& path) {
    struct stat about {};
    if (::fstat(fd, &about) != 0) return errno_error("fstat '" + path + "'");
    return about;
}

struct Level {
    std::string name;
    UniqueFd folder;
};

// The names that the path still asks for, first one first.
using Names = std::deque<std::string>;

void put_before(Names& names, std::string_view path) {
    Names added;
    while (!path.empty()) {
        const auto end = std::min(path.find('/'), path.size());
        if (end > 0 && path.substr(0, end) != ".") added.emplace_back(path.substr(0, end));
        path.remove_prefix(std::min(end + 1, path.size()));
    }
    names.insert(names.begin(), added.begin(), added.end());
}

// The folders from the segment down to the path, or down to the folder of the file that the path names. Each name
// is opened by itself from the level above, so only a link can lead elsewhere, and links are walked here too.
Result<std::vector<Level>> walk_down(int segment, const std::string& path) {
    const Error leaves{EXDEV, "'" + path + "' leaves the segment"};
    if (path.find('\0') != std::string::npos) return Error{EINVAL, "a path with a zero byte"};
    if (path.starts_with('/')) return leaves;
    std::vector<Level> levels;
    TRY_ASSIGN(auto top, open_path(segment, ".", O_DIRECTORY));
    levels.push_back({"", std::move(top)});
    Names names;
    put_before(names, path);
    for (int links = 0; !names.empty();) {
        const std::string name = names.front();
        names.pop_front();
        if (name == "..") {
            if (levels.size() == 1) return leaves;
            levels.pop_back();
            continue;
        }
        auto opened = open_path(levels.back().folder.get(), name, O_NOFOLLOW);
        if (!opened) return Error{opened.error().code, "open '" + path + "'"};
        TRY_ASSIGN(const auto about, stat_of(opened->get(), path));
        if (S_ISDIR(about.st_mode)) {
            levels.push_back({name, std::move(*opened)});
        } else if (S_ISLNK(about.st_mode)) {
            if (++links > kLongestChain) return Error{ELOOP, "'" + path + "'"};
            char target[PATH_MAX];
            const ssize_t length = ::readlinkat(opened->get(), "", target, sizeof target);
            if (length < 0) return errno_error("readlink '" + path + "'");
            if (length > 0 && target[0] == '/') return leaves;  // as RESOLVE_BENEATH has it
            put_before(names, {target, static_cast<std::size_t>(length)});
        } else if (!names.empty()) {
            return Error{ENOTDIR, "open '" + path + "'"};
        }
    }
    return levels;
}

bool has_folder(int folder, const char* name) {
    struct stat about {};
    return ::fstatat(folder, name, &about, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(about.st_mode);
}

// The level's .git, or no descriptor where git would not take it for one. A link may lead elsewhere in the segment.
Result<UniqueFd> open_dot_git(int segment, const std::string& folder) {
    const std::string path = folder.empty() ? ".git" : folder + "/.git";
    auto dot_git = open_path(segment, path, 0);
    if (!dot_git && dot_git.error().code == EXDEV) return Error{EXDEV, "the link '" + path + "' leaves the segment"};
    if (!dot_git && dot_git.error().code == ENOENT) return UniqueFd();
    if (!dot_git) return std::move(dot_git.error());
    TRY_ASSIGN(const auto about, stat_of(dot_git->get(), path));
    if (S_ISREG(about.st_mode)) return std::move(*dot_git);
    // A HEAD that is a link is of git's oldest repositories. A FIFO would hold libgit2 up until it is killed.
    struct stat head {};
    if (!S_ISDIR(about.st_mode) || ::fstatat(dot_git->get(), "HEAD", &head, AT_SYMLINK_NOFOLLOW) != 0)
        return UniqueFd();
    if (!S_ISREG(head.st_mode) && !S_ISLNK(head.st_mode)) return UniqueFd();
    return std::move(*dot_git);
}

std::string folder_of(const std::vector<Level>& levels) {
    std::string folder;
    for (const Level& level : levels) {
        if (!folder.empty()) folder += '/';
        folder += level.name;
    }
    return folder;
}

}  // namespace

Result<Found> discover(int segment, const std::string& path) {
    TRY_ASSIGN(auto levels, walk_down(segment, path));
    for (; !levels.empty(); levels.pop_back()) {
        std::string folder = folder_of(levels);
        const bool jj = has_folder(levels.back().folder.get(), ".jj");
        TRY_ASSIGN(auto dot_git, open_dot_git(segment, folder));
        if (jj || dot_git)
            return Found{jj ? ipc::VcsKind::kJj : ipc::VcsKind::kGit, std::move(folder), std::move(dot_git)};
    }
    return Found{};
}

}  // namespace toren::vcs
