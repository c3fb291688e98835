#include "policy/guards.h"

#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "policy/guard_walk.h"

namespace toren {

struct Guards::Impl {
    GuardWalk walk;

    Result<> take_events(GuardWalk::Newcomers newcomers);
    Result<> take(const inotify_event& event, GuardWalk::Newcomers newcomers);
    bool lost_events = false;
};

namespace {

// Without a slash at its end, as everything here compares them.
std::string trimmed(std::string path) {
    while (path.size() > 1 && path.ends_with('/')) path.pop_back();
    return path;
}

Result<std::vector<std::string>> checked_trees(const GuardSpec& spec) {
    std::vector<std::string> trees;
    for (const auto& path : spec.trees) {
        if (!path.starts_with('/') || path.find('\0') != path.npos)
            return error("guards: no absolute path: '" + path + "'");
        if (std::ranges::find(trees, trimmed(path)) == trees.end()) trees.push_back(trimmed(path));
    }
    return trees;
}

}  // namespace

Guards::Guards(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
Guards::Guards(Guards&&) noexcept = default;
Guards& Guards::operator=(Guards&&) noexcept = default;
Guards::~Guards() = default;

Result<Guards> Guards::stand(const GuardSpec& spec) {
    TRY_ASSIGN(auto trees, checked_trees(spec));
    TRY_ASSIGN(auto mounts, GuardMounts::prepare(trees));
    TRY_ASSIGN(auto folders, GuardFolders::create(std::move(trees)));
    auto impl = std::make_unique<Impl>(
        Impl{GuardWalk(GuardRules(spec.secrets, spec.protect, spec.git), {spec.hidden.begin(), spec.hidden.end()},
                       {trimmed(spec.common), spec.worktree}, std::move(mounts), std::move(folders))});
    TRY(impl->walk.all(GuardWalk::Newcomers::kGuard));
    impl->walk.cell_runs();
    // What the host changed meanwhile.
    TRY(impl->take_events(GuardWalk::Newcomers::kGuard));
    return Guards(std::move(impl));
}

int Guards::fd() const { return impl_->walk.folders().fd(); }

Result<> Guards::refresh(bool commands_ran) {
    return impl_->take_events(commands_ran ? GuardWalk::Newcomers::kLeave : GuardWalk::Newcomers::kGuard);
}

Result<> Guards::hold_worktree(const std::string& entry) {
    TRY(impl_->take_events(GuardWalk::Newcomers::kLeave));
    return impl_->walk.hold_worktree(entry);
}

void Guards::release() { impl_->walk.release(); }

Result<> Guards::Impl::take(const inotify_event& event, GuardWalk::Newcomers newcomers) {
    if ((event.mask & IN_Q_OVERFLOW) != 0) lost_events = true;
    if ((event.mask & IN_IGNORED) != 0) walk.forget(event.wd);
    if (event.len == 0) return Ok{};
    const std::string name = event.name;
    if ((event.mask & (IN_CREATE | IN_MOVED_TO)) != 0) return walk.appeared(event.wd, name, newcomers);
    if ((event.mask & (IN_DELETE | IN_MOVED_FROM)) != 0) return walk.disappeared(event.wd, name);
    return Ok{};
}

// What is in the queue now, and no more: a command could fill it for ever.
Result<> Guards::Impl::take_events(GuardWalk::Newcomers newcomers) {
    const int fd = walk.folders().fd();
    int waiting = 0;
    if (::ioctl(fd, FIONREAD, &waiting) != 0) return errno_error("guards: FIONREAD");
    alignas(inotify_event) char buffer[16384];
    while (waiting > 0) {
        const ssize_t length = ::read(fd, buffer, sizeof buffer);
        if (length < 0 && errno == EAGAIN) break;
        if (length <= 0) return errno_error("guards: read inotify events");
        waiting -= static_cast<int>(length);
        for (ssize_t at = 0; at < length;) {
            const auto* event = reinterpret_cast<const inotify_event*>(buffer + at);
            at += static_cast<ssize_t>(sizeof *event + event->len);
            TRY(take(*event, newcomers));
        }
    }
    walk.rest();
    if (std::exchange(lost_events, false)) TRY(walk.all(newcomers));
    return walk.hide_aliases();
}

}  // namespace toren
