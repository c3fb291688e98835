#include "policy/cgroup.h"

#include <dirent.h>
#include <linux/mount.h>
#include <poll.h>
#include <sched.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <charconv>
#include <chrono>
#include <memory>
#include <string_view>
#include <vector>

#include "policy/cgroup_files.h"

namespace toren {
namespace {

// So long remove_group waits for processes that were killed.
constexpr std::chrono::milliseconds kPatience{2000};
// Enough for each file that a meter reads up to the line that it wants.
constexpr std::size_t kFileBytes = 1024;

struct Setting {
    const char* file;
    std::string value;
    bool needed;  // else a file that is not there is no error: the controller, or the kernel's support, is missing
};

Result<> write_settings(int group, const std::vector<Setting>& settings) {
    for (const auto& [file, value, needed] : settings)
        if (auto written = write_cgroup_file(group, file, value); !written)
            if (needed || written.error().code != ENOENT) return written;
    return Ok{};
}

// Without a limit of memory none of swap is set: it would only make the machine run out sooner.
void add_memory(std::vector<Setting>& settings, std::uint64_t memory, std::uint64_t swap) {
    settings.push_back({"memory.max", memory == 0 ? "max" : std::to_string(memory), true});
    settings.push_back(
        {"memory.swap.max", memory == 0 ? "max" : std::to_string(swap), false});  // a kernel without swap
}

std::string number_or_max(std::uint64_t number) { return number == 0 ? "max" : std::to_string(number); }

// The number after `key` in a file of "key number" lines, or the number that is the file; 0 where it is not told.
std::uint64_t read_number(const UniqueFd& file, std::string_view key) {
    char buffer[kFileBytes];
    const ssize_t length = file ? ::pread(file.get(), buffer, sizeof buffer, 0) : 0;
    if (length <= 0) return 0;
    std::string_view text(buffer, static_cast<std::size_t>(length));
    while (!key.empty() && !text.starts_with(key)) {
        const auto line = text.find('\n');
        if (line == text.npos) return 0;
        text.remove_prefix(line + 1);
    }
    text.remove_prefix(key.size());
    std::uint64_t number = 0;
    std::from_chars(text.data(), text.data() + text.size(), number);
    return number;
}

std::vector<std::string> folders_in(int group) {
    std::vector<std::string> names;
    const int copy = ::openat(group, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const std::unique_ptr<DIR, int (*)(DIR*)> folder(copy < 0 ? nullptr : ::fdopendir(copy), &::closedir);
    while (const dirent* entry = folder ? ::readdir(folder.get()) : nullptr)
        if (entry->d_type == DT_DIR && entry->d_name[0] != '.') names.emplace_back(entry->d_name);
    return names;
}

// A group is empty a moment after its processes were killed; the kernel says so on cgroup.events.
Result<> wait_until_empty(int group) {
    UniqueFd events(::openat(group, "cgroup.events", O_RDONLY | O_CLOEXEC));
    if (!events) return errno_error("cgroup: open cgroup.events");
    const auto until = std::chrono::steady_clock::now() + kPatience;
    while (read_number(events, "populated ") != 0) {
        const auto left =
            std::chrono::duration_cast<std::chrono::milliseconds>(until - std::chrono::steady_clock::now());
        if (left.count() <= 0) return error("cgroup: processes that were killed do not end");
        pollfd change{events.get(), POLLPRI, 0};
        ::poll(&change, 1, static_cast<int>(left.count()));
    }
    return Ok{};
}

Result<> remove_empty(int parent, const std::string& name) {
    UniqueFd group(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!group) return errno_error("cgroup: open '" + name + "'");
    for (const auto& inner : folders_in(group.get())) TRY(remove_empty(group.get(), inner));
    if (::unlinkat(parent, name.c_str(), AT_REMOVEDIR) != 0) return errno_error("cgroup: rmdir '" + name + "'");
    return Ok{};
}

// The group that is the root of this process's cgroup namespace, by a mount that is nowhere: '..' does not lead out of
// it, as it would from a descriptor that was opened outside.
Result<UniqueFd> open_namespace_root() {
    UniqueFd context(static_cast<int>(::syscall(SYS_fsopen, "cgroup2", FSOPEN_CLOEXEC)));
    if (!context || ::syscall(SYS_fsconfig, context.get(), FSCONFIG_CMD_CREATE, nullptr, nullptr, 0) != 0)
        return errno_error("cgroup namespace: fsopen cgroup2");
    UniqueFd root(static_cast<int>(::syscall(SYS_fsmount, context.get(), FSMOUNT_CLOEXEC,
                                             MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)));
    if (!root) return errno_error("cgroup namespace: fsmount");
    return root;
}

}  // namespace

void GroupMeter::kill() const { [[maybe_unused]] const auto written = ::write(kill_switch.get(), "1", 1); }
std::uint64_t GroupMeter::memory_kills() const { return read_number(memory_events, "oom_kill "); }
std::uint64_t GroupMeter::peak_memory_bytes() const { return read_number(memory_peak, ""); }
std::uint64_t GroupMeter::cpu_microseconds() const { return read_number(cpu_stat, "usage_usec "); }

Group& Group::operator=(Group&& other) noexcept {
    if (this != &other) {
        end();
        parent_ = std::move(other.parent_);
        group_ = std::move(other.group_);
        name_ = std::move(other.name_);
    }
    return *this;
}

Result<Group> Group::make(int parent, std::string name) {
    Group made;
    made.parent_.reset(::fcntl(parent, F_DUPFD_CLOEXEC, 3));
    if (!made.parent_ || ::mkdirat(parent, name.c_str(), 0755) != 0) return errno_error("cgroup: mkdir '" + name + "'");
    made.name_ = std::move(name);
    made.group_.reset(::openat(parent, made.name_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    if (!made.group_) {
        const auto why = errno_error("cgroup: open '" + made.name_ + "'");
        ::unlinkat(parent, made.name_.c_str(), AT_REMOVEDIR);
        return why;
    }
    return made;
}

void Group::end() {
    if (!group_) return;
    [[maybe_unused]] const auto removed = remove_group(parent_.get(), name_);  // else the next daemon does
    group_.reset();
}

Result<> Group::limit(const SegmentLimits& limits) const {
    std::vector<Setting> settings;
    add_memory(settings, limits.memory_bytes, limits.swap_bytes);
    settings.push_back({"pids.max", number_or_max(limits.processes), true});
    settings.push_back({"cpu.weight", std::to_string(limits.cpu_weight), false});
    // Microseconds of processor time in each period of 100 milliseconds.
    const auto quota = limits.cpu_percent == 0 ? "max" : std::to_string(limits.cpu_percent * 1000);
    settings.push_back({"cpu.max", quota + " 100000", false});
    settings.push_back({"io.weight", "default " + std::to_string(limits.io_weight), false});
    return write_settings(group_.get(), settings);
}

Result<> Group::limit(const CommandLimits& limits) const {
    std::vector<Setting> settings;
    add_memory(settings, limits.memory_bytes, limits.swap_bytes);
    settings.push_back({"memory.oom.group", "1", true});  // a build of which half is gone is of no use
    settings.push_back({"pids.max", number_or_max(limits.processes), true});
    return write_settings(group_.get(), settings);
}

Result<GroupMeter> Group::meter() const {
    const auto open = [this](const char* name, int flags) {
        return UniqueFd(::openat(group_.get(), name, flags | O_CLOEXEC));
    };
    GroupMeter meter{open("cgroup.kill", O_WRONLY), open("memory.events", O_RDONLY), open("memory.peak", O_RDONLY),
                     open("cpu.stat", O_RDONLY)};
    if (!meter.kill_switch || !meter.memory_events || !meter.cpu_stat)
        return errno_error("cgroup: open the files of '" + name_ + "'");
    return meter;
}

Result<Group> make_command_group(int cell_group, std::uint32_t id, const CommandLimits& limits) {
    TRY_ASSIGN(auto group, Group::make(cell_group, "command-" + std::to_string(id)));
    TRY(group.limit(limits));
    return group;
}

// The order is the kernel's. CLONE_NEWCGROUP with the clone would make the root the group of the parent, and where the
// hierarchy is mounted with nsdelegate nobody moves or clones past the root of his namespace. The process leaves the
// cell's group before that enables controllers, for a group that does has no processes of its own.
Result<UniqueFd> settle_in_cell() {
    TRY(hide_own_cgroup());
    TRY_ASSIGN(auto cell, open_namespace_root());
    if (::mkdirat(cell.get(), "init", 0755) != 0) return errno_error("cgroup: mkdir 'init'");
    TRY(write_cgroup_file(cell.get(), "init/cgroup.procs", "0"));
    TRY(write_cgroup_file(cell.get(), "cgroup.subtree_control", "+memory +pids"));
    return cell;
}

Result<> hide_own_cgroup() {
    if (::unshare(CLONE_NEWCGROUP) != 0) return errno_error("cgroup namespace: unshare");
    return Ok{};
}

Result<> remove_group(int parent, const std::string& name) {
    UniqueFd group(::openat(parent, name.c_str(), O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC));
    if (!group) return errno_error("cgroup: open '" + name + "'");
    TRY(write_cgroup_file(group.get(), "cgroup.kill", "1"));
    TRY(wait_until_empty(group.get()));
    return remove_empty(parent, name);
}

}  // namespace toren
