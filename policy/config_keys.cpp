#include "policy/config_keys.h"

#include <algorithm>
#include <array>
#include <bit>
#include <numeric>

namespace toren {
namespace {

#define TOREN_FIELD(member) +[](Config& config) -> decltype((config.member)) { return config.member; }

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

const ConfigKey kKeys[] = {
    {"approved_directories", TOREN_FIELD(approved_directories), 0, kEntries,
     "The folders that requests may touch; a segment beneath none of them is left out. Absent: the segments only. "
     "This key stands above the first [table].",
     R"(["~/projects"])"},

    {"server.host", TOREN_FIELD(server.host), 1, 255,
     "The address to listen on. Anything but loopback lets other machines try to pair."},
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
     "The folder that holds workspaces; empty: there are none. Read, not yet acted on."},
    {"ancillary.task_prompt_template", TOREN_FIELD(ancillary.task_prompt_template), 0, 64 * kKiB,
     "The text with which a task starts; empty: the built-in one. Read, not yet acted on."},

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
    {"limits.cell_idle_seconds", TOREN_FIELD(limits.cell_idle_seconds), 1, kYear,
     "How long a segment's cell stays after its last use; it never ends while a command runs."},
    {"limits.output_ring_bytes", TOREN_FIELD(limits.output_ring_bytes), 64 * kKiB, 64 * kMiB,
     "How much of a process's output is kept in memory; a power of two.", nullptr, ring_is_a_power_of_two},
    {"limits.service_seconds", TOREN_FIELD(limits.service_seconds), 1, 3600,
     "How long one file or version control request may take."},
    {"limits.open_files", TOREN_FIELD(limits.open_files), 64, 1'048'576,
     "Descriptors that one process of a command may have open (RLIMIT_NOFILE)."},
    {"limits.processes", TOREN_FIELD(limits.processes), 16, 4'194'304,
     "Processes and threads that the daemon's user may have in a cell (RLIMIT_NPROC)."},
    {"limits.tmp_bytes", TOREN_FIELD(limits.tmp_bytes), kMiB, kTiB, "The size of each private /tmp."},
    {"limits.file_bytes", TOREN_FIELD(limits.file_bytes), 0, 1024 * kTiB,
     "The largest file that a command may write (RLIMIT_FSIZE); 0 = no limit."},
};

#undef TOREN_FIELD

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

std::string nearest_config_key(std::string_view unknown) {
    if (unknown.size() > 100) return {};
    std::string best;
    // Further away than a third of its letters, a name is another word and not a slip.
    std::size_t best_distance = std::max<std::size_t>(2, unknown.size() / 3) + 1;
    const auto consider = [&](std::string_view candidate, std::size_t distance) {
        if (distance >= best_distance) return;
        best_distance = distance;
        best = candidate;
    };
    for (const ConfigKey& key : kKeys) {
        if (key.belongs != nullptr) continue;
        const std::string_view name = key.name;
        consider(name, edit_distance(unknown, name));
        // The right word in the wrong table is as good a guess as one slip of the pen.
        if (leaf_of(unknown) == leaf_of(name)) consider(name, 1);
        if (const auto dot = name.find('.'); dot != name.npos)
            consider(name.substr(0, dot), edit_distance(unknown, name.substr(0, dot)));
    }
    return best;
}

std::string readable_number(const ConfigKey& key, std::uint64_t value) {
    static constexpr std::array<const char*, 5> kUnits = {"", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    if (std::string_view(key.name).ends_with("_bytes"))
        while (value != 0 && value % 1024 == 0 && unit + 1 < kUnits.size()) value /= 1024, ++unit;
    return std::to_string(value) + kUnits[unit];
}

}  // namespace toren
