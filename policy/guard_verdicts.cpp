// GuardWalk's other half: what a verdict comes to, in mounts and in placeholders.
#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <climits>
#include <map>

#include "base/leave_to_kernel.h"
#include "policy/guard_sockets.h"
#include "policy/guard_walk.h"

namespace toren {
namespace {

constexpr int kTries = 8;  // against whoever removes and makes a name again and again

UniqueFd open_path(int folder, const std::string& name) {
    return UniqueFd(::openat(folder, name.c_str(), O_PATH | O_NOFOLLOW | O_CLOEXEC));
}

// The kernel's own text for where a descriptor leads, here in this root.
std::string path_of(int fd) {
    char text[PATH_MAX];
    const ssize_t length = ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), text, sizeof text);
    return length > 0 ? std::string(text, static_cast<std::size_t>(length)) : std::string();
}

bool made_by(int folder, const std::string& name, Absent absent) {
    if (absent == Absent::kHoldFolder) return ::mkdirat(folder, name.c_str(), 0755) == 0;
    return static_cast<bool>(
        UniqueFd(::openat(folder, name.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_NOFOLLOW | O_CLOEXEC, 0644)));
}

// Where this user can make nothing, commands can make nothing, unless the folder is theirs to open up.
bool out_of_reach(int folder, int code) {
    struct stat about {};
    if (code == EROFS) return true;
    return (code == EACCES || code == EPERM) && ::fstat(folder, &about) == 0 && about.st_uid != ::geteuid();
}

}  // namespace

// What a command itself makes while it runs it may go on writing (git init, git clone, an editor's settings): whoever
// made it could have planted anything in it already.
bool GuardWalk::may_guard(const GuardStep& step, const std::string& name) const {
    return newcomers_ == Newcomers::kGuard || step.folder->held.contains(name);
}

Result<> GuardWalk::pin(GuardWay& way) {
    // The tree's root is a mount point already.
    for (std::size_t i = 1; i < way.size(); ++i) {
        auto& [fd, watch, folder, path] = way[i];
        if (folder->pinned || on_read_only_mount(fd.get())) continue;
        TRY(mounts_.pin(fd.get()));
        folder->pinned = true;
    }
    return Ok{};
}

std::string GuardWalk::tree_of(const std::string& path) const {
    std::string deepest;
    for (const auto& tree : folders_.trees())
        if (path.starts_with(tree + '/') && tree.size() > deepest.size()) deepest = tree;
    return deepest;
}

// Every folder from the tree's root to `path`, without the last.
Result<> GuardWalk::pin_above(const std::string& path) {
    const auto tree = tree_of(path);
    for (auto slash = path.find('/', tree.size() + 1); slash != path.npos; slash = path.find('/', slash + 1)) {
        open_how how{};
        how.flags = O_PATH | O_CLOEXEC;
        how.resolve = RESOLVE_NO_SYMLINKS;
        const UniqueFd fd(
            static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.substr(0, slash).c_str(), &how, sizeof how)));
        if (!fd) return errno_error("guards: open '" + path.substr(0, slash) + "'");
        TRY(mounts_.pin(fd.get()));
    }
    return Ok{};
}

Result<> GuardWalk::hide(GuardWay& way, const std::string& name) {
    const auto fd = open_path(way.back().fd.get(), name);
    struct stat about {};
    if (!fd && is_gone(errno)) return Ok{};
    if (!fd || ::fstat(fd.get(), &about) != 0) return errno_error("guards: open '" + name + "' to hide it");
    if (mounts_.is_mask(about.st_dev)) return Ok{};
    if (S_ISLNK(about.st_mode)) return hide_target(way, name);
    if (!S_ISDIR(about.st_mode)) {
        hidden_.emplace(about.st_dev, about.st_ino);
        aliases_wanted_ = aliases_wanted_ || about.st_nlink > 1;
    }
    TRY(mounts_.mask(fd.get()));
    // Or its folder could be moved to where no later walk looks for secrets: into a repository.
    return pin(way);
}

// A link of a secret's name: what it leads to is the secret, where it is in a tree; elsewhere in the root is nothing
// of the operator's.
Result<> GuardWalk::hide_target(GuardWay& way, const std::string& name) {
    const UniqueFd target(::openat(way.back().fd.get(), name.c_str(), O_PATH | O_CLOEXEC));
    struct stat about {};
    if (!target || ::fstat(target.get(), &about) != 0) return Ok{};  // it leads nowhere in this root
    if (tree_of(path_of(target.get())).empty()) return Ok{};
    for (const auto& step : way)
        if (step.folder->inode == about.st_ino && step.folder->device == about.st_dev) return Ok{};  // to above itself
    if (!S_ISDIR(about.st_mode)) hidden_.emplace(about.st_dev, about.st_ino);
    return mounts_.mask(target.get());
}

Result<> GuardWalk::make_read_only(GuardWay& way, const std::string& name, int fd) {
    const bool again = !way.back().folder->held.insert(name).second;
    struct stat about {};
    if (::fstat(fd, &about) != 0) return errno_error("guards: fstat '" + name + "'");
    if (mounts_.is_mask(about.st_dev)) return Ok{};
    // The main worktree replaces its index with each command of git: that took the mount with it.
    if (again && way.back().folder->kind >= FolderKind::kCommon && !on_read_only_mount(fd)) mounts_.forget_one();
    return S_ISLNK(about.st_mode) ? guard_link(way, name, fd) : mounts_.make_read_only(fd);
}

// The link itself can be neither replaced nor removed, and what it leads to is read-only where it is in a tree.
Result<> GuardWalk::guard_link(GuardWay& way, const std::string& name, int fd) {
    TRY(mounts_.pin(fd));
    const UniqueFd target(::openat(way.back().fd.get(), name.c_str(), O_PATH | O_CLOEXEC));
    if (!target) return Ok{};
    const auto path = path_of(target.get());
    if (tree_of(path).empty()) return Ok{};
    for (const auto& step : way)  // to above itself: read-only, it would stop all work
        if (path == path_of(step.fd.get())) return Ok{};
    TRY(mounts_.make_read_only(target.get()));
    return pin_above(path);
}

// A socket, or a file that may be another name of a hidden one.
Result<> GuardWalk::judge_other(GuardWay& way, const std::string& name) {
    const auto fd = open_path(way.back().fd.get(), name);
    struct stat about {};
    if (!fd && is_gone(errno)) return Ok{};
    if (!fd || ::fstat(fd.get(), &about) != 0) return errno_error("guards: open '" + name + "'");
    if (S_ISSOCK(about.st_mode)) {
        if (!starting_) {
            TRY_ASSIGN(const bool ours, bound_in_this_namespace(fd.get()));
            if (ours) return Ok{};
        }
        return mounts_.mask(fd.get());
    }
    return hidden_.contains({about.st_dev, about.st_ino}) ? mounts_.mask(fd.get()) : Result<>(Ok{});
}

Result<GuardWalk::Children> GuardWalk::apply_rules(GuardWay& way, FolderKind kind) {
    Children children;
    for (const auto& rule : guard_rules())
        if (rule.in == kind) TRY(apply_rule(way, rule, children));
    way.back().folder->ruled = true;
    return children;
}

Result<> GuardWalk::apply_rule(GuardWay& way, const GuardRule& rule, Children& children) {
    auto& step = way.back();
    for (int tries = 0; tries < kTries; ++tries) {
        const auto fd = open_path(step.fd.get(), rule.name);
        struct stat about {};
        if (fd && ::fstat(fd.get(), &about) != 0) return errno_error("guards: fstat");
        if (!fd && errno == ENOENT) {
            if (rule.absent != Absent::kHoldFile && rule.absent != Absent::kHoldFolder) return Ok{};
            if (auto held = hold_absent(way, rule); !held && held.error().code != EEXIST) return held;
            else if (held && !step.folder->held.contains(rule.name)) return Ok{};  // out of reach
            continue;
        }
        if (!fd) return errno_error(std::string("guards: open '") + rule.name + "'");
        if (S_ISDIR(about.st_mode) && rule.walk_as != FolderKind::kPlain) {
            if (!step.folder->ruled || may_guard(step, rule.name)) children.push_back({rule.name, rule.walk_as});
            return Ok{};
        }
        const bool is_new = step.folder->ruled && !step.folder->held.contains(rule.name);
        if (is_new && rule.absent == Absent::kMoveAside) return move_aside(way, rule.name);
        // Left there by a cell that was killed.
        if (S_ISREG(about.st_mode) && about.st_size == 0 && rule.absent == Absent::kHoldFile && starting_)
            placeholders_.push_back({step.watch, rule.name});
        return make_read_only(way, rule.name, fd.get());
    }
    return error(std::string("guards: '") + rule.name + "' is removed again and again");
}

Result<> GuardWalk::hold_absent(GuardWay& way, const GuardRule& rule) {
    auto& step = way.back();
    if (on_read_only_mount(step.fd.get())) return Ok{};
    if (!made_by(step.fd.get(), rule.name, rule.absent)) {
        if (out_of_reach(step.fd.get(), errno)) return Ok{};
        if (errno == ENOENT) {  // the folder itself has been removed
            step.folder->held.erase(rule.name);
            return Ok{};
        }
        return errno_error(std::string("guards: make '") + rule.name + "' to hold its place in '" + step.path + "'");
    }
    placeholders_.push_back({step.watch, rule.name});
    step.folder->held.insert(rule.name);
    if (starting_) made_.emplace(step.watch, rule.name);
    return Ok{};
}

// What is made here is walked like everything else of the folder (`children`): the host may put something in it later.
Result<> GuardWalk::hold_at_top(GuardWay& way, Children& children) {
    auto& step = way.back();
    if (on_read_only_mount(step.fd.get())) return Ok{};
    bool home_like = false;
    for (const auto& name : rules_.home_names())
        home_like = home_like || ::faccessat(step.fd.get(), name.c_str(), F_OK, AT_SYMLINK_NOFOLLOW) == 0;
    for (const auto& name : rules_.held_at_top(home_like)) {
        const GuardRule rule{FolderKind::kTop, name.c_str(), Absent::kHoldFolder};
        struct stat about {};
        // An empty folder of this name that was left by a cell that was killed goes with this one.
        if (starting_ && ::fstatat(step.fd.get(), name.c_str(), &about, AT_SYMLINK_NOFOLLOW) == 0 &&
            S_ISDIR(about.st_mode))
            placeholders_.push_back({step.watch, name});
        TRY(apply_rule(way, rule, children));
        if (made_.contains({step.watch, name})) children.push_back({name, FolderKind::kPlain});
    }
    return Ok{};
}

// A name that no tool makes here, and that nothing can stand for.
Result<> GuardWalk::move_aside(const GuardWay& way, const std::string& name) {
    const int folder = way.back().fd.get();
    std::string aside = name + ".refused-by-toren";
    for (int number = 1; number <= kTries; ++number) {
        if (::renameat(folder, name.c_str(), folder, aside.c_str()) == 0 || errno == ENOENT) return Ok{};
        aside = name + ".refused-by-toren." + std::to_string(number);
    }
    return errno_error("guards: move '" + name + "' aside in '" + way.back().path + "'");
}

// The trees leave this namespace first, each with all that is mounted in it: every call that unmounts waits until all
// processors have noticed, and a mount point cannot be removed.
void GuardWalk::release() {
    std::map<int, std::vector<GuardWay>> ways;  // opened while the trees are there
    for (const auto& [watch, name] : placeholders_)
        if (!ways.contains(watch)) ways.emplace(watch, folders_.ways_to(watch));
    for (const auto& [watch, to_it] : ways)
        for (const auto& way : to_it)
            ::umount2(("/proc/self/fd/" + std::to_string(way.front().fd.get())).c_str(), MNT_DETACH);
    std::vector<UniqueFd> slow_to_close;
    slow_to_close.push_back(folders_.stop_watching());
    for (const auto& [watch, name] : placeholders_) {
        for (const auto& way : ways[watch]) {
            const int folder = way.back().fd.get();
            slow_to_close.push_back(open_path(folder, name));
            struct stat about {};
            if (::fstatat(folder, name.c_str(), &about, AT_SYMLINK_NOFOLLOW) != 0) continue;
            // Only what is still empty is ours.
            if (S_ISDIR(about.st_mode)) ::unlinkat(folder, name.c_str(), AT_REMOVEDIR);
            else if (S_ISREG(about.st_mode) && about.st_size == 0) ::unlinkat(folder, name.c_str(), 0);
        }
    }
    placeholders_.clear();
    leave_to_kernel(std::move(slow_to_close));
}

}  // namespace toren
