#include "policy/workspaces.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <memory>
#include <set>

#include "base/unique_fd.h"
#include "policy/canonical.h"
#include "policy/forbidden_places.h"
#include "policy/remove_tree.h"

namespace toren {
namespace {

constexpr const char* kRemoved = "toren-removed-";  // in a repository
constexpr std::size_t kMostEntries = 10'000;        // of a folder that agents can fill

std::string path_of(const std::string& root, const Segment& segment, const std::string& name) {
    return root + '/' + segment.name + '/' + name;
}

Result<UniqueFd> open_folder(int from, const std::string& path, int flags = O_RDONLY) {
    open_how how{};
    how.flags = static_cast<std::uint64_t>(flags | O_DIRECTORY | O_CLOEXEC);
    how.resolve = RESOLVE_NO_SYMLINKS | (from == AT_FDCWD ? 0U : RESOLVE_BENEATH);
    UniqueFd folder(static_cast<int>(::syscall(SYS_openat2, from, path.c_str(), &how, sizeof how)));
    if (!folder) return errno_error("open '" + path + "'");
    return folder;
}

// The names of the folders in it.
Result<std::vector<std::string>> folders_in(int folder) {
    const UniqueFd again(::openat(folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(again ? ::fdopendir(::dup(again.get())) : nullptr, ::closedir);
    if (!stream) return errno_error("read a folder");
    std::vector<std::string> names;
    while (const dirent* entry = ::readdir(stream.get())) {
        const std::string name = entry->d_name;
        struct stat about {};
        if (name == "." || name == ".." || ::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0 ||
            !S_ISDIR(about.st_mode))
            continue;
        if (names.size() == kMostEntries) return Error{E2BIG, "more than 10000 folders"};
        names.push_back(name);
    }
    std::ranges::sort(names);
    return names;
}

bool is_empty(const std::string& path) {
    const auto folder = open_folder(AT_FDCWD, path);
    if (!folder) return false;
    const std::unique_ptr<DIR, int (*)(DIR*)> stream(::fdopendir(::dup(folder->get())), ::closedir);
    if (!stream) return false;
    while (const dirent* entry = ::readdir(stream.get()))
        if (std::string_view(entry->d_name) != "." && std::string_view(entry->d_name) != "..") return false;
    return true;
}

// What is in a small file, at most a few KiB of it; "" where it is none.
std::string content_of(int folder, const std::string& path) {
    open_how how{};
    how.flags = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS | RESOLVE_BENEATH;
    const UniqueFd file(static_cast<int>(::syscall(SYS_openat2, folder, path.c_str(), &how, sizeof how)));
    struct stat about {};
    if (!file || ::fstat(file.get(), &about) != 0 || !S_ISREG(about.st_mode)) return {};
    char text[PATH_MAX + 8];
    const ssize_t length = ::read(file.get(), text, sizeof text);
    if (length <= 0) return {};
    return std::string(text, static_cast<std::size_t>(length));
}

std::string line_of(int folder, const std::string& path) {
    const auto content = content_of(folder, path);
    return content.substr(0, content.find('\n'));
}

struct Entry {
    std::string name;
    std::string gitfile;  // where the repository says that the worktree's .git is
    bool whole = false;   // it is one of this repository, and of no other: whoever runs git there believes it
    bool plain = false;   // it has no configuration but what the repository gives to each
};

// What the repository knows of worktrees.
std::vector<Entry> entries_of(const Segment& segment) {
    std::vector<Entry> entries;
    auto common = common_repository(segment);
    auto worktrees = common ? open_folder(AT_FDCWD, *common + "/worktrees") : Result<UniqueFd>(error(""));
    auto names = worktrees ? folders_in(worktrees->get()) : Result<std::vector<std::string>>(error(""));
    if (!names) return entries;
    const int folder = worktrees->get();
    const auto above = open_folder(AT_FDCWD, *common);
    const auto shared = above ? content_of(above->get(), "config.worktree") : std::string();
    for (const auto& name : *names) {
        const auto own = content_of(folder, name + "/config.worktree");
        entries.push_back({name, line_of(folder, name + "/gitdir"), line_of(folder, name + "/commondir") == "../..",
                           own.empty() || own == shared});
    }
    return entries;
}

WorkspaceFolder folder_at(const std::string& path, const std::string& name, const std::vector<Entry>& entries) {
    WorkspaceFolder folder{.name = name, .path = path, .empty = is_empty(path), .entry = {}};
    for (const auto& entry : entries) {
        if (entry.gitfile != path + "/.git" || !entry.whole) continue;
        folder.entry = entry.name;
        folder.plain = entry.plain;
    }
    return folder;
}

// Out of its place first: there, guards of live cells would make again what they hold in it.
Result<> remove_entry(const Segment& segment, const std::string& name) {
    TRY_ASSIGN(const auto path, common_repository(segment));
    TRY_ASSIGN(const auto common, open_folder(AT_FDCWD, path));
    TRY_ASSIGN(const auto worktrees, open_folder(common.get(), "worktrees"));
    const std::string removed = kRemoved + name;
    TRY(remove_tree(common.get(), removed));
    if (::syscall(SYS_renameat2, worktrees.get(), name.c_str(), common.get(), removed.c_str(), RENAME_NOREPLACE) != 0)
        return errno_error("remove '" + path + "/worktrees/" + name + "'");
    return remove_tree(common.get(), removed);
}

}  // namespace

Result<std::string> find_workspace_root(const Config& config, const SegmentSet& segments, const std::string& state_dir,
                                        const std::string& home) {
    const std::string& written = config.ancillary.workspace_root;
    if (written.empty()) return std::string();
    const std::string label = "ancillary.workspace_root '" + written + '\'';
    auto expanded = expand_path(written, config.base_dir, home);
    if (!expanded) return error(label + ": " + expanded.error().text());
    auto path = canonicalize_existing_part(*expanded);
    if (!path) return Error{path.error().code, label};
    TRY_ASSIGN(auto home_canonical, canonicalize_existing_part(home));
    TRY_ASSIGN(auto state, canonicalize_existing_part(state_dir));
    if (const auto why = refusal_of_place(*path, {std::move(home_canonical), std::move(state)}, Use::kWrite);
        !why.empty())
        return error(label + ": refused: it " + why);
    for (const auto& segment : segments.segments) {
        if (is_within(*path, segment.path))
            return error(label + ": refused: it lies in segment '" + segment.path + '\'');
        if (is_within(segment.path, *path)) return error(label + ": refused: it holds segment '" + segment.path + '\'');
    }
    if (const auto place = canonicalize(*expanded))
        for (const auto& link : place->links)
            for (const auto& segment : segments.segments)
                if (is_within(link, segment.path))
                    return error(label + ": refused: what runs in segment '" + segment.name +
                                 "' can move the symbolic link '" + link + '\'');
    for (std::size_t end = path->find('/', 1);; end = path->find('/', end + 1)) {
        const std::string part = path->substr(0, end);
        if (::mkdir(part.c_str(), 0700) != 0 && errno != EEXIST) return errno_error(label + ": mkdir '" + part + "'");
        if (end == std::string::npos) break;
    }
    TRY(open_folder(AT_FDCWD, *path));
    return std::move(*path);
}

Result<std::string> common_repository(const Segment& segment) {
    const std::string path = segment.path + "/.git";
    struct stat about {};
    if (::lstat((segment.path + "/.jj").c_str(), &about) == 0)
        return Error{EOPNOTSUPP, "'" + segment.path + "' is a Jujutsu repository, whose workspaces are not served yet"};
    if (::lstat(path.c_str(), &about) != 0) return errno_error("'" + path + "'");
    if (!S_ISDIR(about.st_mode))
        return Error{EOPNOTSUPP, "'" + path + "' is no folder: the segment is a worktree of another repository"};
    return path;
}

Result<std::vector<WorkspaceFolder>> list_workspaces(const std::string& root, const Segment& segment) {
    std::vector<WorkspaceFolder> found;
    const auto folder = open_folder(AT_FDCWD, root + '/' + segment.name);
    if (!folder && folder.error().code == ENOENT) return found;
    if (!folder) return folder.error();
    TRY_ASSIGN(const auto names, folders_in(folder->get()));
    const auto entries = entries_of(segment);
    for (const auto& name : names)
        if (is_workspace_name(name)) found.push_back(folder_at(path_of(root, segment, name), name, entries));
    return found;
}

Result<WorkspaceFolder> find_workspace(const std::string& root, const Segment& segment, const std::string& name) {
    const auto path = path_of(root, segment, name);
    if (!is_workspace_name(name)) return Error{EINVAL, "workspace '" + name + "'"};
    TRY(open_folder(AT_FDCWD, path, O_PATH));
    return folder_at(path, name, entries_of(segment));
}

Result<std::string> create_workspace_folder(const std::string& root, const Segment& segment, const std::string& name) {
    const std::string what = "create workspace '" + name + "' of '" + segment.name + '\'';
    if (!is_workspace_name(name)) return Error{EINVAL, what + ": the name is not allowed"};
    TRY(common_repository(segment));
    TRY_ASSIGN(const auto top, open_folder(AT_FDCWD, root));
    if (::mkdirat(top.get(), segment.name.c_str(), 0700) != 0 && errno != EEXIST) return errno_error(what);
    TRY_ASSIGN(const auto folder, open_folder(top.get(), segment.name));
    if (::mkdirat(folder.get(), name.c_str(), 0700) != 0)
        return errno_error(what + (errno == EEXIST ? ": a folder of that name is there" : ""));
    return path_of(root, segment, name);
}

Result<> remove_workspace(const std::string& root, const Segment& segment, const std::string& name) {
    if (!is_workspace_name(name)) return Error{EINVAL, "remove workspace '" + name + "'"};
    const auto folder = open_folder(AT_FDCWD, root + '/' + segment.name);
    if (!folder && folder.error().code != ENOENT) return folder.error();
    if (folder) {
        // Out of its place at once, under a name that no workspace has; one that an earlier removal left goes first.
        const std::string removed = ".removed-" + name;
        TRY(remove_tree(folder->get(), removed));
        if (::syscall(SYS_renameat2, folder->get(), name.c_str(), folder->get(), removed.c_str(), RENAME_NOREPLACE) !=
                0 &&
            errno != ENOENT)
            return errno_error("remove workspace '" + name + "'");
        TRY(remove_tree(folder->get(), removed));
    }
    const auto entries = entries_of(segment);
    for (const auto& entry : entries)
        if (entry.gitfile == path_of(root, segment, name) + "/.git") TRY(remove_entry(segment, entry.name));
    return Ok{};
}

}  // namespace toren
