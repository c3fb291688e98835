#include "policy/cgroup_tree.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include <charconv>
#include <memory>
#include <optional>
#include <sstream>
#include <string_view>

#include "policy/cgroup_files.h"

namespace toren {
namespace {

constexpr const char* kDaemon = "daemon";
constexpr std::string_view kCellPrefix = "cell-";
constexpr const char* kWayOut =
    "; start it in a group of its own: 'systemd-run --user --scope -p Delegate=yes toren serve', or a systemd unit "
    "with "
    "Delegate=yes";

Error no_subtree(const std::string& why, int code = 0) {
    return {code, "no cgroup v2 subtree for limits: " + why + kWayOut};
}

bool holds_word(const std::string& text, std::string_view word) {
    std::istringstream words(text);
    for (std::string each; words >> each;)
        if (each == word) return true;
    return false;
}

// mountinfo writes space, tab, newline and backslash as three octal digits.
std::string unescaped(const std::string& text) {
    std::string out;
    for (std::size_t i = 0; i < text.size(); ++i) {
        unsigned value = 0;
        if (text[i] == '\\' && i + 3 < text.size() &&
            std::from_chars(&text[i + 1], &text[i + 4], value, 8).ptr == &text[i + 4]) {
            out += static_cast<char>(value);
            i += 3;
        } else out += text[i];
    }
    return out;
}

// This process's group in the unified hierarchy: "/user.slice/…".
Result<std::string> own_group() {
    TRY_ASSIGN(const auto text, read_cgroup_file(AT_FDCWD, "/proc/self/cgroup"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);)
        if (line.starts_with("0::/")) return line.substr(3);
    return no_subtree("this system runs cgroup v1 alone");
}

// Where the unified hierarchy is mounted, and which group is the root of that mount.
struct Hierarchy {
    std::string root, point;
};

Result<Hierarchy> find_hierarchy() {
    TRY_ASSIGN(const auto text, read_cgroup_file(AT_FDCWD, "/proc/self/mountinfo"));
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
        if (line.find(" - cgroup2 ") == line.npos) continue;
        std::istringstream words(line);
        std::string id, parent, device, root, point;
        words >> id >> parent >> device >> root >> point;
        return Hierarchy{unescaped(root), unescaped(point)};
    }
    return no_subtree("no cgroup v2 file system is mounted");
}

// The folder of `group`, a path as in /proc/self/cgroup.
Result<std::string> folder_of(const Hierarchy& hierarchy, const std::string& group) {
    if (hierarchy.root == "/") return hierarchy.point + (group == "/" ? "" : group);
    if (group == hierarchy.root) return hierarchy.point;
    if (group.starts_with(hierarchy.root + '/')) return hierarchy.point + group.substr(hierarchy.root.size());
    return no_subtree("the group '" + group + "' is outside what is mounted at '" + hierarchy.point + "'");
}

// Not by O_PATH: it carries the lock.
Result<UniqueFd> open_folder(const std::string& path) {
    UniqueFd folder(::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    if (!folder) return no_subtree("open '" + path + "'", errno);
    return folder;
}

bool delegated(int group) {
    for (const char* name : {".", "cgroup.procs", "cgroup.subtree_control"})
        if (::faccessat(group, name, W_OK, AT_EACCESS) != 0) return false;
    return true;
}

// Who but this process is in the group itself: "4711 (bash), 4712 (make)".
Result<std::string> others_in(int group) {
    TRY_ASSIGN(const auto text, read_cgroup_file(group, "cgroup.procs"));
    std::istringstream lines(text);
    std::string others;
    for (pid_t pid = 0; lines >> pid;) {
        if (pid == ::getpid()) continue;
        auto name = read_cgroup_file(AT_FDCWD, ("/proc/" + std::to_string(pid) + "/comm").c_str());
        others += (others.empty() ? "" : ", ") + std::to_string(pid);
        if (name) others += " (" + name->substr(0, name->find('\n')) + ")";
    }
    return others;
}

// Memory and the number of processes must be held; processor and disk are shared out where that is possible.
Result<std::string> available_controllers(int base) {
    TRY_ASSIGN(auto available, read_cgroup_file(base, "cgroup.controllers"));
    for (const char* needed : {"memory", "pids"})
        if (!holds_word(available, needed))
            return no_subtree(std::string("the controller '") + needed + "' is not delegated (or cgroup v1 has it)");
    return available;
}

Result<std::string> enable_controllers(int base, const std::string& available) {
    if (auto enabled = write_cgroup_file(base, "cgroup.subtree_control", "+memory +pids"); !enabled)
        return no_subtree(enabled.error().what, enabled.error().code);
    std::string all = "memory pids";
    for (const std::string wanted : {"cpu", "io"})
        if (holds_word(available, wanted) && write_cgroup_file(base, "cgroup.subtree_control", "+" + wanted))
            all += " " + wanted;
    return all;
}

Result<> remove_left_over_cells(int base) {
    const int copy = ::openat(base, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(copy < 0 ? nullptr : ::fdopendir(copy), &::closedir);
    if (!folder) return errno_error("cgroup: list the daemon's groups");
    while (const dirent* entry = ::readdir(folder.get()))
        if (std::string_view(entry->d_name).starts_with(kCellPrefix)) TRY(remove_group(base, entry->d_name));
    return Ok{};
}

Result<> move_to_leaf(int base) {
    if (::mkdirat(base, kDaemon, 0755) != 0 && errno != EEXIST) return errno_error("cgroup: mkdir 'daemon'");
    return write_cgroup_file(base, "daemon/cgroup.procs", "0");
}

// The group above, where this process is in a leaf already: of a daemon before it, or systemd's DelegateSubgroup=.
std::optional<std::string> above_leaf(const std::string& group) {
    const auto slash = group.rfind('/');
    if (slash == 0 || group.substr(slash + 1) != kDaemon) return std::nullopt;
    return group.substr(0, slash);
}

}  // namespace

Result<CgroupTree> CgroupTree::take_over() {
    TRY_ASSIGN(const auto group, own_group());
    TRY_ASSIGN(const auto hierarchy, find_hierarchy());
    CgroupTree tree;
    const auto above = above_leaf(group);
    tree.path_ = above.value_or(group);
    TRY_ASSIGN(const auto folder, folder_of(hierarchy, tree.path_));
    TRY_ASSIGN(tree.base_, open_folder(folder));
    const int base = tree.base_.get();
    TRY_ASSIGN(const auto available, available_controllers(base));
    // Every group has it but the root of the machine's hierarchy, which cannot be limited and is not ours.
    if (::faccessat(base, "cgroup.events", F_OK, 0) != 0) return no_subtree("this process is in the root group");
    if (!delegated(base)) return no_subtree("the group '" + tree.path_ + "' is not delegated to this account");
    if (::faccessat(base, "cgroup.kill", F_OK, 0) != 0)
        return error("no cgroup v2 subtree for limits: Linux 5.14 or newer is needed (cgroup.kill)");
    if (::flock(base, LOCK_EX | LOCK_NB) != 0)
        return no_subtree("another daemon has the group '" + tree.path_ + "'", errno);
    TRY_ASSIGN(const auto others, others_in(base));
    if (!others.empty()) return no_subtree("other processes are in the group '" + tree.path_ + "': " + others);
    if (!above) TRY(move_to_leaf(base));
    TRY_ASSIGN(tree.controllers_, enable_controllers(base, available));
    TRY(remove_left_over_cells(base));
    return tree;
}

Result<Group> CgroupTree::make_cell(const SegmentLimits& limits) {
    TRY_ASSIGN(auto cell, Group::make(base_.get(), std::string(kCellPrefix) + std::to_string(next_cell_++)));
    TRY(cell.limit(limits));
    return cell;
}

bool CgroupTree::has(const std::string& controller) const { return holds_word(controllers_, controller); }

}  // namespace toren
