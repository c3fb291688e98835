// PROCESS    the runner (run.cpp), after the cage has ended
// PRIVILEGE  the operator's: it asks whether a name exists, and opens nothing
#include "runner/refused.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <set>

#include "base/log.h"
#include "base/unique_fd.h"
#include "policy/roles.h"
#include "policy/segment_names.h"
#include "runner/violation_trace.h"

namespace toren::runner {
namespace {

// The cage's own, and what the whole system shows: a name that is missing there is missing for another reason.
const char* const kOwnPlaces[] = {"/proc", "/sys", "/dev", "/run", "/usr", kCellHome};

bool of_the_cage(const std::string& path, const Request& request) {
    const auto holds = [&](const std::string& folder) { return is_within(path, folder); };
    return std::ranges::any_of(kOwnPlaces, holds) || holds(request.segment) ||
           std::ranges::any_of(request.profile.read_only, holds) ||
           std::ranges::any_of(request.profile.writable, holds);
}

bool exists_here(const std::string& path) {
    open_how how{};
    how.flags = O_PATH | O_CLOEXEC;
    how.resolve = RESOLVE_NO_SYMLINKS;
    return static_cast<bool>(
        UniqueFd(static_cast<int>(::syscall(SYS_openat2, AT_FDCWD, path.c_str(), &how, sizeof how))));
}

std::string folder_of(const std::string& path) {
    const auto slash = path.rfind('/');
    return slash == 0 || slash == path.npos ? "/" : path.substr(0, slash);
}

std::string toml_list(const std::set<std::string>& paths) {
    std::string text;
    for (const auto& path : paths) text += (text.empty() ? "\"" : ", \"") + escape_controls(path) + "\"";
    return "[" + text + "]";
}

}  // namespace

std::vector<Refusal> judge_refusals(const std::vector<std::string>& seen, const Request& request) {
    std::vector<Refusal> refusals;
    const auto add = [&](Refusal::Kind kind, const std::string& text) {
        if (std::ranges::none_of(refusals, [&](const auto& old) { return old.kind == kind && old.text == text; }))
            refusals.push_back({kind, text});
    };
    for (const auto& line : seen) {
        if (line.size() < 2) continue;
        const std::string text = line.substr(1);
        switch (static_cast<Wanted>(line[0])) {
            case Wanted::kRead: add(Refusal::Kind::kRead, text); break;
            case Wanted::kWrite: add(Refusal::Kind::kWrite, text); break;
            case Wanted::kMissing:
                if (!of_the_cage(text, request) && exists_here(text)) add(Refusal::Kind::kRead, text);
                break;
            case Wanted::kMissingToWrite:
                if (!of_the_cage(text, request) && folder_of(text) != "/" && exists_here(folder_of(text)))
                    add(Refusal::Kind::kWrite, text);
                break;
            case Wanted::kCall: add(Refusal::Kind::kCall, text); break;
            case Wanted::kNetwork: add(Refusal::Kind::kNetwork, text); break;
        }
    }
    return refusals;
}

std::string refusal_line(const Refusal& refusal) {
    static constexpr const char* kWords[] = {"read ", "write ", "call ", "connect to "};
    return std::string("refused: ") + kWords[static_cast<int>(refusal.kind)] + refusal.text;
}

std::string proposed_profile(const std::vector<Refusal>& refusals, const Request& request) {
    std::set<std::string> read_only, writable;
    std::string remarks;
    bool segment_is_written = false;
    const auto remark = [&](const std::string& text) { remarks += "# " + escape_controls(text) + "\n"; };
    // What Toren refuses to show or to have written, whoever asks.
    const auto propose = [&](std::set<std::string>& paths, const std::string& path, const std::string& why) {
        if (why.empty()) paths.insert(path);
        else remark("No profile permits this: '" + path + "' " + why);
    };
    for (const auto& refusal : refusals) {
        const std::string& path = refusal.text;
        if (refusal.kind == Refusal::Kind::kCall || refusal.kind == Refusal::Kind::kNetwork) {
            remark("No profile permits this: " + refusal_line(refusal));
        } else if (is_within(path, request.segment)) {
            segment_is_written |= refusal.kind == Refusal::Kind::kWrite;
        } else if (refusal.kind == Refusal::Kind::kWrite) {
            const std::string place = exists_here(path) ? path : folder_of(path);
            propose(writable, place, refusal_of_place(place, request.own, Use::kWrite));
        } else {
            propose(read_only, path, refusal_of_place(path, request.own, Use::kRead));
        }
    }
    std::erase_if(read_only, [&](const auto& path) {
        return std::ranges::any_of(writable, [&](const auto& folder) { return is_within(path, folder); });
    });
    if (segment_is_written && !request.profile.writes)
        remark("It wants to write '" + request.segment + "': --rw, or the profile workspace-write.");
    if (read_only.empty() && writable.empty()) return remarks;
    std::string text = "[profiles.learned]\n";
    if (!read_only.empty()) text += "read_only = " + toml_list(read_only) + "\n";
    if (!writable.empty()) text += "writable = " + toml_list(writable) + "\n";
    return text + remarks;
}

}  // namespace toren::runner
