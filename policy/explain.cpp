#include "policy/explain.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <optional>

#include "policy/explain_guards.h"
#include "policy/segment_names.h"

namespace toren {
namespace {

constexpr std::size_t kMostLinks = 40;  // as the kernel

bool of_the_host(const Mount& mount) {
    return mount.kind == MountKind::kReadOnly || mount.kind == MountKind::kWritable;
}

// The one that a path lies in: mounts are made in the order of the list, so the last that holds it covers the others.
const Mount* deciding_mount(const RootSpec& root, const std::string& path) {
    const auto found = std::find_if(root.mounts.rbegin(), root.mounts.rend(),
                                    [&](const Mount& mount) { return is_within(path, mount.target); });
    return found == root.mounts.rend() ? nullptr : &*found;
}

bool leads_to_a_mount(const RootSpec& root, const std::string& path) {
    return path == "/" ||
           std::ranges::any_of(root.mounts, [&](const Mount& mount) { return is_within(mount.target, path); });
}

// What stands at a path of the cage, as far as the host can tell.
HostEntry entry_in_cage(const RootSpec& root, const std::string& path, const LookUp& look_up) {
    const Mount* mount = deciding_mount(root, path);
    if (mount == nullptr) return {leads_to_a_mount(root, path) ? HostEntry::kFolder : HostEntry::kMissing};
    if (of_the_host(*mount)) return look_up(mount->source + path.substr(mount->target.size()));
    if (path != mount->target) return {HostEntry::kMissing};
    switch (mount->kind) {
        case MountKind::kSymlink: return {HostEntry::kLink, mount->source};
        case MountKind::kFile:
        case MountKind::kCopy: return {HostEntry::kFile, "", true, false, false};
        case MountKind::kDevice: return {HostEntry::kOther};
        default: return {HostEntry::kFolder};
    }
}

struct Way {
    std::string path;                // without links
    std::vector<std::string> links;  // as Explanation has them
    std::vector<std::string> met;    // the links' own paths
    bool endless = false;
};

// realpath, as a command in the cage would see it.
Way follow(const RootSpec& root, const std::string& asked, const LookUp& look_up) {
    Way way;
    std::string rest = asked;
    for (;;) {
        const auto start = rest.find_first_not_of('/');
        if (start == rest.npos) break;
        const auto end = std::min(rest.find('/', start), rest.size());
        const std::string part = rest.substr(start, end - start);
        rest.erase(0, end);
        if (part == ".") continue;
        if (part == "..") {
            way.path.erase(std::min(way.path.rfind('/'), way.path.size()));
            continue;
        }
        const std::string here = way.path + '/' + part;
        const HostEntry entry = entry_in_cage(root, here, look_up);
        if (entry.kind != HostEntry::kLink) {
            way.path = here;
            continue;
        }
        if (way.links.size() == kMostLinks) {
            way.endless = true;
            break;
        }
        way.links.push_back(here + " -> " + entry.target);
        way.met.push_back(here);
        rest.insert(0, entry.target);
        if (entry.target.starts_with('/')) way.path.clear();
    }
    if (way.path.empty()) way.path = "/";
    return way;
}

enum class Wish : std::uint8_t { kRead, kWrite, kExecute };

// What Landlock grants beneath a rule's path (landlock.cpp says it in the kernel's bits).
bool grants(Access access, Wish wish) {
    constexpr bool kGranted[][3] = {
        {true, false, false},  // kRead
        {true, false, true},   // kReadExecute
        {true, true, false},   // kReadWrite
        {true, true, true},    // kAll
        {true, true, false},   // kDevices
    };
    return kGranted[static_cast<std::size_t>(access)][static_cast<std::size_t>(wish)];
}

// The rule nearest to the path that grants the wish. Rules add up: a narrower one takes nothing away.
const PathRule* granting_rule(const LandlockSpec& landlock, const std::string& path, Wish wish) {
    const PathRule* nearest = nullptr;
    for (const auto& rule : landlock.rules)
        if (grants(rule.access, wish) && is_within(path, rule.path) &&
            (nearest == nullptr || rule.path.size() > nearest->path.size()))
            nearest = &rule;
    return nearest;
}

struct MountWords {
    const char* what;
    bool writable, executable;
};

MountWords words_of(MountKind kind) {
    switch (kind) {
        case MountKind::kReadOnly: return {"is shown read-only", false, true};
        case MountKind::kWritable: return {"is shown writable", true, true};
        case MountKind::kDevice: return {"is a device of the host", true, false};
        case MountKind::kTmpfs: return {"is a private folder of the cage", true, true};
        case MountKind::kProc: return {"shows the command's own processes, read-only", false, false};
        case MountKind::kDevpts: return {"holds terminals of the cage's own", true, false};
        case MountKind::kSymlink: return {"is a symbolic link of the cage's own", false, false};
        case MountKind::kFile: return {"is a file of the cage's own, read-only", false, false};
        case MountKind::kCopy: return {"is a copy of the host's file, read-only", false, false};
    }
    return {"", false, false};
}

bool in_a_guarded_tree(const GuardSpec& guards, const std::string& path) {
    return std::ranges::any_of(guards.trees, [&](const auto& tree) { return is_within(path, tree); });
}

// What a link of a guarded name leads to is guarded as the name is, in a tree; unless the link leads to above itself.
std::optional<GuardRuling> ruling_of(const CageView& cage, const Way& way, const LookUp& look_up) {
    auto strictest = guard_ruling(cage.guards, way.path, look_up);
    if (!in_a_guarded_tree(cage.guards, way.path)) return strictest;
    for (const auto& link : way.met) {
        const auto target = follow(cage.root, link, look_up).path;
        if (!is_within(way.path, target) || is_within(link, target)) continue;
        auto ruling = guard_ruling(cage.guards, link, look_up);
        if (ruling && (!strictest || ruling->effect < strictest->effect)) strictest = std::move(ruling);
    }
    return strictest;
}

std::optional<std::string> hiding_entry(const CageView& cage, const std::string& path) {
    for (const auto& hidden : cage.profile.hidden)
        if (is_within(path, hidden.starts_with('/') ? hidden : cage.segment + '/' + hidden)) return hidden;
    return std::nullopt;
}

class Judge {
public:
    Judge(const CageView& cage, const Way& way, const HostEntry& entry, const LookUp& look_up)
        : cage_(cage),
          path_(way.path),
          entry_(entry),
          mount_(deciding_mount(cage.root, way.path)),
          hidden_(hiding_entry(cage, way.path)),
          guard_(ruling_of(cage, way, look_up)) {}

    Ruling rule(Wish wish) const {
        if (mount_ == nullptr) return outside(wish);
        if (hidden_) return no(DecidedBy::kProfile, "profile '" + cage_.profile.name + "' hides '" + *hidden_ + "'");
        if (guard_ && guard_->effect == GuardRuling::kHidden) return no(guard_->by, guard_->rule);
        if (entry_.kind == HostEntry::kSocket && in_a_guarded_tree(cage_.guards, path_))
            return no(DecidedBy::kGuard, "a socket that a process of the host may listen on is masked");
        const MountWords words = words_of(mount_->kind);
        const std::string mount = "'" + mount_->target + "' " + words.what;
        if ((wish == Wish::kWrite && !words.writable) || (wish == Wish::kExecute && !words.executable))
            return no(DecidedBy::kMount, mount);
        if (wish == Wish::kWrite && guard_ && guard_->effect == GuardRuling::kReadOnly)
            return no(guard_->by, guard_->rule);
        const PathRule* landlock = granting_rule(cage_.landlock, path_, wish);
        if (landlock == nullptr)
            return no(DecidedBy::kLandlock, std::string("no rule grants ") + verb(wish) + " there");
        if (!permitted(wish)) return no(DecidedBy::kPermissions, "its owner and mode do not let this account");
        return {true, DecidedBy::kMount, mount + "; Landlock rule '" + landlock->path + "'"};
    }

    std::string note() const {
        const bool noted = guard_ && guard_->effect == GuardRuling::kNoted;
        return noted && rule(Wish::kWrite).allowed ? guard_->rule : "";
    }

private:
    static Ruling no(DecidedBy by, std::string rule) { return {false, by, std::move(rule)}; }

    static const char* verb(Wish wish) {
        return wish == Wish::kRead ? "reading" : wish == Wish::kWrite ? "writing" : "executing";
    }

    Ruling outside(Wish wish) const {
        if (!leads_to_a_mount(cage_.root, path_)) return no(DecidedBy::kRoot, "not in the cage at all");
        const std::string rule = "a folder of the cage's own root, read-only: it leads to what the cage shows";
        return {wish == Wish::kRead, DecidedBy::kRoot, rule};
    }

    // Of a folder, execution means that of programs in it.
    bool permitted(Wish wish) const {
        if (entry_.kind == HostEntry::kMissing) return true;
        if (wish == Wish::kExecute) return entry_.kind == HostEntry::kFolder || entry_.executable;
        return wish == Wish::kRead ? entry_.readable : entry_.writable;
    }

    const CageView& cage_;
    const std::string& path_;
    const HostEntry& entry_;
    const Mount* mount_;
    std::optional<std::string> hidden_;
    std::optional<GuardRuling> guard_;
};

std::optional<bool> existence(const RootSpec& root, const std::string& path, const HostEntry& entry) {
    if (entry.kind != HostEntry::kMissing) return true;
    const Mount* mount = deciding_mount(root, path);
    if (mount != nullptr && !of_the_host(*mount)) return std::nullopt;
    return false;
}

// The bits of the mode that speak of this account.
mode_t mode_for_us(const struct stat& about) {
    if (about.st_uid == ::geteuid()) return about.st_mode >> 6 & 7;
    std::vector<gid_t> groups(static_cast<std::size_t>(std::max(::getgroups(0, nullptr), 0)));
    const int known = ::getgroups(static_cast<int>(groups.size()), groups.data());
    groups.resize(static_cast<std::size_t>(std::max(known, 0)));
    groups.push_back(::getegid());
    return std::ranges::find(groups, about.st_gid) != groups.end() ? about.st_mode >> 3 & 7 : about.st_mode & 7;
}

}  // namespace

const char* decider_name(DecidedBy by) {
    static constexpr const char* kNames[] = {"root", "mount", "profile", "secret", "guard", "landlock", "permissions"};
    return kNames[static_cast<std::size_t>(by)];
}

HostEntry look_up_on_host(const std::string& path) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0) return {};
    if (S_ISLNK(about.st_mode)) {
        char target[PATH_MAX];
        const ssize_t length = ::readlink(path.c_str(), target, sizeof target);
        return {HostEntry::kLink, std::string(target, static_cast<std::size_t>(std::max<ssize_t>(length, 0)))};
    }
    const auto kind = S_ISREG(about.st_mode)    ? HostEntry::kFile
                      : S_ISDIR(about.st_mode)  ? HostEntry::kFolder
                      : S_ISSOCK(about.st_mode) ? HostEntry::kSocket
                                                : HostEntry::kOther;
    const mode_t mode = mode_for_us(about);
    return {kind, "", (mode & 4) != 0, (mode & 2) != 0, (mode & 1) != 0};
}

Explanation explain(const CageView& cage, const std::string& absolute_path, const LookUp& look_up) {
    Way way = follow(cage.root, absolute_path, look_up);
    if (way.endless) {
        const Ruling no{false, DecidedBy::kRoot, "its symbolic links lead in a circle"};
        return {absolute_path, way.path, std::move(way.links), false, "", no, no, no};
    }
    const HostEntry entry = entry_in_cage(cage.root, way.path, look_up);
    const Judge judge(cage, way, entry, look_up);
    return {.asked = absolute_path,
            .path = way.path,
            .links = std::move(way.links),
            .exists = existence(cage.root, way.path, entry),
            .note = judge.note(),
            .read = judge.rule(Wish::kRead),
            .write = judge.rule(Wish::kWrite),
            .execute = judge.rule(Wish::kExecute)};
}

}  // namespace toren
