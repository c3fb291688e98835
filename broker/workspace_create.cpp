// Making a workspace: the row first, which keeps its name, then the folder, then what git puts into it; what is cut
// short by this broker's end is taken back by the next one who names it.
#include <algorithm>
#include <ctime>
#include <nlohmann/json.hpp>
#include <set>

#include "base/log.h"
#include "broker/workspace_changes.h"
#include "broker/workspace_git.h"

namespace toren::broker {
namespace {

constexpr unsigned kMostWorkspaces = 1000;  // of one segment

Problem of_supervisor(int code, std::string text) {
    if (code == EEXIST) return problem("exists", std::move(text));
    if (code == ENOENT || code == ENOTDIR) return problem("not_a_repository", std::move(text));
    if (code == EOPNOTSUPP) return problem("unsupported_repository", std::move(text));
    if (code == ENOSPC || code == EDQUOT) return problem("no_space", std::move(text));
    return problem("internal", std::move(text));
}

struct Base {
    std::string commit;
    std::string branch;  // empty: none
};

// The branch that is checked out there; empty where none is.
Task<Outcome<std::string>> branch_at(Broker& broker, std::string place) {
    std::vector<std::string> arguments = {"symbolic-ref", "--quiet", "--short", "HEAD"};
    auto ran = co_await git(broker, std::move(place), std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded()) co_return std::string();
    co_return output.out.substr(0, output.out.find('\n'));
}

Task<Outcome<bool>> is_branch(Broker& broker, std::string place, std::string name) {
    std::vector<std::string> arguments = {"show-ref", "--verify", "--quiet", "refs/heads/" + name};
    auto ran = co_await git(broker, std::move(place), std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    co_return std::get<CagedOutput>(ran).succeeded();
}

Task<Outcome<Base>> find_base(Broker& broker, std::string segment, std::string from) {
    Base base;
    std::string place = segment, revision = from.empty() ? "HEAD" : from;
    if (from.starts_with('@') && from.size() > 1 && from[1] != '{') {
        auto other = find_workspace(broker, segment, from.substr(1));
        if (auto* refused = std::get_if<Problem>(&other)) co_return std::move(*refused);
        place = place_of(std::get<Workspace>(other));
        revision = "HEAD";
    }
    auto commit = co_await find_commit(broker, place, revision);
    if (auto* refused = std::get_if<Problem>(&commit)) co_return std::move(*refused);
    base.commit = std::get<std::string>(std::move(commit));
    if (revision == "HEAD") {
        auto branch = co_await branch_at(broker, place);
        if (auto* refused = std::get_if<Problem>(&branch)) co_return std::move(*refused);
        base.branch = std::get<std::string>(std::move(branch));
        co_return base;
    }
    auto named = co_await is_branch(broker, place, revision);
    if (auto* refused = std::get_if<Problem>(&named)) co_return std::move(*refused);
    if (std::get<bool>(named)) base.branch = revision;
    co_return base;
}

// A branch that nobody has: as asked, or after the workspace's name.
Task<Outcome<std::string>> free_branch(Broker& broker, std::string segment, std::string name, std::string asked) {
    if (!asked.empty() && !is_revision(asked))
        co_return problem("invalid_field", "branch: no branch can be called that");
    const std::string first = asked.empty() ? default_branch(name) : asked;
    std::vector<std::string> arguments = {"check-ref-format", "--branch", first};
    auto checked = co_await git(broker, segment, std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&checked)) co_return std::move(*refused);
    if (!std::get<CagedOutput>(checked).succeeded())
        co_return problem("invalid_field", "branch: no branch can be called '" + first + "'");
    for (unsigned number = 1; number <= kMostWorkspaces; ++number) {
        const std::string branch = number == 1 ? first : first + '-' + std::to_string(number);
        auto taken = co_await is_branch(broker, segment, branch);
        if (auto* refused = std::get_if<Problem>(&taken)) co_return std::move(*refused);
        if (!std::get<bool>(taken)) co_return branch;
        if (!asked.empty()) break;
    }
    co_return problem("exists", "there is a branch '" + first + "'");
}

// One that neither the store nor a folder has.
std::string free_name(Broker& broker, const std::string& segment, const std::set<std::string>& folders) {
    std::set<std::string> taken = folders;
    for (const auto& workspace : broker.workspaces.of_segment(segment)) taken.insert(workspace.name);
    for (unsigned number = 1; number <= kMostWorkspaces; ++number) {
        const auto name = workspace_name(number);
        if (!taken.contains(name) && !broker.workspaces.is_claimed(workspace_address(segment, name))) return name;
    }
    return {};
}

// What stands at the name: nothing, what a dead broker left and is taken back here, or somebody's.
Task<Outcome<Done>> clear_name(Broker& broker, std::string segment, std::string name) {
    const auto old = broker.workspaces.find(segment, name);
    if (!old) co_return Done{};
    if (old->ready) co_return problem("exists", "there is a workspace '" + name + "'");
    Workspace left = *old;
    co_return co_await roll_back(broker, std::move(left));
}

// Until nobody who works beside it can change what git believes of the new worktree; and nobody has before.
Task<Outcome<Done>> hold(Broker& broker, std::string segment, std::string name, bool fresh) {
    std::vector<std::string> beside = {segment};
    for (const auto& other : broker.workspaces.of_segment(segment))
        if (other.name != name) beside.push_back(place_of(other));
    std::string entry;
    for (const bool again : {false, true}) {
        auto listed = co_await broker.supervisor->list_workspaces(segment);
        const auto folder = std::ranges::find(listed.workspaces, name, &ipc::WorkspaceEntry::name);
        if (folder == listed.workspaces.end() || folder->entry.empty() || (fresh && !folder->plain) ||
            (again && folder->entry != entry))
            co_return problem("workspace_degraded",
                              "the repository knows no such worktree, or it was changed meanwhile");
        entry = folder->entry;
        if (again) break;
        for (const auto& place : beside)
            if (const auto cell = broker.cells.find(place)) co_await cell->hold_worktree(entry);
    }
    co_return Done{};
}

// git makes the branch and fills the folder. The cell that it ran in has no guards in the folder: it ends.
Task<Outcome<Done>> fill(Broker& broker, Workspace workspace, std::string path) {
    const Segment* segment = nullptr;
    for (const Segment& known : broker.supervisor->segments().segments)
        if (known.name == workspace.segment) segment = &known;
    if (segment == nullptr) co_return problem("unknown_segment", "the segment is no longer there");
    // Locked: in the other cells its folder is not there, and git would prune what it cannot see.
    std::vector<std::string> arguments = {"--git-dir=" + segment->path + "/.git",
                                          "-c",
                                          "worktree.useRelativePaths=false",
                                          "worktree",
                                          "add",
                                          "--quiet",
                                          "--no-track",
                                          "--lock",
                                          "--reason",
                                          "a workspace of Toren, whose folder other cells do not see",
                                          "-b",
                                          workspace.branch,
                                          path,
                                          workspace.base_commit};
    std::string place = place_of(workspace);
    // git looks at every worktree first, and gives up where it finds one that is being made.
    const auto turn = co_await broker.workspaces.turn(workspace.segment);
    auto ran = co_await git_text(broker, place, std::move(arguments));
    broker.cells.end(place);
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    co_return co_await hold(broker, workspace.segment, workspace.name, true);
}

}  // namespace

Task<Outcome<Done>> roll_back(Broker& broker, Workspace workspace) {
    broker.cells.end(place_of(workspace));
    std::string segment = workspace.segment, name = workspace.name;
    const auto removed = co_await broker.supervisor->remove_workspace(std::move(segment), std::move(name));
    if (removed.code != 0) co_return problem("internal", removed.error);
    // Its branch was not there before; one that has moved since is somebody's.
    std::string place = workspace.segment;
    std::vector<std::string> arguments = {"update-ref", "-d", "refs/heads/" + workspace.branch, workspace.base_commit};
    auto ignored = co_await git(broker, std::move(place), std::move(arguments));
    if (auto forgotten = broker.workspaces.forget(workspace); !forgotten)
        co_return problem("internal", forgotten.error().text());
    co_return Done{};
}

Task<Outcome<Workspace>> create_workspace(Broker& broker, NewWorkspace wanted) {
    if (!wanted.name.empty() && !is_workspace_name(wanted.name))
        co_return problem("invalid_name",
                          "name: 1 to 100 bytes of UTF-8 without '/', '@' and control characters are expected, that "
                          "begin with neither '.', '-' nor a space");
    auto listed = co_await broker.supervisor->list_workspaces(wanted.segment);
    if (listed.code != 0) co_return of_supervisor(listed.code, listed.error);
    std::set<std::string> folders;
    for (const auto& folder : listed.workspaces) folders.insert(folder.name);
    auto base = co_await find_base(broker, wanted.segment, wanted.from);
    if (auto* refused = std::get_if<Problem>(&base)) co_return std::move(*refused);

    // From choosing the name to claiming it nothing waits, so no two get one.
    const std::string name = wanted.name.empty() ? free_name(broker, wanted.segment, folders) : wanted.name;
    if (name.empty()) co_return problem("exists", "the segment has all the workspaces that it may have");
    const Workspaces::Claim claim(broker.workspaces, workspace_address(wanted.segment, name));
    if (!claim.held()) co_return problem("busy", "the workspace '" + name + "' is being made or removed");
    auto cleared = co_await clear_name(broker, wanted.segment, name);
    if (auto* refused = std::get_if<Problem>(&cleared)) co_return std::move(*refused);
    auto branch = co_await free_branch(broker, wanted.segment, name, wanted.branch);
    if (auto* refused = std::get_if<Problem>(&branch)) co_return std::move(*refused);

    Workspace workspace{.segment = wanted.segment,
                        .name = name,
                        .branch = std::get<std::string>(branch),
                        .base_branch = std::get<Base>(base).branch,
                        .base_commit = std::get<Base>(base).commit,
                        .created_at = std::time(nullptr),
                        .created_by = wanted.session,
                        .ready = false};
    if (auto kept = broker.workspaces.put(workspace); !kept) co_return problem("internal", kept.error().text());
    const auto made = co_await broker.supervisor->create_workspace(wanted.segment, name);
    if (made.code != 0) {
        // Whatever is there is not ours.
        if (auto forgotten = broker.workspaces.forget(workspace); !forgotten) log_error(forgotten.error().text());
        co_return of_supervisor(made.code, made.error);
    }
    auto filled = co_await fill(broker, workspace, made.path);
    if (auto* refused = std::get_if<Problem>(&filled)) {
        Problem why = std::move(*refused);
        auto undone = co_await roll_back(broker, workspace);
        if (auto* failed = std::get_if<Problem>(&undone)) log_error("workspaces: " + failed->detail);
        co_return why;
    }
    workspace.ready = true;
    if (auto kept = broker.workspaces.put(workspace); !kept) co_return problem("internal", kept.error().text());
    co_return workspace;
}

Task<Outcome<Workspace>> adopt_workspace(Broker& broker, std::string segment, std::string name, std::string session) {
    if (!is_workspace_name(name)) co_return problem("invalid_name", "name: no workspace can be called that");
    const Workspaces::Claim claim(broker.workspaces, workspace_address(segment, name));
    if (!claim.held()) co_return problem("busy", "the workspace '" + name + "' is being made or removed");
    auto cleared = co_await clear_name(broker, segment, name);
    if (auto* refused = std::get_if<Problem>(&cleared)) co_return std::move(*refused);
    auto listed = co_await broker.supervisor->list_workspaces(segment);
    if (listed.code != 0) co_return of_supervisor(listed.code, listed.error);
    const auto folder = std::ranges::find(listed.workspaces, name, &ipc::WorkspaceEntry::name);
    if (folder == listed.workspaces.end() || folder->entry.empty())
        co_return problem("unknown_workspace",
                          "git knows no worktree at '" + broker.workspaces.path(segment, name) + "'");
    auto held = co_await hold(broker, segment, name, false);
    if (auto* refused = std::get_if<Problem>(&held)) co_return std::move(*refused);
    std::string place = workspace_address(segment, name);
    auto state = co_await worktree_state(broker, place);
    if (auto* refused = std::get_if<Problem>(&state)) co_return std::move(*refused);
    const auto& at = std::get<WorktreeState>(state);
    auto base = co_await branch_at(broker, segment);
    if (auto* refused = std::get_if<Problem>(&base)) co_return std::move(*refused);
    Workspace workspace{.segment = segment,
                        .name = name,
                        .branch = at.branch,
                        .base_branch = std::get<std::string>(base),
                        .base_commit = at.head,
                        .created_at = std::time(nullptr),
                        .created_by = session,
                        .ready = true};
    if (!workspace.base_branch.empty() && !at.head.empty()) {
        std::vector<std::string> arguments = {"merge-base", "HEAD", "refs/heads/" + workspace.base_branch};
        auto common = co_await git_text(broker, place, std::move(arguments));
        if (auto* commit = std::get_if<std::string>(&common)) workspace.base_commit = std::move(*commit);
    }
    if (auto kept = broker.workspaces.put(workspace); !kept) co_return problem("internal", kept.error().text());
    co_return workspace;
}

}  // namespace toren::broker
