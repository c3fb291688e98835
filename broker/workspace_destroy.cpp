// Removing a workspace: asked first whether anything would be lost, then its processes, its cell, its folder, its
// branch, and the row last, so that whatever cuts it short can be asked for again.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/workspace_changes.h"
#include "broker/workspace_git.h"

namespace toren::broker {

using nlohmann::json;

namespace {

// How many commits of `revision` no branch but `branch` has.
Task<Outcome<std::uint64_t>> only_here(Broker& broker, std::string place, std::string revision, std::string branch) {
    std::vector<std::string> arguments = {"rev-list", "--count", std::move(revision), "--not"};
    if (!branch.empty()) arguments.push_back("--exclude=" + branch);
    arguments.insert(arguments.end(), {"--branches", "--remotes", "--tags"});
    auto counted = co_await git_text(broker, std::move(place), std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&counted)) co_return std::move(*refused);
    const std::string& text = std::get<std::string>(counted);
    if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos)
        co_return problem("vcs_failed", "git rev-list answered with something else than a number");
    co_return std::stoull(text);
}

Task<Outcome<Done>> refuse_to_interrupt(Broker& broker, Workspace workspace) {
    const std::string place = place_of(workspace);
    co_await broker.processes.know(place);
    const auto cell = broker.cells.find(place);
    if (!cell || cell->running_commands() == 0) co_return Done{};
    Problem refused = problem("running", "commands run in the workspace '" + workspace.name + "'");
    json ids = json::array();
    for (const auto& process : broker.processes.of_segment(place))
        if (process->running()) ids.push_back(process->about().id);
    refused.further = {{"processes", std::move(ids)}};
    co_return refused;
}

Task<Outcome<Done>> refuse_to_lose(Broker& broker, Workspace workspace) {
    std::optional<ipc::WorkspaceEntry> on_disk;
    const auto listed = co_await broker.supervisor->list_workspaces(workspace.segment);
    if (listed.code != 0) co_return problem("internal", listed.error);
    for (const auto& folder : listed.workspaces)
        if (folder.name == workspace.name) on_disk = folder;
    if (!on_disk || on_disk->empty) co_return Done{};
    if (on_disk->entry.empty())
        co_return problem("workspace_degraded",
                          "the repository no longer knows the workspace, so nobody can say whether its files would be "
                          "lost; force removes them");
    const std::string place = place_of(workspace);
    auto state = co_await worktree_state(broker, place);
    if (auto* refused = std::get_if<Problem>(&state)) co_return std::move(*refused);
    const auto& at = std::get<WorktreeState>(state);
    std::uint64_t commits = 0;
    if (!at.head.empty()) {
        auto counted = co_await only_here(broker, place, at.head, workspace.branch);
        if (auto* refused = std::get_if<Problem>(&counted)) co_return std::move(*refused);
        commits = std::get<std::uint64_t>(counted);
    }
    if (at.changes() == 0 && commits == 0) co_return Done{};
    Problem refused = problem("uncommitted", std::to_string(at.changes()) + " changes are not committed, and " +
                                                 std::to_string(commits) + " commits are in no other branch");
    refused.further = {{"changes", at.changes()}, {"commits", commits}};
    co_return refused;
}

// True where it is gone.
Task<Outcome<bool>> delete_branch(Broker& broker, Workspace workspace, std::optional<bool> wanted) {
    if (workspace.branch.empty() || (wanted && !*wanted)) co_return false;
    const std::string name = "refs/heads/" + workspace.branch;
    std::vector<std::string> asking = {"for-each-ref", "--format=%(objectname) %(worktreepath)", name};
    auto told = co_await git_text(broker, workspace.segment, std::move(asking));
    if (auto* refused = std::get_if<Problem>(&told)) co_return std::move(*refused);
    const std::string& line = std::get<std::string>(told);
    const auto space = line.find(' ');
    // It is gone already, a pattern that others fit as well, or somebody has it checked out.
    if (line.find('\n') != line.npos || space == line.npos || space + 1 != line.size()) co_return false;
    const std::string tip = line.substr(0, space);
    if (!wanted) {
        auto counted = co_await only_here(broker, workspace.segment, tip, workspace.branch);
        if (auto* refused = std::get_if<Problem>(&counted)) co_return std::move(*refused);
        if (std::get<std::uint64_t>(counted) != 0) co_return false;
    }
    std::vector<std::string> deleting = {"update-ref", "-d", name, tip};
    auto deleted = co_await git_text(broker, workspace.segment, std::move(deleting));
    if (auto* refused = std::get_if<Problem>(&deleted)) co_return std::move(*refused);
    co_return true;
}

}  // namespace

Task<Outcome<json>> destroy_workspace(Broker& broker, Workspace workspace, Destruction how) {
    const std::string place = place_of(workspace);
    const Workspaces::Claim claim(broker.workspaces, place);
    if (!claim.held()) co_return problem("busy", "the workspace '" + workspace.name + "' is being made or removed");
    if (!workspace.ready) {
        auto undone = co_await roll_back(broker, workspace);
        if (auto* refused = std::get_if<Problem>(&undone)) co_return std::move(*refused);
        co_return json{{"destroyed", workspace.name}, {"branch_deleted", true}};
    }
    if (!how.force) {
        auto idle = co_await refuse_to_interrupt(broker, workspace);
        if (auto* refused = std::get_if<Problem>(&idle)) co_return std::move(*refused);
        auto kept = co_await refuse_to_lose(broker, workspace);
        if (auto* refused = std::get_if<Problem>(&kept)) co_return std::move(*refused);
        // A command may have been started while git looked.
        auto still = co_await refuse_to_interrupt(broker, workspace);
        if (auto* refused = std::get_if<Problem>(&still)) co_return std::move(*refused);
    }
    for (const auto& process : broker.processes.of_segment(place)) broker.processes.remove(process);
    const auto removed = co_await broker.supervisor->remove_workspace(workspace.segment, workspace.name);
    if (removed.code != 0) co_return problem("internal", removed.error);
    broker.cells.end(place);
    auto deleted = co_await delete_branch(broker, workspace, how.delete_branch);
    if (auto* refused = std::get_if<Problem>(&deleted)) co_return std::move(*refused);
    if (auto forgotten = broker.workspaces.forget(workspace); !forgotten)
        co_return problem("internal", forgotten.error().text());
    co_return json{{"destroyed", workspace.name}, {"branch_deleted", std::get<bool>(deleted)}};
}

}  // namespace toren::broker
