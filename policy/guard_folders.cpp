#include "policy/guard_folders.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace toren {
namespace {

// A folder has one place, but for what a bind mount of the host's shows twice, or what was moved.
constexpr std::size_t kMostPlaces = 8;
constexpr std::size_t kMostWays = 8;

constexpr std::uint32_t kAppears = IN_CREATE | IN_MOVED_TO | IN_ONLYDIR;
constexpr std::uint32_t kDisappears = IN_DELETE | IN_MOVED_FROM;

// Where names are held, their going counts as well.
std::uint32_t events_for(FolderKind kind, bool bare) {
    return kind == FolderKind::kPlain && !bare ? kAppears : kAppears | kDisappears;
}

UniqueFd open_folder(int parent, const char* name) {
    return UniqueFd(::openat(parent, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC));
}

UniqueFd open_root(const std::string& path) {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    return UniqueFd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
}

}  // namespace

Result<GuardFolders> GuardFolders::create(std::vector<std::string> trees) {
    GuardFolders folders;
    folders.trees_ = std::move(trees);
    folders.inotify_.reset(::inotify_init1(IN_CLOEXEC | IN_NONBLOCK));
    if (!folders.inotify_) return errno_error("guards: inotify_init1 (fs.inotify.max_user_instances decides)");
    return folders;
}

Result<int> GuardFolders::watch(int fd, FolderKind kind, bool bare) {
    const std::string path = "/proc/self/fd/" + std::to_string(fd);
    const int watch = ::inotify_add_watch(inotify_.get(), path.c_str(), events_for(kind, bare));
    if (watch >= 0) return watch;
    if (errno == ENOSPC)
        return Error{ENOSPC, "guards: no inotify watch is left: raise fs.inotify.max_user_watches (" +
                                 std::to_string(folders_.size()) + " folders are watched)"};
    return errno_error("guards: inotify_add_watch");
}

Result<GuardStep> GuardFolders::enter(const GuardWay& way, int tree, const std::string& name, UniqueFd fd,
                                      FolderKind kind) {
    struct stat about {};
    if (::fstat(fd.get(), &about) != 0) return errno_error("guards: fstat '" + name + "'");
    TRY_ASSIGN(const int found, watch(fd.get(), kind, false));
    GuardFolder& folder = folders_[found];
    const bool known = !folder.places.empty() && folder.inode == about.st_ino && folder.device == about.st_dev;
    if (!known) folder = GuardFolder{.kind = kind, .device = about.st_dev, .inode = about.st_ino};
    else if (folder.kind != FolderKind::kTop) folder.kind = kind;
    if (known && (folder.kind != kind || folder.bare)) TRY(watch(fd.get(), folder.kind, folder.bare));
    const int parent = way.empty() ? -1 - tree : way.back().watch;
    auto& places = folder.places;
    std::erase_if(places, [&](const auto& place) { return place.parent == parent && place.name == name; });
    places.push_back({parent, name});
    if (places.size() > kMostPlaces) places.erase(places.begin());
    std::string path = way.empty() || way.back().path.empty() ? name : way.back().path + '/' + name;
    return GuardStep{std::move(fd), found, &folder, std::move(path)};
}

Result<> GuardFolders::watch_as(GuardStep& step, FolderKind kind, bool bare) {
    step.folder->kind = kind;
    step.folder->bare = bare;
    TRY(watch(step.fd.get(), kind, bare));
    return Ok{};
}

GuardFolder* GuardFolders::find(int watch) {
    const auto found = folders_.find(watch);
    return found == folders_.end() ? nullptr : &found->second;
}

void GuardFolders::chains_to(int watch, Chain& chain, std::vector<Chain>& all) {
    const auto* folder = find(watch);
    if (folder == nullptr || chain.size() > kDeepestGuarded) return;
    for (const auto& place : folder->places) {
        if (all.size() >= kMostWays) return;
        chain.emplace_back(watch, place);
        if (place.parent < 0) all.push_back(chain);
        else chains_to(place.parent, chain, all);
        chain.pop_back();
    }
}

bool GuardFolders::open_chain(const Chain& chain, GuardWay& way) {
    for (auto link = chain.rbegin(); link != chain.rend(); ++link) {
        const auto& [watch, place] = *link;
        auto fd = way.empty() ? open_root(trees_[static_cast<std::size_t>(-1 - place.parent)])
                              : open_folder(way.back().fd.get(), place.name.c_str());
        auto* folder = find(watch);
        struct stat about {};
        if (!fd || folder == nullptr || ::fstat(fd.get(), &about) != 0 || about.st_ino != folder->inode ||
            about.st_dev != folder->device)
            return false;
        std::string path = way.empty() || way.back().path.empty() ? place.name : way.back().path + '/' + place.name;
        way.push_back({std::move(fd), watch, folder, std::move(path)});
    }
    return true;
}

std::vector<GuardWay> GuardFolders::ways_to(int watch) {
    Chain chain;
    std::vector<Chain> chains;
    chains_to(watch, chain, chains);
    std::vector<GuardWay> ways;
    for (const auto& candidate : chains) {
        GuardWay way;
        if (open_chain(candidate, way)) ways.push_back(std::move(way));
    }
    return ways;
}

}  // namespace toren
