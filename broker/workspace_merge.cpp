// Merging a workspace's branch. The merge is made of objects alone (git merge-tree), so conflicts are known before any
// file is touched; then the target moves on by a fast-forward where it is checked out, or by its old value where it is
// checked out nowhere. What is cut short in between has changed nothing, and can be asked for again.
#include <nlohmann/json.hpp>

#include "broker/workspace_changes.h"
#include "broker/workspace_git.h"

namespace toren::broker {

using nlohmann::json;

namespace {

constexpr std::uint64_t kMostConflicts = 4 << 20;  // bytes of paths

struct Sides {
    Workspace workspace;
    std::string into;    // the branch
    std::string target;  // its commit
    std::string head;    // the workspace's
    std::string from;    // its branch, or its commit where it has none
    std::string place;   // where the target is checked out; empty: nowhere
};

Task<Outcome<bool>> is_ancestor(Broker& broker, std::string segment, std::string older, std::string newer) {
    std::vector<std::string> arguments = {"merge-base", "--is-ancestor", std::move(older), std::move(newer)};
    auto ran = co_await git(broker, std::move(segment), std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    co_return std::get<CagedOutput>(ran).succeeded();
}

// The segment, or the workspace, that has the branch checked out.
Outcome<std::string> place_at(Broker& broker, const Workspace& workspace, const std::string& path) {
    if (path.empty()) return std::string();
    for (const Segment& segment : broker.supervisor->segments().segments)
        if (segment.name == workspace.segment && segment.path == path) return segment.name;
    for (const auto& other : broker.workspaces.of_segment(workspace.segment))
        if (other.ready && broker.workspaces.path(other.segment, other.name) == path) return place_of(other);
    return problem("conflict", "the branch is checked out in '" + path + "', where Toren does not work");
}

Task<Outcome<Sides>> look(Broker& broker, Workspace workspace, Merge how) {
    Sides sides;
    sides.into = how.into.empty() ? workspace.base_branch : how.into;
    if (sides.into.empty())
        co_return problem("invalid_field", "into: the workspace was made from no branch, so one must be named");
    if (!is_revision(sides.into)) co_return problem("invalid_field", "into: no branch can be called that");
    auto state = co_await worktree_state(broker, place_of(workspace));
    if (auto* refused = std::get_if<Problem>(&state)) co_return std::move(*refused);
    const auto& at = std::get<WorktreeState>(state);
    if (at.head.empty()) co_return problem("unknown_revision", "the workspace has no commit yet");
    if (at.changes() != 0 && !how.uncommitted) {
        Problem refused = problem("uncommitted", std::to_string(at.changes()) +
                                                     " changes in the workspace are not committed, so they would not "
                                                     "be merged; `uncommitted` merges all the same");
        refused.further = {{"changes", at.changes()}};
        co_return refused;
    }
    sides.head = at.head;
    sides.from = at.branch.empty() ? at.head : at.branch;
    const std::string name = "refs/heads/" + sides.into;
    std::vector<std::string> asking = {"for-each-ref", "--format=%(refname)%00%(objectname)%00%(worktreepath)%00",
                                       name};
    auto told = co_await git_text(broker, workspace.segment, std::move(asking));
    if (auto* refused = std::get_if<Problem>(&told)) co_return std::move(*refused);
    const auto parts = split_at_nul(std::get<std::string>(told));
    if (parts.size() < 2 || parts[0] != name)
        co_return problem("unknown_revision", "there is no branch '" + sides.into + "'");
    sides.target = parts[1];
    auto place = place_at(broker, workspace, parts.size() > 2 ? parts[2] : "");
    if (auto* refused = std::get_if<Problem>(&place)) co_return std::move(*refused);
    sides.place = std::get<std::string>(std::move(place));
    sides.workspace = std::move(workspace);
    co_return sides;
}

// Where the repository says nobody's name, the commit has Toren's.
Task<Outcome<std::vector<std::string>>> identity(Broker& broker, std::string segment) {
    std::vector<std::string> asking = {"var", "GIT_COMMITTER_IDENT"};
    auto known = co_await git(broker, std::move(segment), std::move(asking));
    if (auto* refused = std::get_if<Problem>(&known)) co_return std::move(*refused);
    std::vector<std::string> options;
    if (!std::get<CagedOutput>(known).succeeded())
        options = {"-c", "user.name=Toren", "-c", "user.email=toren@localhost"};
    co_return options;
}

Problem conflicts_in(const Sides& sides, const std::vector<std::string>& paths) {
    Problem refused = problem("conflict", std::to_string(paths.size()) + " files of '" + sides.from +
                                              "' conflict with '" + sides.into + "'; nothing has been changed");
    refused.further = {{"paths", paths}};
    return refused;
}

// As a person would, with what conflicts left in the files; then it is not done.
Task<Outcome<json>> merge_in_place(Broker& broker, Sides sides, Merge how) {
    if (sides.place.empty())
        co_return problem("conflict", "'" + sides.into + "' is checked out nowhere, so conflicts cannot be kept");
    auto options = co_await identity(broker, sides.workspace.segment);
    if (auto* refused = std::get_if<Problem>(&options)) co_return std::move(*refused);
    std::vector<std::string> arguments = std::get<std::vector<std::string>>(std::move(options));
    arguments.insert(arguments.end(), {"merge", "--no-ff", "--no-edit", "--quiet"});
    if (!how.message.empty()) arguments.insert(arguments.end(), {"-m", how.message});
    arguments.push_back(sides.from);
    const std::vector<std::string> asked = arguments;
    auto ran = co_await git(broker, sides.place, std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    std::vector<std::string> looking = {"diff", "--name-only", "--diff-filter=U", "-z"};
    auto left = co_await git_text(broker, sides.place, std::move(looking), kMostConflicts);
    if (auto* refused = std::get_if<Problem>(&left)) co_return std::move(*refused);
    if (std::get<std::string>(left).empty()) co_return git_failed(asked, std::get<CagedOutput>(ran));
    co_return json{{"merged", false},
                   {"into", sides.into},
                   {"place", sides.place},
                   {"conflicts", split_at_nul(std::get<std::string>(left))}};
}

// The commit of both, made of objects; a conflict is a Problem.
Task<Outcome<std::string>> commit_both(Broker& broker, Sides sides, Merge how, std::vector<std::string>& conflicts) {
    std::vector<std::string> merging = {"merge-tree", "--write-tree", "--name-only", "--no-messages",
                                        "-z",         sides.target,   sides.head};
    const std::vector<std::string> asked = merging;
    auto ran = co_await git(broker, sides.workspace.segment, std::move(merging), kMostConflicts);
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto& output = std::get<CagedOutput>(ran);
    auto parts = split_at_nul(output.out);
    if (output.end.signal == 0 && output.end.code == 1 && parts.size() > 1) {
        conflicts.assign(parts.begin() + 1, parts.end());
        co_return conflicts_in(sides, conflicts);
    }
    if (!output.succeeded() || parts.empty()) co_return git_failed(asked, output);
    auto options = co_await identity(broker, sides.workspace.segment);
    if (auto* refused = std::get_if<Problem>(&options)) co_return std::move(*refused);
    std::vector<std::string> committing = std::get<std::vector<std::string>>(std::move(options));
    const std::string message =
        how.message.empty() ? "Merge branch '" + sides.from + "' into " + sides.into : how.message;
    committing.insert(committing.end(), {"commit-tree", parts[0], "-p", sides.target, "-p", sides.head, "-m", message});
    co_return co_await git_text(broker, sides.workspace.segment, std::move(committing));
}

Task<Outcome<Done>> move_on(Broker& broker, Sides sides, std::string commit) {
    std::vector<std::string> moving = {"merge", "--ff-only", "--quiet", "--no-autostash", commit};
    if (sides.place.empty())
        moving = {"update-ref", "-m", "merge " + sides.from, "refs/heads/" + sides.into, commit, sides.target};
    std::string place = sides.place.empty() ? sides.workspace.segment : sides.place;
    auto moved = co_await git_text(broker, std::move(place), std::move(moving));
    if (auto* refused = std::get_if<Problem>(&moved)) co_return std::move(*refused);
    co_return Done{};
}

}  // namespace

Task<Outcome<json>> merge_workspace(Broker& broker, Workspace workspace, Merge how) {
    const Workspaces::Claim claim(broker.workspaces, place_of(workspace));
    if (!claim.held()) co_return problem("busy", "the workspace '" + workspace.name + "' is being made or removed");
    auto looked = co_await look(broker, std::move(workspace), how);
    if (auto* refused = std::get_if<Problem>(&looked)) co_return std::move(*refused);
    const Sides sides = std::get<Sides>(std::move(looked));
    json answer = {{"merged", true}, {"into", sides.into}, {"commit", sides.target}, {"conflicts", json::array()}};
    answer["place"] = sides.place.empty() ? json(nullptr) : json(sides.place);

    auto done = co_await is_ancestor(broker, sides.workspace.segment, sides.head, sides.target);
    if (auto* refused = std::get_if<Problem>(&done)) co_return std::move(*refused);
    answer["up_to_date"] = std::get<bool>(done);
    if (std::get<bool>(done)) co_return answer;
    std::string commit = sides.head;
    if (how.fast_forward) {
        auto ahead = co_await is_ancestor(broker, sides.workspace.segment, sides.target, sides.head);
        if (auto* refused = std::get_if<Problem>(&ahead)) co_return std::move(*refused);
        if (!std::get<bool>(ahead))
            co_return problem("not_fast_forward", "'" + sides.into + "' has commits that '" + sides.from + "' has not");
    } else {
        std::vector<std::string> conflicts;
        auto both = co_await commit_both(broker, sides, how, conflicts);
        if (!conflicts.empty() && how.keep_conflicts) co_return co_await merge_in_place(broker, sides, how);
        if (auto* refused = std::get_if<Problem>(&both)) co_return std::move(*refused);
        commit = std::get<std::string>(std::move(both));
    }
    auto moved = co_await move_on(broker, sides, commit);
    if (auto* refused = std::get_if<Problem>(&moved)) co_return std::move(*refused);
    answer["commit"] = commit;
    co_return answer;
}

}  // namespace toren::broker
