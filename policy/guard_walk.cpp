#include "policy/guard_walk.h"

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

namespace toren {
namespace {

constexpr std::size_t kMostPending = 1 << 20;  // folders found and not yet entered
constexpr long kXfsMagic = 0x58465342;         // <linux/magic.h> has it since 6.6 only

struct Entry {
    const char* name;
    unsigned char type;
    ino_t inode;
};

// Calls `each` with every entry but "." and ".." of a folder that was just opened, and stops at its first error.
template <typename Each>
Result<> each_entry(int folder, Each each) {
    alignas(dirent64) char buffer[32768];
    for (;;) {
        const long length = ::syscall(SYS_getdents64, folder, buffer, sizeof buffer);
        if (length == 0 || (length < 0 && errno == ENOENT)) return Ok{};  // removed meanwhile
        if (length < 0) return errno_error("guards: getdents64");
        for (long at = 0; at < length;) {
            const auto* entry = reinterpret_cast<const dirent64*>(buffer + at);
            at += entry->d_reclen;
            if (std::strcmp(entry->d_name, ".") == 0 || std::strcmp(entry->d_name, "..") == 0) continue;
            unsigned char type = entry->d_type;
            struct stat about {};
            if (type == DT_UNKNOWN && ::fstatat(folder, entry->d_name, &about, AT_SYMLINK_NOFOLLOW) == 0)
                type = IFTODT(about.st_mode);
            TRY(each(Entry{entry->d_name, type, entry->d_ino}));
        }
    }
}

// Where a listing gives a file's number as stat(2) does. Overlays and FUSE may not.
bool listing_tells_inodes(int folder) {
    struct statfs about {};
    if (::fstatfs(folder, &about) != 0) return false;
    for (const long known :
         {long{EXT4_SUPER_MAGIC}, kXfsMagic, long{BTRFS_SUPER_MAGIC}, long{TMPFS_MAGIC}, long{F2FS_SUPER_MAGIC}})
        if (about.f_type == known) return true;
    return false;
}

bool can_search(int folder, const struct stat& about) {
    if (about.st_uid == ::geteuid() && (about.st_mode & S_IXUSR) != 0) return true;  // saves a call for most folders
    return ::faccessat(folder, ".", X_OK, 0) == 0;
}

}  // namespace

Result<> GuardWalk::all(Newcomers newcomers) {
    newcomers_ = newcomers;
    for (int number = 0; number < static_cast<int>(folders_.trees().size()); ++number) TRY(tree(number));
    return hide_aliases();
}

Result<> GuardWalk::hide_aliases() {
    if (!aliases_wanted_) return Ok{};
    aliases_wanted_ = false;
    looking_for_aliases_ = true;
    Result<> done = Ok{};
    for (int number = 0; done && number < static_cast<int>(folders_.trees().size()); ++number) done = tree(number);
    looking_for_aliases_ = false;
    return done;
}

Result<> GuardWalk::tree(int number) {
    const auto& path = folders_.trees()[static_cast<std::size_t>(number)];
    // A tree in another one is met there.
    for (const auto& other : folders_.trees())
        if (number != 0 && path.size() > other.size() && path.starts_with(other + '/')) return Ok{};
    TRY_ASSIGN(auto way, way_to_tree(number));
    return way.empty() ? tree_file(path) : walk(way);
}

Result<GuardWay> GuardWalk::way_to_tree(int number) {
    const auto& path = folders_.trees()[static_cast<std::size_t>(number)];
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    UniqueFd fd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
    GuardWay way;
    if (!fd && errno == ENOTDIR) return way;
    if (!fd) return errno_error("guards: open '" + path + "'");
    struct stat about {};
    if (::fstat(fd.get(), &about) != 0) return errno_error("guards: fstat '" + path + "'");
    const auto tops = number == 0 ? FolderKind::kTop : FolderKind::kPlain;
    const auto shared = rules_.git() ? FolderKind::kCommon : FolderKind::kPlain;
    const auto kind = path == shared_.common ? shared : tops;
    TRY_ASSIGN(auto step, folders_.enter(way, number, "", std::move(fd), about, kind));
    way.push_back(std::move(step));
    return way;
}

Result<> GuardWalk::hold_worktree(const std::string& name) {
    newcomers_ = Newcomers::kGuard;
    for (int number = 0; rules_.git() && number < static_cast<int>(folders_.trees().size()); ++number) {
        const bool common = folders_.trees()[static_cast<std::size_t>(number)] == shared_.common;
        if (number != 0 && !common) continue;
        TRY_ASSIGN(auto way, way_to_tree(number));
        bool there = !way.empty();
        if (there && !common) {
            TRY_ASSIGN(there, enter(way, {".git", FolderKind::kGit}));
        }
        if (there) {
            TRY_ASSIGN(there, enter(way, {"worktrees", common ? FolderKind::kSiblings : FolderKind::kWorktrees}));
        }
        if (!there) continue;
        TRY(pin(way));
        Children children;
        if (common) TRY(look_at_worktree(way, name, children));
        else children.push_back({name, FolderKind::kLinked});
        for (const auto& child : children) TRY(walk_child(way, child));
    }
    return Ok{};
}

// A file that is a tree of its own was named by the operator, so its own name hides nothing; another name of a hidden
// file it must not be.
Result<> GuardWalk::tree_file(const std::string& path) {
    const UniqueFd fd(::open(path.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    struct stat about {};
    if (!fd || ::fstat(fd.get(), &about) != 0) return errno_error("guards: open '" + path + "'");
    return hidden_.contains({about.st_dev, about.st_ino}) ? mounts_.mask(fd.get()) : Result<>(Ok{});
}

Result<> GuardWalk::walk(GuardWay& way) {
    std::vector<Children> levels;
    std::size_t pending = 0;
    TRY_ASSIGN(auto first, list(way));
    levels.push_back(std::move(first));
    while (!levels.empty()) {
        if (levels.back().empty()) {
            levels.pop_back();
            if (!levels.empty()) way.pop_back();
            continue;
        }
        const Child child = std::move(levels.back().back());
        levels.back().pop_back();
        TRY_ASSIGN(const bool entered, enter(way, child));
        if (!entered) continue;
        TRY_ASSIGN(auto children, list(way));
        pending = 0;
        for (const auto& level : levels) pending += level.size();
        if (pending + children.size() > kMostPending)
            return error("guards: too many folders below '" + child.name + "'");
        levels.push_back(std::move(children));
    }
    return Ok{};
}

Result<> GuardWalk::walk_child(GuardWay& way, const Child& child) {
    TRY_ASSIGN(const bool entered, enter(way, child));
    if (!entered) return Ok{};
    TRY(walk(way));
    way.pop_back();
    return Ok{};
}

// What cannot be looked into is hidden as a whole: its owner, who is the command's user as well, could open it up later
// with chmod.
Result<bool> GuardWalk::enter(GuardWay& way, const Child& child) {
    const int parent = way.back().fd.get();
    UniqueFd fd(::openat(parent, child.name.c_str(), O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
    if (!fd && is_gone(errno)) return false;
    if (!fd && errno != EACCES && errno != EPERM) return errno_error("guards: open '" + child.name + "'");
    struct stat about {};
    if (fd && ::fstat(fd.get(), &about) != 0) return errno_error("guards: fstat '" + child.name + "'");
    if (!fd || !can_search(fd.get(), about) || way.size() >= kDeepestGuarded) {
        TRY(hide(way, child.name));
        return false;
    }
    if (mounts_.is_mask(about.st_dev)) return false;
    TRY_ASSIGN(auto step, folders_.enter(way, 0, child.name, std::move(fd), about, child.kind));
    way.push_back(std::move(step));
    return true;
}

Result<GuardWalk::Children> GuardWalk::list(GuardWay& way) {
    auto& step = way.back();
    const FolderKind kind = step.folder->kind;
    if (kind <= FolderKind::kTop) return looking_for_aliases_ ? list_aliases(way) : list_plain(way);
    if (looking_for_aliases_) return Children{};
    TRY(pin(way));
    if (by_table(kind)) return apply_rules(way, kind);
    if (kind == FolderKind::kWorktrees) return list_folders(way, FolderKind::kLinked);
    if (kind == FolderKind::kSiblings) return list_worktrees(way);
    if (::faccessat(step.fd.get(), "HEAD", F_OK, AT_SYMLINK_NOFOLLOW) != 0) return list_folders(way, kind);
    TRY(folders_.watch_as(step, FolderKind::kGit, false));
    return apply_rules(way, FolderKind::kGit);
}

Result<GuardWalk::Children> GuardWalk::list_folders(GuardWay& way, FolderKind as) {
    Children children;
    TRY(each_entry(way.back().fd.get(), [&](const Entry& entry) -> Result<> {
        if (entry.type == DT_DIR) children.push_back({entry.name, as});
        return Ok{};
    }));
    return children;
}

Result<GuardWalk::Children> GuardWalk::list_worktrees(GuardWay& way) {
    TRY_ASSIGN(const auto all, list_folders(way, FolderKind::kLinked));
    Children children;
    for (const auto& child : all) TRY(look_at_worktree(way, child.name, children));
    return children;
}

// Its own is guarded like every worktree's. Others are read-only as a whole, and not hidden: git asks them which
// objects are in use before it removes any.
Result<> GuardWalk::look_at_worktree(GuardWay& way, const std::string& name, Children& children) {
    if (name == shared_.worktree) {
        children.push_back({name, FolderKind::kLinked});
        return Ok{};
    }
    const UniqueFd fd(::openat(way.back().fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return is_gone(errno) ? Result<>(Ok{}) : errno_error("guards: open '" + name + "'");
    return make_read_only(way, name, fd.get());
}

Result<GuardWalk::Children> GuardWalk::list_plain(GuardWay& way) {
    Children children;
    unsigned bare = 0;
    std::string name;
    TRY(each_entry(way.back().fd.get(), [&](const Entry& entry) -> Result<> {
        name = entry.name;
        if (name == "HEAD" && entry.type != DT_DIR) bare |= 1;
        if (name == "objects" && entry.type != DT_REG) bare |= 2;
        if (name == "refs" && entry.type != DT_REG) bare |= 4;
        return look_at(way, name, entry.type, children);
    }));
    auto& step = way.back();
    if (step.folder->kind == FolderKind::kTop) TRY(hold_at_top(way, children));
    const bool guard = newcomers_ == Newcomers::kGuard || step.folder->bare;
    if (bare != 7 || !rules_.git() || !guard) return children;
    TRY(folders_.watch_as(step, step.folder->kind, true));
    TRY(pin(way));
    // Its own folders are walked as what they are in a repository, and once.
    TRY_ASSIGN(auto ruled, apply_rules(way, FolderKind::kBare));
    for (const auto& child : ruled)
        std::erase_if(children, [&](const auto& other) { return other.name == child.name; });
    children.insert(children.end(), ruled.begin(), ruled.end());
    return children;
}

Result<GuardWalk::Children> GuardWalk::list_aliases(GuardWay& way) {
    Children children;
    const int folder = way.back().fd.get();
    const bool tells = listing_tells_inodes(folder);
    TRY(each_entry(folder, [&](const Entry& entry) -> Result<> {
        if (entry.type == DT_DIR) {
            const auto verdict = this->verdict(way, entry.name, true);
            if (verdict.action != GuardAction::kHide) children.push_back({entry.name, verdict.walk_as});
            return Ok{};
        }
        const FileId id{way.back().folder->device, entry.inode};
        if (entry.type != DT_REG || (tells && !hidden_.contains(id))) return Ok{};
        return judge_other(way, entry.name);
    }));
    return children;
}

GuardVerdict GuardWalk::verdict(const GuardWay& way, const std::string& name, bool is_folder) const {
    const auto& step = way.back();
    if (!hidden_paths_.empty()) {
        const auto tree = static_cast<std::size_t>(-1 - way.front().folder->places.front().parent);
        const std::string above = step.path.empty() ? "/" : '/' + step.path + '/';
        if (hidden_paths_.contains(folders_.trees()[tree] + above + name)) return {GuardAction::kHide};
    }
    return rules_.verdict(step.folder->kind, step.path, name, is_folder);
}

Result<> GuardWalk::look_at(GuardWay& way, const std::string& name, unsigned char type, Children& children) {
    const auto& step = way.back();
    const auto verdict = this->verdict(way, name, type == DT_DIR);
    switch (verdict.action) {
        case GuardAction::kHide: return hide(way, name);
        case GuardAction::kWalk:
            if (verdict.walk_as != FolderKind::kPlain && !may_guard(step, name)) return Ok{};
            if (verdict.walk_as != FolderKind::kPlain) way.back().folder->held.insert(name);
            children.push_back({name, verdict.walk_as});
            return Ok{};
        case GuardAction::kReadOnly: break;
        case GuardAction::kNone: return type == DT_SOCK ? judge_other(way, name) : Result<>(Ok{});
    }
    if (!may_guard(step, name)) {
        if (type == DT_DIR) children.push_back({name, FolderKind::kPlain});
        return Ok{};
    }
    const UniqueFd fd(::openat(step.fd.get(), name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
    if (!fd) return is_gone(errno) ? Result<>(Ok{}) : errno_error("guards: open '" + name + "'");
    TRY(make_read_only(way, name, fd.get()));
    if (verdict.walk_as != FolderKind::kPlain) TRY(pin(way));            // a gitfile's folder is as a repository's
    if (type == DT_DIR) children.push_back({name, FolderKind::kPlain});  // secrets may be below
    return Ok{};
}

std::vector<GuardWay>& GuardWalk::ways_to(int watch) {
    if (recent_.empty() || recent_watch_ != watch) recent_ = folders_.ways_to(watch);
    recent_watch_ = watch;
    return recent_;
}

void GuardWalk::forget(int watch) {
    recent_.clear();  // it may be on the way
    folders_.forget(watch);
}

Result<> GuardWalk::appeared(int watch, const std::string& name, Newcomers newcomers) {
    newcomers_ = newcomers;
    if (made_.erase({watch, name}) != 0) return Ok{};
    for (auto& way : ways_to(watch)) {
        auto& step = way.back();
        const FolderKind kind = step.folder->kind;
        Children children;
        struct stat about {};
        if (::fstatat(step.fd.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) {
            if (is_gone(errno)) continue;
            return errno_error("guards: stat '" + name + "'");
        }
        if (kind <= FolderKind::kTop) {
            TRY(look_at(way, name, IFTODT(about.st_mode), children));
            if (S_ISREG(about.st_mode) && about.st_nlink > 1) TRY(judge_other(way, name));
        }
        const FolderKind table = step.folder->bare ? FolderKind::kBare : kind;
        if (const auto* rule = find_guard_rule(table, name); rule != nullptr && table > FolderKind::kTop)
            TRY(apply_rule(way, *rule, children));
        if (kind == FolderKind::kSiblings && S_ISDIR(about.st_mode) && may_guard(step, name))
            TRY(look_at_worktree(way, name, children));
        const bool repository = kind == FolderKind::kModules || kind == FolderKind::kWorktrees;
        if (repository && S_ISDIR(about.st_mode) && may_guard(step, name))
            children.push_back({name, kind == FolderKind::kModules ? kind : FolderKind::kLinked});
        for (const auto& child : children) TRY(walk_child(way, child));
    }
    return Ok{};
}

Result<> GuardWalk::disappeared(int watch, const std::string& name) {
    const auto* folder = folders_.find(watch);
    if (folder == nullptr || !folder->held.contains(name)) return Ok{};
    for (auto& way : ways_to(watch)) {
        const FolderKind kind = folder->bare ? FolderKind::kBare : folder->kind;
        Children ignored;
        if (kind == FolderKind::kTop) TRY(hold_at_top(way, ignored));
        else if (const auto* rule = find_guard_rule(kind, name)) TRY(apply_rule(way, *rule, ignored));
    }
    return Ok{};
}

}  // namespace toren
