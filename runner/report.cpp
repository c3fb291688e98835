// PROCESS    the runner (run.cpp), after the cage has ended
// PRIVILEGE  the operator's
#include "runner/report.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>

#include "base/child_process.h"
#include "base/log.h"
#include "base/unique_fd.h"
#include "base/utf8.h"
#include "policy/canonical.h"
#include "policy/segment_names.h"
#include "runner/run.h"

namespace toren::runner {
namespace {

struct LimitText {
    EndedBy by;
    const char* name;
    const char* option;
    LimitOption Options::*given;
};

constexpr LimitText kLimits[] = {
    {EndedBy::kTime, "time", "--timeout", &Options::milliseconds},
    {EndedBy::kCpu, "CPU time", "--cpu", &Options::cpu_seconds},
    {EndedBy::kMemory, "memory", "--memory", &Options::memory},
    {EndedBy::kOutput, "output", "--output", &Options::output},
    {EndedBy::kFileSize, "file size", "", nullptr},
};

// "time limit (--timeout 5)"
std::string limit_text(EndedBy by, const Options& options, const Request& request) {
    for (const auto& limit : kLimits) {
        if (limit.by != by) continue;
        const std::string text = std::string(limit.name) + " limit (";
        if (limit.given != nullptr && (options.*limit.given).value != 0)
            return text + limit.option + " " + (options.*limit.given).text + ")";
        return text + "of the profile '" + request.profile.name + "')";
    }
    return {};
}

std::string failure_text(const StartFailure& failure, const Request& request) {
    const std::string why = std::string(": ") + std::strerror(failure.code);
    switch (failure.step) {
        case StartStep::kFolder: return "folder '" + request.folder + "/" + request.beneath + "'" + why;
        case StartStep::kExecute: return "execute '" + request.command.front() + "'" + why;
        default: return "confine the command" + why;
    }
}

int status_of(const Outcome& outcome) {
    const Ended& ended = outcome.ended;
    if (ended.failure.step == StartStep::kExecute) return ended.failure.code == ENOENT ? kNotFound : kNotExecutable;
    if (ended.failure.step != StartStep::kNone) return kFailed;
    if (ended.by == EndedBy::kTime) return kTimedOut;
    if (outcome.abandoned != 0) return 128 + outcome.abandoned;
    return ended.signal != 0 ? 128 + ended.signal : ended.code;
}

std::string json_escaped(std::string_view text) {
    std::string out;
    while (!text.empty()) {
        std::size_t bad = 0;
        const std::size_t good = utf8_sequence(text, bad);
        const std::string_view part = text.substr(0, good == 0 ? bad : good);
        text.remove_prefix(part.size());
        const auto byte = static_cast<unsigned char>(part[0]);
        if (good == 0) out += "\xef\xbf\xbd";
        else if (byte == '"' || byte == '\\') (out += '\\') += part;
        else if (byte < 0x20) {
            char code[8];
            std::snprintf(code, sizeof code, "\\u%04x", byte);
            out += code;
        } else out += part;
    }
    return out;
}

// "1.204 s"
std::string seconds(std::uint64_t microseconds) {
    char text[32];
    std::snprintf(text, sizeof text, "%.3f s", static_cast<double>(microseconds) / 1e6);
    return text;
}

std::string mebibytes(std::uint64_t bytes) {
    char text[32];
    std::snprintf(text, sizeof text, "%.1f MiB", static_cast<double>(bytes) / (1 << 20));
    return text;
}

std::string for_people(const Outcome& outcome, const std::string& limit) {
    const Ended& ended = outcome.ended;
    std::string refusals;
    for (const auto& refusal : outcome.refusals)
        refusals += "toren run: " + escape_controls(refusal_line(refusal)) + "\n";
    std::string text = "toren run: " + describe({ended.code, ended.signal});
    if (!limit.empty()) text += ", by the " + limit;
    return text + "; " + seconds(outcome.wall_microseconds) + ", CPU " + seconds(ended.cpu_microseconds) +
           ", largest process " + mebibytes(ended.peak_bytes) + "\n" + refusals;
}

std::string for_programs(const Outcome& outcome, int status, const std::string& limit) {
    const Ended& ended = outcome.ended;
    // A limit's text holds only what the operator wrote as a number, or a profile's name; both are escaped all the
    // same.
    return "{\"event\":\"ended\",\"status\":" + std::to_string(status) + ",\"code\":" + std::to_string(ended.code) +
           ",\"signal\":" + std::to_string(ended.signal) + ",\"limit\":\"" + json_escaped(limit) +
           "\",\"wall_microseconds\":" + std::to_string(outcome.wall_microseconds) +
           ",\"cpu_microseconds\":" + std::to_string(ended.cpu_microseconds) +
           ",\"peak_bytes\":" + std::to_string(ended.peak_bytes) + "}\n";
}

std::string refusals_for_programs(const Outcome& outcome) {
    static constexpr const char* kNames[] = {"read", "write", "call", "network"};
    std::string text;
    for (const auto& refusal : outcome.refusals)
        text += std::string("{\"event\":\"refused\",\"what\":\"") + kNames[static_cast<int>(refusal.kind)] +
                "\",\"text\":\"" + json_escaped(refusal.text) + "\"}\n";
    return text;
}

bool shown_in_cage(const std::string& path, const Request& request) {
    const auto holds = [&](const std::string& folder) { return is_within(path, folder); };
    return holds(request.segment) || std::ranges::any_of(request.profile.writable, holds) ||
           std::ranges::any_of(request.profile.read_only, holds);
}

// Where the report goes, without a link on the way. Nothing confines this process: a link that a command has put where
// it may write would make it write over any file of the operator's, with text that the command chose.
Result<std::string> report_place(const Options& options, const Request& request) {
    const std::string& file = options.report_file;
    const std::string whole = file.starts_with('/') ? file : options.here + '/' + file;
    auto place = canonicalize(whole);
    if (!place) {  // not there yet, or /dev/stderr, whose link leads to no path
        const auto slash = whole.rfind('/');
        place = canonicalize(slash == 0 ? "/" : whole.substr(0, slash));
        if (!place) return Error{place.error().code, "--report: " + place.error().what};
        place->path += (place->path == "/" ? "" : "/") + whole.substr(slash + 1);
    }
    for (const auto& link : place->links)
        if (shown_in_cage(link, request))
            return error("--report '" + file + "': refused: what runs in the cage can move the symbolic link '" + link +
                         "'");
    return std::move(place->path);
}

Result<UniqueFd> open_report(const std::string& path, bool in_cage) {
    open_how how{};
    how.flags = O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY;
    if (in_cage) how.flags |= O_NONBLOCK;  // a FIFO
    how.mode = 0644;
    how.resolve = in_cage ? RESOLVE_NO_SYMLINKS : 0;
    UniqueFd out(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how)));
    struct stat about {};
    if (!out || ::fstat(out.get(), &about) != 0) return errno_error("--report: open '" + path + "'");
    if (in_cage && !S_ISREG(about.st_mode)) return error("--report: '" + path + "' is no file");
    return out;
}

Result<> write_report(const Options& options, const Request& request, const std::string& text) {
    TRY_ASSIGN(const auto path, report_place(options, request));
    TRY_ASSIGN(const auto out, open_report(path, shown_in_cage(path, request)));
    if (::write(out.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()))
        return errno_error("--report: write '" + path + "'");
    return Ok{};
}

}  // namespace

void complain(const std::string& text) {
    const std::string line = "toren run: " + escape_controls(text) + "\n";
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, line.data(), line.size());
}

Result<> check_report(const Options& options, const Request& request) {
    if (options.report_file.empty()) return Ok{};
    TRY(report_place(options, request));
    return Ok{};
}

Result<int> conclude(const Options& options, const Request& request, const Outcome& outcome) {
    const int status = status_of(outcome);
    const std::string limit = limit_text(outcome.ended.by, options, request);
    if (outcome.ended.failure.step != StartStep::kNone) complain(failure_text(outcome.ended.failure, request));
    if (!limit.empty()) complain("ended by the " + limit);
    if (!options.report && !options.learn) return status;
    if (!options.report_file.empty()) {
        TRY(write_report(options, request, refusals_for_programs(outcome) + for_programs(outcome, status, limit)));
    }
    std::string text;
    if (options.report_file.empty()) text = for_people(outcome, limit);
    if (options.learn) text += proposed_profile(outcome.refusals, request);
    [[maybe_unused]] const auto written = ::write(STDERR_FILENO, text.data(), text.size());
    return status;
}

}  // namespace toren::runner
