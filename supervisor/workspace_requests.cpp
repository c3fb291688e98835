// The supervisor's part that makes and removes the folders of workspaces, on the broker's word.
#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>

#include "base/log.h"
#include "policy/landlock.h"
#include "policy/privileges.h"
#include "policy/workspaces.h"
#include "supervisor/supervisor.h"

namespace toren::supervisor {
namespace {

constexpr unsigned kLongestRemoval = 900;         // seconds
constexpr std::chrono::seconds kRemovalGrace{3};  // for a cell that ends since its workspace is removed

// In a child: it may write where the workspaces of this segment and the repository's entries are, and nowhere else.
[[noreturn]] void remove_and_exit(const std::string& root, const Segment& segment, const std::string& name,
                                  bool landlock) {
    const auto remove = [&]() -> Result<> {
        if (::syscall(SYS_close_range, 3U, ~0U, 0U) != 0) return errno_error("close_range");
        TRY(set_no_new_privileges());
        ::alarm(kLongestRemoval);  // somebody may fill the repository's part as fast as it is emptied
        if (landlock) {
            TRY_ASSIGN(const auto ruleset,
                       make_ruleset({.rules = {{"/", Access::kRead},
                                               {root + '/' + segment.name, Access::kReadWrite, true},
                                               {segment.path + "/.git", Access::kReadWrite, true}}}));
            TRY(restrict_to_ruleset(ruleset.get()));
        }
        return toren::remove_workspace(root, segment, name);
    };
    const auto removed = remove();
    if (!removed) log_error(removed.error().text());
    ::_exit(removed ? 0 : std::clamp(removed.error().code, 1, 255));
}

}  // namespace

const Segment* find_exactly(const SegmentSet& set, std::string_view name) {
    for (const auto& segment : set.segments)
        if (segment.name == name) return &segment;
    return nullptr;
}

const Segment* Supervisor::named_segment(const std::string& name) {
    const Segment* segment = settings_.workspace_root.empty() ? nullptr : find_exactly(segments_, name);
    if (segment == nullptr) end_broker("workspaces of a segment that has none: " + name);
    return segment;
}

const Segment* Supervisor::named_workspace(const std::string& segment, const std::string& name) {
    if (is_workspace_name(name)) return named_segment(segment);
    end_broker("a workspace's name that is not allowed");
    return nullptr;
}

void Supervisor::list_workspaces(const ipc::Packet& packet) {
    const auto request = packet.as<ipc::ListWorkspaces>();
    if (!request) return end_broker("a malformed ListWorkspaces");
    const auto* segment = named_segment(request->segment);
    if (segment == nullptr) return;
    constexpr std::size_t kBatch = 20;  // each at most a path and a name
    ipc::WorkspaceList answer;
    auto found = toren::list_workspaces(settings_.workspace_root, *segment);
    if (!found) {
        answer.code = found.error().code == 0 ? EINVAL : found.error().code;
        answer.error = found.error().text();
        return tell_broker(answer);
    }
    for (std::size_t i = 0; i < found->size(); ++i) {
        const auto& folder = (*found)[i];
        answer.workspaces.push_back({folder.name, folder.path, folder.empty, folder.entry, folder.plain});
        if (answer.workspaces.size() < kBatch || i + 1 == found->size()) continue;
        answer.last = false;
        tell_broker(answer);
        answer.workspaces.clear();
    }
    answer.last = true;
    tell_broker(answer);
}

void Supervisor::create_workspace(const ipc::Packet& packet) {
    const auto request = packet.as<ipc::CreateWorkspace>();
    if (!request) return end_broker("a malformed CreateWorkspace");
    const auto* segment = named_workspace(request->segment, request->name);
    if (segment == nullptr) return;
    ipc::WorkspaceCreated answer;
    auto made = create_workspace_folder(settings_.workspace_root, *segment, request->name);
    if (made) {
        answer.path = std::move(*made);
        audit_.record("workspace-created", answer.path);
    } else {
        answer.code = made.error().code == 0 ? EINVAL : made.error().code;
        answer.error = made.error().text();
    }
    tell_broker(answer);
}

void Supervisor::remove_workspace(const ipc::Packet& packet) {
    const auto request = packet.as<ipc::RemoveWorkspace>();
    if (!request) return end_broker("a malformed RemoveWorkspace");
    const auto* segment = named_workspace(request->segment, request->name);
    if (segment == nullptr) return;
    const auto address = workspace_address(segment->name, request->name);
    audit_.record("workspace-removed", address);
    removals_.try_emplace(address, Removal{*segment, request->name, Clock::now() + kRemovalGrace});
    // Its guards take away what they held in the repository.
    if (const auto cell = cells_.find(address); cell != cells_.end()) cell->second.caged.channel.close();
    continue_removals();
}

void Supervisor::continue_removals() {
    std::vector<std::string> addresses;
    for (const auto& [address, removal] : removals_) addresses.push_back(address);
    for (const auto& address : addresses) {
        auto& removal = removals_.at(address);
        if (const auto cell = cells_.find(address); cell != cells_.end()) {
            if (Clock::now() > removal.until) cell->second.caged.process.kill(SIGKILL);
            cell_ended(address, cell->second);
            if (cells_.contains(address)) continue;
        }
        if (!removal.child.running()) {
            auto child = ChildProcess::fork();
            if (!child) {
                removal_ended(address, child.error().text(), child.error().code);
                continue;
            }
            if (!*child) remove_and_exit(settings_.workspace_root, removal.segment, removal.name, settings_.landlock);
            removal.child = std::move(**child);
            continue;
        }
        const auto status = removal.child.try_wait();
        if (!status) continue;
        const int code = status->signal != 0 ? EINTR : status->code;
        removal_ended(address, code == 0 ? "" : std::string("remove '") + address + "': " + std::strerror(code), code);
    }
}

void Supervisor::removal_ended(const std::string& address, const std::string& failure, int code) {
    const auto ended = removals_.extract(address);
    tell_broker(ipc::WorkspaceRemoved{ended.mapped().segment.name, ended.mapped().name, code, failure});
}

}  // namespace toren::supervisor
