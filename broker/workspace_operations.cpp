// workspaces.*: what docs/protocol-v2.md says of them.
#include <algorithm>
#include <nlohmann/json.hpp>

#include "broker/file_fields.h"
#include "broker/operation.h"
#include "broker/workspace_changes.h"
#include "broker/workspace_git.h"

namespace toren::broker {

using nlohmann::json;

namespace {

Reply answer(json body) {
    Reply reply;
    reply.json = std::move(body);
    return reply;
}

Outcome<Workspace> named(const Call& call) {
    if (auto refused = no_workspaces(call.broker, call.segment)) return std::move(*refused);
    return find_workspace(call.broker, call.segment, call.fields.at("workspace").get<std::string>());
}

Task<Outcome<Reply>> shown(Call& call, Outcome<Workspace> made) {
    if (auto* refused = std::get_if<Problem>(&made)) co_return std::move(*refused);
    Workspace workspace = std::get<Workspace>(std::move(made));
    auto told = co_await describe_workspace(call.broker, std::move(workspace));
    co_return answer(std::move(told));
}

Task<Outcome<Reply>> create(Call& call) {
    if (auto refused = no_workspaces(call.broker, call.segment)) co_return std::move(*refused);
    const Given given(call.fields);
    NewWorkspace wanted;
    wanted.segment = call.segment;
    wanted.name = given.text("name");
    wanted.from = given.text("from");
    wanted.branch = given.text("branch");
    wanted.session = call.identity.session_id;
    if (given.has("name") && wanted.name.empty()) co_return problem("invalid_name", "name: it is empty");
    auto made = co_await create_workspace(call.broker, std::move(wanted));
    co_return co_await shown(call, std::move(made));
}

Task<Outcome<Reply>> list(Call& call) {
    if (auto refused = no_workspaces(call.broker, call.segment)) co_return std::move(*refused);
    const auto on_disk = co_await call.broker.supervisor->list_workspaces(call.segment);
    if (on_disk.code != 0) co_return problem("internal", on_disk.error);
    json all = json::array(), others = json::array();
    std::vector<std::string> known;
    for (auto& workspace : call.broker.workspaces.of_segment(call.segment)) {
        known.push_back(workspace.name);
        std::optional<ipc::WorkspaceEntry> folder;
        for (const auto& one : on_disk.workspaces)
            if (one.name == workspace.name) folder = one;
        auto told = co_await describe_workspace(call.broker, std::move(workspace), std::move(folder));
        all.push_back(std::move(told));
    }
    for (const auto& folder : on_disk.workspaces)
        if (!folder.entry.empty() && std::ranges::find(known, folder.name) == known.end())
            others.push_back(folder.name);
    co_return answer({{"workspaces", std::move(all)}, {"adoptable", std::move(others)}});
}

Task<Outcome<Reply>> adopt(Call& call) {
    if (auto refused = no_workspaces(call.broker, call.segment)) co_return std::move(*refused);
    std::string name = call.fields.at("workspace").get<std::string>(), session = call.identity.session_id;
    auto made = co_await adopt_workspace(call.broker, call.segment, std::move(name), std::move(session));
    co_return co_await shown(call, std::move(made));
}

// What the workspace's branch has that its base has not, and what is not committed.
Task<Outcome<Reply>> diff(Call& call) {
    auto found = named(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const Workspace workspace = std::get<Workspace>(std::move(found));
    const std::string place = place_of(workspace);
    const std::uint64_t most = call.broker.settings.diff_bytes;
    std::string from = "refs/heads/" + workspace.base_branch;
    if (workspace.base_branch.empty()) from = workspace.base_commit;
    auto tip = co_await find_commit(call.broker, place, std::move(from));
    const bool gone = std::holds_alternative<Problem>(tip) && std::get<Problem>(tip).code == "unknown_revision";
    if (gone) tip = workspace.base_commit;
    if (auto* refused = std::get_if<Problem>(&tip)) co_return std::move(*refused);
    const std::string base = std::get<std::string>(std::move(tip));
    std::vector<std::string> committed = {"diff",       "--no-ext-diff",  "--no-textconv",
                                          "--no-color", base + "...HEAD", "--"};
    auto first = co_await git(call.broker, place, committed, most);
    if (auto* refused = std::get_if<Problem>(&first)) co_return std::move(*refused);
    if (!std::get<CagedOutput>(first).succeeded()) co_return git_failed(committed, std::get<CagedOutput>(first));
    std::vector<std::string> worktree = {
        "--no-optional-locks", "diff", "--no-ext-diff", "--no-textconv", "--no-color", "HEAD", "--"};
    auto second = co_await git(call.broker, place, worktree, most);
    if (auto* refused = std::get_if<Problem>(&second)) co_return std::move(*refused);
    if (!std::get<CagedOutput>(second).succeeded()) co_return git_failed(worktree, std::get<CagedOutput>(second));
    std::vector<std::string> others = {"ls-files", "--others", "--exclude-standard", "-z"};
    auto third = co_await git_text(call.broker, place, std::move(others), most);
    if (auto* refused = std::get_if<Problem>(&third)) co_return std::move(*refused);
    co_return answer({{"base", base},
                      {"committed", std::get<CagedOutput>(std::move(first)).out},
                      {"uncommitted", std::get<CagedOutput>(std::move(second)).out},
                      {"untracked", split_at_nul(std::get<std::string>(third))}});
}

Task<Outcome<Reply>> merge(Call& call) {
    auto found = named(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const Given given(call.fields);
    Merge how;
    how.into = given.text("into");
    how.message = given.text("message");
    how.fast_forward = given.flag("fast_forward", false);
    how.uncommitted = given.flag("uncommitted", false);
    how.keep_conflicts = given.flag("keep_conflicts", false);
    Workspace workspace = std::get<Workspace>(std::move(found));
    auto merged = co_await merge_workspace(call.broker, std::move(workspace), std::move(how));
    if (auto* refused = std::get_if<Problem>(&merged)) co_return std::move(*refused);
    co_return answer(std::get<json>(std::move(merged)));
}

Task<Outcome<Reply>> destroy(Call& call) {
    auto found = named(call);
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const Given given(call.fields);
    Destruction how;
    how.force = given.flag("force", false);
    if (given.has("delete_branch")) how.delete_branch = given.flag("delete_branch", false);
    Workspace workspace = std::get<Workspace>(std::move(found));
    auto destroyed = co_await destroy_workspace(call.broker, std::move(workspace), how);
    if (auto* refused = std::get_if<Problem>(&destroyed)) co_return std::move(*refused);
    co_return answer(std::get<json>(std::move(destroyed)));
}

// clang-format off
constexpr FieldRow kCreate[] = {{"name", FieldType::kText}, {"from", FieldType::kText}, {"branch", FieldType::kText}};
constexpr FieldRow kNamed[] = {{"workspace", FieldType::kText, true}};
constexpr FieldRow kMerge[] = {{"workspace", FieldType::kText, true}, {"into", FieldType::kText}, {"message", FieldType::kText},
                               {"fast_forward", FieldType::kBoolean}, {"uncommitted", FieldType::kBoolean}, {"keep_conflicts", FieldType::kBoolean}};
constexpr FieldRow kDestroy[] = {{"workspace", FieldType::kText, true}, {"force", FieldType::kBoolean}, {"delete_branch", FieldType::kBoolean}};

constexpr Operation kOperations[] = {
    {"workspaces.list",    "GET",    "/v2/segments/{segment}/workspaces",                   Need::kViewer,   Over::kBoth, Bulk::kNone,   {}, list},
    {"workspaces.create",  "POST",   "/v2/segments/{segment}/workspaces",                   Need::kOperator, Over::kBoth, Bulk::kNone,   kCreate, create},
    {"workspaces.adopt",   "POST",   "/v2/segments/{segment}/workspaces/{workspace}/adopt", Need::kOperator, Over::kBoth, Bulk::kNone,   kNamed, adopt},
    {"workspaces.diff",    "GET",    "/v2/segments/{segment}/workspaces/{workspace}/diff",  Need::kViewer,   Over::kBoth, Bulk::kAnswer, kNamed, diff},
    {"workspaces.merge",   "POST",   "/v2/segments/{segment}/workspaces/{workspace}/merge", Need::kOperator, Over::kBoth, Bulk::kNone,   kMerge, merge},
    {"workspaces.destroy", "DELETE", "/v2/segments/{segment}/workspaces/{workspace}",       Need::kOperator, Over::kBoth, Bulk::kNone,   kDestroy, destroy},
};
// clang-format on

}  // namespace

std::span<const Operation> workspace_operations() { return kOperations; }

}  // namespace toren::broker
