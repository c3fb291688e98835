// What is told of a workspace: git is asked in its own cell.
#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>

#include "broker/workspace_changes.h"
#include "broker/workspace_git.h"

namespace toren::broker {

using nlohmann::json;

namespace {

std::string degraded_by(const std::optional<ipc::WorkspaceEntry>& on_disk) {
    if (!on_disk) return "its folder is gone";
    if (on_disk->empty) return "its folder is empty";
    if (on_disk->entry.empty()) return "the repository no longer knows it";
    return {};
}

json null_or(const std::string& text) { return text.empty() ? json(nullptr) : json(text); }

// How many commits each side has that the other has not.
Task<Outcome<Done>> compare(Broker& broker, const Workspace& workspace, json& told) {
    std::string base = workspace.base_commit;
    std::vector<std::string> arguments = {"rev-parse", "--verify", "--quiet", "refs/heads/" + workspace.base_branch};
    std::string place = place_of(workspace);
    if (!workspace.base_branch.empty()) {
        auto tip = co_await git_text(broker, place, std::move(arguments));
        if (auto* commit = std::get_if<std::string>(&tip)) base = std::move(*commit);
    }
    std::vector<std::string> counting = {"rev-list", "--left-right", "--count", base + "...HEAD"};
    auto counted = co_await git_text(broker, place, std::move(counting));
    if (auto* refused = std::get_if<Problem>(&counted)) co_return std::move(*refused);
    unsigned long long behind = 0, ahead = 0;
    if (std::sscanf(std::get<std::string>(counted).c_str(), "%llu %llu", &behind, &ahead) != 2)
        co_return problem("vcs_failed", "git rev-list answered with something else than two numbers");
    told["ahead"] = ahead;
    told["behind"] = behind;
    co_return Done{};
}

}  // namespace

Task<json> describe_workspace(Broker& broker, Workspace workspace, std::optional<ipc::WorkspaceEntry> on_disk) {
    const std::string place = place_of(workspace);
    json told = {{"name", workspace.name},
                 {"segment", place},
                 {"path", broker.workspaces.path(workspace.segment, workspace.name)},
                 {"state", "ready"},
                 {"branch", null_or(workspace.branch)},
                 {"base", {{"branch", null_or(workspace.base_branch)}, {"commit", null_or(workspace.base_commit)}}},
                 {"created_ns", std::to_string(workspace.created_at) + "000000000"},
                 {"ancillaries", json::array()}};
    for (const auto& [where, ancillary] : broker.ancillaries.by_segment())
        if (where == place) told["ancillaries"].push_back(ancillary.id);
    co_await broker.processes.know(place);
    // Before git is run there.
    const auto cell = broker.cells.find(place);
    told["processes"] = cell ? cell->running_commands() : 0;
    if (!workspace.ready) {
        told["state"] = broker.workspaces.is_claimed(place) ? "making" : "degraded";
        if (told["state"] == "degraded") told["reason"] = "it was never finished; making it again takes its place";
        co_return told;
    }
    std::string reason = degraded_by(on_disk);
    if (reason.empty()) {
        auto state = co_await worktree_state(broker, place);
        if (const auto* at = std::get_if<WorktreeState>(&state)) {
            told["head"] = null_or(at->head);
            told["branch"] = null_or(at->branch);
            told["changes"] = {{"staged", at->staged},
                               {"modified", at->modified},
                               {"untracked", at->untracked},
                               {"conflicted", at->conflicted}};
            auto compared = co_await compare(broker, workspace, told);
            if (const auto* failed = std::get_if<Problem>(&compared)) reason = failed->detail;
        } else {
            reason = std::get<Problem>(state).detail;
        }
    }
    if (!reason.empty()) {
        told["state"] = "degraded";
        told["reason"] = reason;
    }
    co_return told;
}

Task<json> describe_workspace(Broker& broker, Workspace workspace) {
    std::optional<ipc::WorkspaceEntry> on_disk;
    const auto listed = co_await broker.supervisor->list_workspaces(workspace.segment);
    for (const auto& folder : listed.workspaces)
        if (folder.name == workspace.name) on_disk = folder;
    co_return co_await describe_workspace(broker, std::move(workspace), std::move(on_disk));
}

}  // namespace toren::broker
