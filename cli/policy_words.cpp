// The report for a person: short lines, one fact each.
#include <algorithm>
#include <array>
#include <cstdio>

#include "base/log.h"
#include "cli/policy_report.h"

namespace toren::cli {
namespace {

constexpr std::size_t kWidth = 100;

std::string heading(const std::string& text) { return '\n' + text + '\n'; }

// "  word, word, word", broken where the line is full.
std::string listed(const std::vector<std::string>& words) {
    std::string out, line = " ";
    for (std::size_t i = 0; i < words.size(); ++i) {
        const std::string word = escape_controls(words[i]) + (i + 1 < words.size() ? "," : "");
        if (line.size() > 1 && line.size() + 1 + word.size() > kWidth) {
            out += line + '\n';
            line = " ";
        }
        line += ' ' + word;
    }
    return words.empty() ? "  nothing\n" : out + line + '\n';
}

// Single entries of these folders are many and alike: they are counted here and named in the data.
bool in_small_print(const Place& place) {
    return place.what != "private" && (place.path.starts_with("/etc/") || place.path.starts_with("/dev/"));
}

std::vector<std::string> paths_with(const PolicyReport& report, bool Place::*may) {
    std::vector<std::string> paths;
    std::size_t etc = 0, devices = 0;
    for (const auto& place : report.places) {
        if (!(place.*may) || place.what.starts_with("link to")) continue;
        if (!in_small_print(place))
            paths.push_back(place.what == "system" ? place.path : place.path + " (" + place.what + ')');
        else ++(place.path.starts_with("/etc/") ? etc : devices);
    }
    if (etc != 0) paths.push_back(std::to_string(etc) + " entries of /etc");
    if (devices != 0) paths.push_back(std::to_string(devices) + " entries of /dev");
    return paths;
}

std::string bytes(std::uint64_t value) {
    constexpr std::array<const char*, 5> kUnits = {" bytes", " KiB", " MiB", " GiB", " TiB"};
    std::size_t unit = 0;
    double shown = static_cast<double>(value);
    while (shown >= 1024 && unit + 1 < kUnits.size()) shown /= 1024, ++unit;
    char text[32];
    std::snprintf(text, sizeof text,
                  shown == static_cast<double>(static_cast<std::uint64_t>(shown)) ? "%.0f%s" : "%.1f%s", shown,
                  kUnits[unit]);
    return text;
}
std::string bytes_or_none(std::uint64_t value) { return value == 0 ? "no limit" : bytes(value); }
std::string seconds_or_none(std::uint64_t value) { return value == 0 ? "no limit" : std::to_string(value) + " s"; }

std::string limits_in_words(const PolicyReport& report) {
    const CommandLimits& command = report.cage.profile.limits;
    const SegmentLimits& segment = report.cage.limits;
    return listed({"time " + seconds_or_none(command.seconds), "processor time " + seconds_or_none(command.cpu_seconds),
                   "memory " + bytes_or_none(command.memory_bytes),
                   command.swap_bytes == 0 ? "no swap" : "swap " + bytes(command.swap_bytes),
                   "processes " + std::to_string(command.processes), "open files " + std::to_string(command.open_files),
                   "output " + bytes_or_none(command.output_bytes),
                   "largest file " + bytes_or_none(command.file_bytes)}) +
           heading("all commands of the segment together") +
           listed({"memory " + bytes_or_none(segment.memory_bytes),
                   "processes " + std::to_string(segment.processes) + " *",
                   "processors " +
                       (segment.cpu_percent == 0 ? "no limit" : std::to_string(segment.cpu_percent) + " %") + " *",
                   "each private folder " + bytes(segment.tmp_bytes)}) +
           "  * held where a cgroup v2 subtree is delegated\n";
}

std::string layers_in_words(const PolicyReport& report) {
    std::string namespaces;
    for (const auto& name : report.namespaces) namespaces += (namespaces.empty() ? "" : ", ") + name;
    std::string out = "  namespaces of its own: " + namespaces +
                      "\n  a root of its own: " + std::to_string(report.cage.root.mounts.size()) +
                      " mounts, listed by --json\n";
    out += report.landlock_abi == 0 ? "  Landlock: this kernel has none (confinement.allow_degraded)\n"
                                    : "  Landlock ABI " + std::to_string(report.landlock_abi) + ": " +
                                          std::to_string(report.cage.landlock.rules.size()) + " rules\n";
    out += "  seccomp: what is known and harmless is allowed, the dangerous gets EPERM, the unknown ENOSYS (" +
           std::to_string(report.filter_instructions) + " instructions)\n";
    return out + "  no capability, no_new_privs, resource limits\n";
}

std::vector<std::string> environment_of(const PolicyReport& report) {
    auto all = report.cage.environment;
    for (const auto& name : report.cage.profile.environment) all.push_back(name + " (the daemon's)");
    return all;
}

std::string head(const PolicyReport& report) {
    return "segment  " + report.segment.name + "  " + report.segment.path + "\nprofile  " + report.cage.profile.name +
           '\n';
}

std::string other_profiles(const PolicyReport& report) {
    std::vector<std::string> others;
    std::ranges::copy_if(report.profiles, std::back_inserter(others),
                         [&](const auto& name) { return name != report.cage.profile.name; });
    return heading("--profile shows what a command has that asks for another one") + listed(others);
}

std::string ruling(const char* verb, const Ruling& ruling) {
    return std::string("  ") + verb + (ruling.allowed ? "yes  " : "no   ") + escape_controls(ruling.rule) + '\n';
}

}  // namespace

std::string in_words(const PolicyReport& report) {
    const CageView& cage = report.cage;
    std::string out = head(report);
    out += heading("reads") + listed(paths_with(report, &Place::read));
    out += heading("writes") + listed(paths_with(report, &Place::write));
    out += heading("executes programs in") + listed(paths_with(report, &Place::execute));
    out += heading("reaches") + "  no network, " +
           (cage.root.loopback ? "but a loopback of the cage's own" : "no loopback") +
           "; no process, socket or session of the host\n";
    out += heading("does not see, wherever it lies (confinement.secrets; '!' stays visible)") +
           listed(cage.guards.secrets);
    if (!cage.profile.hidden.empty()) out += heading("does not see (profile)") + listed(cage.profile.hidden);
    out += heading("may not change, wherever it lies (confinement.protect)") + listed(cage.guards.protect);
    out += heading("hooks and configuration of git and jj repositories (confinement.protect_repositories)") +
           (cage.guards.git ? "  may be read, not changed\n" : "  may be changed\n");
    out += heading("limits of a command") + limits_in_words(report);
    out += heading("environment") + listed(environment_of(report));
    out += heading("layers") + layers_in_words(report);
    return out + other_profiles(report);
}

std::string in_words(const PolicyReport& report, const Explanation& answer) {
    std::string out = escape_controls(answer.path);
    if (answer.exists == false && answer.read.by != DecidedBy::kRoot) out += "  (nothing is there now)";
    out += '\n';
    for (const auto& link : answer.links) out += "  by the link " + escape_controls(link) + '\n';
    out += "  in segment " + report.segment.name + ", profile " + report.cage.profile.name + '\n';
    out += ruling("read     ", answer.read) + ruling("write    ", answer.write) + ruling("execute  ", answer.execute);
    return answer.note.empty() ? out : out + "  " + escape_controls(answer.note) + '\n';
}

}  // namespace toren::cli
