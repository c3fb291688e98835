#include "policy/config_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

#include "base/log.h"
#include "policy/name_patterns.h"

namespace toren {
namespace {

#define TOREN_FIELD_OF(section, member) +[](section& config) -> decltype((config.member)) { return config.member; }
#define TOREN_FIELD(member) TOREN_FIELD_OF(Config, member)
#define TOREN_PROFILE_FIELD(member) TOREN_FIELD_OF(Config::Profile, member)
#define TOREN_SEGMENT_FIELD(member) TOREN_FIELD_OF(Config::SegmentRules, member)

constexpr std::uint64_t kKiB = 1024, kMiB = 1024 * kKiB, kGiB = 1024 * kMiB, kTiB = 1024 * kGiB;
constexpr std::uint64_t kYear = 366 * 24 * 3600;
constexpr std::uint64_t kEntries = 1000;  // of any array

std::string only_landlock(const Config& config) {
    for (const auto& layer : config.confinement.allow_degraded)
        if (layer != "landlock") return "'" + layer + "' cannot be given up; only \"landlock\" is accepted";
    return {};
}

std::string ring_is_a_power_of_two(const Config& config) {
    if (std::has_single_bit(config.limits.output_ring_bytes)) return {};
    return std::to_string(config.limits.output_ring_bytes) + " is not a power of two";
}

constexpr std::uint64_t kLeastMemory = 16 * kMiB;  // beneath it, no shell starts

std::string enough_memory(std::uint64_t bytes) {
    if (bytes == 0 || bytes >= kLeastMemory) return {};
    return std::to_string(bytes) + " is too little for any program (" + readable_number("_bytes", kLeastMemory) +
           " is the least)";
}
std::string enough_memory_for_a_command(const Config& config) { return enough_memory(config.limits.memory_bytes); }
std::string enough_memory_for_a_segment(const Config& config) {
    return enough_memory(config.limits.segment_memory_bytes);
}
std::string enough_memory_in_a_profile(const Config::Profile& profile) {
    return enough_memory(profile.memory_bytes.value_or(0));
}

// The first complaint about an entry of the list.
std::string each(const StringList& list, std::string (*problem)(std::string_view)) {
    for (const auto& entry : list)
        if (const auto complaint = problem(entry); !complaint.empty())
            return "'" + escape_controls(entry) + "' " + complaint;
    return {};
}

std::string protected_name_problem(std::string_view name) {
    if (name == ".git" || name == ".jj")
        return "is what protect_repositories is for: whole, it could not be committed to";
    if (name.find_first_of("*?[") != name.npos) return "must be a plain name, not a pattern";
    return name_problem(name);
}

std::string secrets_are_patterns(const Config& config) { return each(config.confinement.secrets, pattern_problem); }
std::string protect_are_names(const Config& config) { return each(config.confinement.protect, protected_name_problem); }
std::string secrets_are_patterns(const Config::SegmentRules& rules) { return each(*rules.secrets, pattern_problem); }
std::string protect_are_names(const Config::SegmentRules& rules) {
    return each(*rules.protect, protected_name_problem);
}

std::string base_is_built_in(const Config::Profile& profile) {
    if (std::ranges::find(kBuiltInProfiles, profile.base) != std::end(kBuiltInProfiles)) return {};
    return "'" + escape_controls(profile.base) + "' is neither \"workspace-write\" nor \"read-only\"";
}

std::string hidden_path_problem(std::string_view path) {
    if (path.find_first_not_of("/.") == path.npos) return "would hide everything";
    for (std::size_t start = 0; start < path.size();) {
        const auto end = std::min(path.find('/', start), path.size());
        if (path.substr(start, end - start) == "..") return "must not hold '..'";
        start = end + 1;
    }
    return {};
}
std::string hidden_stays_inside(const Config::Profile& profile) { return each(profile.hidden, hidden_path_problem); }

// What a command would get from the daemon's environment and must not. A star at the end: every name that begins so.
struct RefusedVariable {
    std::string_view name;
    const char* why;
};
constexpr RefusedVariable kRefusedVariables[] = {
    {"LD_*", "makes the loader run the daemon's libraries in every program"},
    {"GLIBC_TUNABLES", "changes how the loader starts every program"},
    {"GIT_CONFIG*", "points git at configuration that is not the segment's"},
    {"GIT_DIR", "points git at another repository"},
    {"GIT_WORK_TREE", "points git at another repository"},
    {"PAIRING_TOKEN", "lets whoever has it pair with the daemon"},
    {"HOME", "is the cage's own"},
    {"TOREN", "is the cage's own"},
};

bool is_refused(std::string_view variable, std::string_view name) {
    return name.ends_with('*') ? variable.starts_with(name.substr(0, name.size() - 1)) : variable == name;
}

std::string variable_problem(std::string_view name) {
    constexpr std::string_view kLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz_";
    if (kLetters.find(name.front()) == name.npos ||
        name.find_first_not_of(std::string(kLetters) + "0123456789") != name.npos)
        return "is not the name of a variable";
    for (const auto& refused : kRefusedVariables)
        if (is_refused(name, refused.name)) return std::string("is refused: it ") + refused.why;
    return {};
}
std::string variables_may_pass(const Config::Profile& profile) { return each(profile.environment, variable_problem); }

const ConfigKey kKeys[] = {
    {"approved_directories", TOREN_FIELD(approved_directories), 0, kEntries,
     "The folders that requests may touch; a segment beneath none of them is left out. Absent: the segments only. "
     "This key stands above the first [table].",
     R"(["~/projects"])"},

    {"server.host", TOREN_FIELD(server.host), 1, 255,
     "The address to listen on, in numbers, or localhost. Anything but loopback lets other machines try to pair."},
    {"server.port", TOREN_FIELD(server.port), 0, 65535, "The port to listen on; 0 takes a free one."},
    {"server.allowed_hosts", TOREN_FIELD(server.allowed_hosts), 0, kEntries,
     "Further names that a request's Host header may carry, such as that of a reverse proxy."},
    {"server.allowed_origins", TOREN_FIELD(server.allowed_origins), 0, kEntries,
     "Web origins besides the daemon's own that may call it from a browser, such as \"https://toren.example\"."},

    {"segments.globs", TOREN_FIELD(segments.globs), 0, kEntries,
     "Patterns; every folder that matches is a segment, hidden ones are skipped. '~' is the home folder, a relative "
     "path starts at this file's folder.",
     R"(["~/projects/*"])"},
    {"segments.roots", TOREN_FIELD(segments.roots), 0, kEntries,
     "Folders beneath which a client may create new segments.", R"(["~/projects"])"},
    {"segments.paths", TOREN_FIELD(segments.paths), 0, kEntries, "Single folders that are segments.",
     R"(["~/work/website"])"},

    {"auto_approve.non_vcs_commands", TOREN_FIELD(auto_approve.non_vcs_commands), 0, 0,
     "Run commands other than those of version control without asking a person. Read, not yet acted on."},
    {"auto_approve.vcs_commands", TOREN_FIELD(auto_approve.vcs_commands), 0, 0,
     "Run version control commands without asking. Read, not yet acted on."},
    {"auto_approve.file_operations", TOREN_FIELD(auto_approve.file_operations), 0, 0,
     "Let agents write files without asking. Read, not yet acted on."},
    {"auto_approve.approved_directories", TOREN_FIELD(approved_directories), 0, kEntries,
     "Where the original Toren's example had it.", nullptr, nullptr, "approved_directories"},

    {"ancillary.max_concurrent", TOREN_FIELD(ancillary.max_concurrent), 1, 1000,
     "How many ancillaries may be at work at one time. Read, not yet acted on."},
    {"ancillary.default_model", TOREN_FIELD(ancillary.default_model), 1, 200,
     "The model that an agent uses. Read, not yet acted on."},
    {"ancillary.workspace_root", TOREN_FIELD(ancillary.workspace_root), 0, 4095,
     "The folder that holds workspaces, git worktrees in which several clients work apart; empty: there are none. It "
     "is "
     "made where it is missing, and may neither lie in a segment nor hold one.",
     R"("~/toren-workspaces")"},
    {"ancillary.task_prompt_template", TOREN_FIELD(ancillary.task_prompt_template), 0, 64 * kKiB,
     "The text with which a task starts; empty: the built-in one. Read, not yet acted on."},

    {"vcs.author_name", TOREN_FIELD(vcs.author_name), 0, 200,
     "Who commits where a repository's own configuration does not say: the name."},
    {"vcs.author_email", TOREN_FIELD(vcs.author_email), 0, 200, "And the address."},

    {"security.require_auth", TOREN_FIELD(security.require_auth), 0, 0,
     "Ask every request for a session token. false is refused unless the daemon listens on loopback, and even there "
     "it lets every program of this machine in."},
    {"security.session_timeout", TOREN_FIELD(security.session_timeout), 0, 10 * kYear,
     "Seconds after which a session token ends; 0 = never."},
    {"security.pairing_uses", TOREN_FIELD(security.pairing_uses), 1, 100,
     "How many devices may pair with one PIN within its life."},

    {"confinement.allow_degraded", TOREN_FIELD(confinement.allow_degraded), 0, 1,
     "Layers of the cage to do without where the kernel lacks them; only \"landlock\" is accepted. The cage is then "
     "weaker, and /health, the log and the web page say so.",
     nullptr, only_landlock},
    {"confinement.profile", TOREN_FIELD(confinement.profile), 1, 100,
     "The profile of every segment that names none: \"workspace-write\" (the segment is writable), \"read-only\", or "
     "one "
     "of [profiles]. A command may ask for a narrower one, never for a wider one."},
    {"confinement.secrets", TOREN_FIELD(confinement.secrets), 0, kEntries,
     "Patterns of the names of files and folders that no command and no client sees, wherever they lie in a segment. "
     "'*', '?' and '[...]' as in a shell, '!' before what stays visible, slashes for the last parts of a path; the "
     "last that matches decides. This list takes the place of the default one; [] hides nothing.",
     nullptr, secrets_are_patterns},
    {"confinement.protect", TOREN_FIELD(confinement.protect), 0, kEntries,
     "Names of files and folders that make programs outside the cage run code later: read-only wherever they lie in a "
     "segment, and not to be made at its top. This list takes the place of the default one; [] protects nothing.",
     nullptr, protect_are_names},
    {"confinement.protect_repositories", TOREN_FIELD(confinement.protect_repositories), 0, 0,
     "Keep hooks and configuration of every git and jj repository read-only. Commits, rebases and worktrees work; `git "
     "config` and `git submodule init` do not."},

    {"limits.body_bytes", TOREN_FIELD(limits.body_bytes), kKiB, kGiB, "The largest HTTP request body."},
    {"limits.message_bytes", TOREN_FIELD(limits.message_bytes), kKiB, kGiB, "The largest WebSocket message."},
    {"limits.read_bytes", TOREN_FIELD(limits.read_bytes), kKiB, kGiB, "The largest file that is returned whole."},
    {"limits.diff_bytes", TOREN_FIELD(limits.diff_bytes), kKiB, kGiB, "The largest diff that is returned."},
    {"limits.list_entries", TOREN_FIELD(limits.list_entries), 1, 10'000'000,
     "The most entries of one folder that are listed."},
    {"limits.connections", TOREN_FIELD(limits.connections), 1, 65'536, "Connections open at one time."},
    {"limits.commands_per_segment", TOREN_FIELD(limits.commands_per_segment), 1, 10'000,
     "Commands running at one time in one segment."},
    {"limits.commands_per_socket", TOREN_FIELD(limits.commands_per_socket), 1, 10'000,
     "Commands running at one time for one WebSocket."},
    {"limits.requests_per_socket", TOREN_FIELD(limits.requests_per_socket), 1, 100'000,
     "Requests other than commands that may wait at one time for one WebSocket."},
    {"limits.command_seconds", TOREN_FIELD(limits.command_seconds), 0, kYear,
     "How long a command may run; 0 = without end."},
    {"limits.memory_bytes", TOREN_FIELD(limits.memory_bytes), 0, 1024 * kTiB,
     "The memory that a command with all its processes may use; 0 = half of the machine's.", nullptr,
     enough_memory_for_a_command},
    {"limits.segment_memory_bytes", TOREN_FIELD(limits.segment_memory_bytes), 0, 1024 * kTiB,
     "The memory that all commands of a segment may use together; 0 = three quarters of the machine's. Without "
     "cgroup v2 all of them end when it is exceeded.",
     nullptr, enough_memory_for_a_segment},
    {"limits.swap_bytes", TOREN_FIELD(limits.swap_bytes), 0, 1024 * kTiB,
     "The swap that a command, and a segment, may use beyond its memory; 0 = none. Held with cgroup v2 alone."},
    {"limits.cpu_seconds", TOREN_FIELD(limits.cpu_seconds), 0, kYear,
     "The processor time that a command with all its processes may use; 0 = no limit."},
    {"limits.output_bytes", TOREN_FIELD(limits.output_bytes), 0, 1024 * kTiB,
     "How much a command may write to stdout and stderr together; 0 = no limit."},
    {"limits.processes_kept", TOREN_FIELD(limits.processes_kept), 1, 1000,
     "How many processes that have ended are kept in a segment, with their output; older ones go."},
    {"limits.process_keep_seconds", TOREN_FIELD(limits.process_keep_seconds), 0, kYear,
     "How long a process that has ended is kept; its segment's cell stays as long."},
    {"limits.spool_bytes", TOREN_FIELD(limits.spool_bytes), 0, 1024 * kTiB,
     "How much output all processes together may keep on disk, in the state folder, where clients ask for that."},
    {"limits.checkpoints_kept", TOREN_FIELD(limits.checkpoints_kept), 1, 10'000,
     "How many checkpoints of a segment are kept; the oldest go."},
    {"limits.checkpoint_bytes", TOREN_FIELD(limits.checkpoint_bytes), kMiB, 1024 * kTiB,
     "How much all checkpoints of a segment may take on disk, in the state folder; the oldest go."},
    {"limits.checkpoint_file_bytes", TOREN_FIELD(limits.checkpoint_file_bytes), 0, kGiB,
     "The largest file that a checkpoint holds; larger ones are left out and told."},
    {"limits.checkpoint_seconds", TOREN_FIELD(limits.checkpoint_seconds), 1, kYear,
     "How long making, comparing or restoring a checkpoint may take."},
    {"limits.cell_idle_seconds", TOREN_FIELD(limits.cell_idle_seconds), 1, kYear,
     "How long a segment's cell stays after its last use; it never ends while a command runs."},
    {"limits.output_ring_bytes", TOREN_FIELD(limits.output_ring_bytes), 64 * kKiB, 64 * kMiB,
     "How much of a process's output is kept in memory; a power of two.", nullptr, ring_is_a_power_of_two},
    {"limits.service_seconds", TOREN_FIELD(limits.service_seconds), 1, 3600,
     "How long one file or version control request may take."},
    {"limits.open_files", TOREN_FIELD(limits.open_files), 64, 1'048'576,
     "Descriptors that one process of a command may have open (RLIMIT_NOFILE)."},
    {"limits.processes", TOREN_FIELD(limits.processes), 16, 4'194'304,
     "Processes and threads of one command; without cgroup v2, of all commands of its segment (RLIMIT_NPROC)."},
    {"limits.segment_processes", TOREN_FIELD(limits.segment_processes), 16, 4'194'304,
     "Processes and threads of all commands of a segment. Held with cgroup v2 alone."},
    {"limits.cpu_percent", TOREN_FIELD(limits.cpu_percent), 0, 1'000'000,
     "How much of the processors a segment may use, 100 is one of them; 0 = no limit. Held with cgroup v2 alone."},
    {"limits.cpu_weight", TOREN_FIELD(limits.cpu_weight), 1, 10'000,
     "A segment's share of the processors when others want them too. Held with cgroup v2 alone."},
    {"limits.io_weight", TOREN_FIELD(limits.io_weight), 1, 10'000,
     "A segment's share of the disks when others want them too. Held with cgroup v2 alone."},
    {"limits.tmp_bytes", TOREN_FIELD(limits.tmp_bytes), kMiB, kTiB, "The size of each private /tmp."},
    {"limits.file_bytes", TOREN_FIELD(limits.file_bytes), 0, 1024 * kTiB,
     "The largest file that a command may write (RLIMIT_FSIZE); 0 = no limit."},
};

const ProfileKey kProfileKeys[] = {
    {"base", TOREN_PROFILE_FIELD(base), 1, 100,
     "What it starts from: \"workspace-write\", or \"read-only\", under which nothing but the private folders is "
     "writable.",
     nullptr, base_is_built_in},
    {"read_only", TOREN_PROFILE_FIELD(read_only), 0, kEntries,
     "Further folders and files of this machine that a command may read and execute, at the same path.",
     R"(["~/reference"])"},
    {"writable", TOREN_PROFILE_FIELD(writable), 0, kEntries, "Further folders and files that it may also write.",
     R"(["~/.cache/shared"])"},
    {"hidden", TOREN_PROFILE_FIELD(hidden), 0, kEntries,
     "What is not to be seen: relative to the segment, or absolute.", R"(["private"])", hidden_stays_inside},
    {"environment", TOREN_PROFILE_FIELD(environment), 0, kEntries,
     "Variables of the daemon that a command gets, by name.", R"(["HTTP_PROXY"])", variables_may_pass},
    {"memory_bytes", TOREN_PROFILE_FIELD(memory_bytes), 0, 1024 * kTiB, "As in [limits], and so are the others.",
     "2147483648", enough_memory_in_a_profile},
    {"seconds", TOREN_PROFILE_FIELD(seconds), 0, kYear, "limits.command_seconds.", "600"},
    {"cpu_seconds", TOREN_PROFILE_FIELD(cpu_seconds), 0, kYear, "limits.cpu_seconds.", "600"},
    {"processes", TOREN_PROFILE_FIELD(processes), 16, 4'194'304, "limits.processes.", "256"},
    {"output_bytes", TOREN_PROFILE_FIELD(output_bytes), 0, 1024 * kTiB, "limits.output_bytes.", "104857600"},
    {"file_bytes", TOREN_PROFILE_FIELD(file_bytes), 0, 1024 * kTiB, "limits.file_bytes.", "1073741824"},
    {"open_files", TOREN_PROFILE_FIELD(open_files), 64, 1'048'576, "limits.open_files.", "1024"},
};

const SegmentKey kSegmentKeys[] = {
    {"profile", TOREN_SEGMENT_FIELD(profile), 1, 100, "Instead of confinement.profile.", R"("strict")"},
    {"secrets", TOREN_SEGMENT_FIELD(secrets), 0, kEntries, "Instead of confinement.secrets.", R"([".env", "*.secret"])",
     secrets_are_patterns},
    {"protect", TOREN_SEGMENT_FIELD(protect), 0, kEntries, "Instead of confinement.protect.", R"([".vscode"])",
     protect_are_names},
    {"protect_repositories", TOREN_SEGMENT_FIELD(protect_repositories), 0, 0,
     "Instead of confinement.protect_repositories.", "false"},
};

#undef TOREN_SEGMENT_FIELD
#undef TOREN_PROFILE_FIELD
#undef TOREN_FIELD
#undef TOREN_FIELD_OF

constexpr const char* kFreeTables[] = {"profiles", "segment"};

std::string_view leaf_of(std::string_view name) {
    const auto dot = name.rfind('.');
    return dot == name.npos ? name : name.substr(dot + 1);
}

std::size_t edit_distance(std::string_view a, std::string_view b) {
    std::vector<std::size_t> row(b.size() + 1);
    std::iota(row.begin(), row.end(), std::size_t{0});
    for (std::size_t i = 0; i < a.size(); ++i) {
        std::size_t diagonal = std::exchange(row[0], i + 1);
        for (std::size_t j = 0; j < b.size(); ++j) {
            const std::size_t replaced = diagonal + (a[i] != b[j]);
            diagonal = row[j + 1];
            row[j + 1] = std::min({replaced, row[j] + 1, row[j + 1] + 1});
        }
    }
    return row[b.size()];
}

}  // namespace

std::span<const ConfigKey> config_keys() { return kKeys; }
std::span<const ProfileKey> profile_keys() { return kProfileKeys; }
std::span<const SegmentKey> segment_keys() { return kSegmentKeys; }

std::string profile_name_problem(std::string_view name) {
    if (std::ranges::find(kBuiltInProfiles, name) != std::end(kBuiltInProfiles))
        return "is built in, and cannot be given another meaning";
    constexpr std::string_view kAllowed = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-";
    if (name.empty() || name.size() > 64 || name.front() == '-' || name.find_first_not_of(kAllowed) != name.npos)
        return "is not a profile's name: 1 to 64 letters, digits, '-' and '_', no '-' first";
    return {};
}

const ConfigKey* find_config_key(std::string_view name) {
    const auto* found = std::ranges::find_if(kKeys, [&](const ConfigKey& key) { return name == key.name; });
    return found == std::end(kKeys) ? nullptr : found;
}

bool is_config_table(std::string_view name) {
    return name.empty() || std::ranges::any_of(kKeys, [&](const ConfigKey& key) {
               const std::string_view whole = key.name;
               return whole.size() > name.size() && whole.starts_with(name) && whole[name.size()] == '.';
           });
}

namespace {

// Keeps the nearest of the candidates that it is shown.
class Nearest {
public:
    // Further away than a third of its letters, a name is another word and not a slip.
    explicit Nearest(std::string_view unknown)
        : unknown_(unknown), distance_(std::max<std::size_t>(2, unknown.size() / 3) + 1) {}

    void consider(std::string_view candidate, std::size_t distance) {
        if (distance >= distance_) return;
        distance_ = distance;
        best_ = candidate;
    }
    void consider(std::string_view candidate) { consider(candidate, edit_distance(unknown_, candidate)); }
    const std::string& best() const { return best_; }

private:
    std::string_view unknown_;
    std::size_t distance_;
    std::string best_;
};

constexpr std::size_t kLongestGuess = 100;

}  // namespace

std::string nearest_config_key(std::string_view unknown) {
    if (unknown.size() > kLongestGuess) return {};
    Nearest nearest(unknown);
    for (const char* table : kFreeTables) nearest.consider(table);
    for (const ConfigKey& key : kKeys) {
        if (key.belongs != nullptr) continue;
        const std::string_view name = key.name;
        nearest.consider(name);
        // The right word in the wrong table is as good a guess as one slip of the pen.
        if (leaf_of(unknown) == leaf_of(name)) nearest.consider(name, 1);
        if (const auto dot = name.find('.'); dot != name.npos) nearest.consider(name.substr(0, dot));
    }
    return nearest.best();
}

std::string nearest_name(std::string_view unknown, std::span<const std::string> known) {
    if (unknown.size() > kLongestGuess) return {};
    Nearest nearest(unknown);
    for (const auto& name : known) nearest.consider(name);
    return nearest.best();
}

std::string readable_number(std::string_view key, std::uint64_t value) {
    static constexpr std::array<const char*, 5> kUnits = {"", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    if (key.ends_with("_bytes"))
        while (value != 0 && value % 1024 == 0 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
    return std::to_string(value) + kUnits[unit];
}

}  // namespace toren
