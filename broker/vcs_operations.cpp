// vcs.*: what clients read of a repository. What changes one is in vcs_changes.cpp.
#include <charconv>

#include "broker/base64.h"
#include "broker/json_text.h"
#include "broker/operation.h"
#include "broker/vcs_fields.h"
#include "broker/vcs_json.h"

namespace toren::broker {
namespace {

using nlohmann::json;

constexpr std::uint64_t kMostChanges = 10'000, kMostDiffFiles = 1000, kMostCommits = 1000;
constexpr std::uint64_t kFilesByDefault = 200, kCommitsByDefault = 50, kMostContext = 10'000;
constexpr std::uint64_t kFileBytesByDefault = std::uint64_t{1} << 20, kMostBlamedLines = 20'000;

// --- status

Task<Outcome<Reply>> status(Call& call) {
    const Given given(call.fields);
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    const auto place = place_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&place)) co_return *refused;
    const auto limit = limited(call.fields, "limit", kMostChanges, kMostChanges);
    if (const auto* refused = std::get_if<Problem>(&limit)) co_return *refused;
    ipc::VcsStatus request;
    request.path = given.text("path", ".");
    request.ignored = given.flag("ignored", false);
    request.fresh = given.flag("fresh", false);
    request.counts = true;
    request.skip = std::get<std::uint64_t>(place);
    request.max_changes = std::get<std::uint64_t>(limit);
    const std::string untracked = given.text("untracked", "folders");
    if (untracked == "none") request.untracked = ipc::VcsUntracked::kNone;
    else if (untracked == "all") request.untracked = ipc::VcsUntracked::kAll;
    else if (untracked != "folders") co_return problem("invalid_field", "untracked: none, folders or all is expected");
    auto found = co_await read_status(std::get<VcsQuestion>(std::move(asked)), std::move(request));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    co_return text_reply(status_json(std::get<VcsStatusFound>(found), std::get<std::uint64_t>(place)));
}

// --- differences

// Which sides are compared; each combination that means something.
struct SidesRow {
    bool from, to, commit, staged, unstaged, merge_base;
    ipc::VcsSides sides;
};
constexpr SidesRow kSides[] = {
    {false, false, false, false, false, false, ipc::VcsSides::kHeadToWorkTree},
    {false, false, false, true, false, false, ipc::VcsSides::kHeadToIndex},
    {false, false, false, false, true, false, ipc::VcsSides::kIndexToWorkTree},
    {true, false, false, false, false, false, ipc::VcsSides::kRevisionToWorkTree},
    {true, true, false, false, false, false, ipc::VcsSides::kRevisions},
    {true, true, false, false, false, true, ipc::VcsSides::kMergeBase},
    {false, false, true, false, false, false, ipc::VcsSides::kCommit},
};

Outcome<ipc::VcsDiff> diff_request(Call& call) {
    const Given given(call.fields);
    ipc::VcsDiff request;
    request.path = given.text("path", ".");
    request.from = given.text("from");
    request.to = given.has("commit") ? given.text("commit") : given.text("to");
    const SidesRow asked{given.has("from"),
                         given.has("to"),
                         given.has("commit"),
                         given.flag("staged", false),
                         given.flag("unstaged", false),
                         given.flag("merge_base", false),
                         {}};
    bool known = false;
    for (const SidesRow& row : kSides) {
        if (row.from != asked.from || row.to != asked.to || row.commit != asked.commit || row.staged != asked.staged ||
            row.unstaged != asked.unstaged || row.merge_base != asked.merge_base)
            continue;
        request.sides = row.sides;
        known = true;
    }
    if (!known)
        return problem("invalid_field",
                       "one of: nothing, staged, unstaged, from, from and to (with or without merge_base), commit");
    if (asked.from && !is_plain(request.from)) return not_plain("from");
    if ((asked.to || asked.commit) && !is_plain(request.to)) return not_plain("to, commit");
    request.files = files_of(call.fields);
    const std::uint64_t context = given.number("context", 3);
    if (context > kMostContext) return problem("invalid_field", "context: 0 to 10000 is expected");
    request.context = static_cast<std::uint32_t>(context);
    request.patch = given.flag("patch", true);
    const auto place = place_of(call.fields);
    if (const auto* refused = std::get_if<Problem>(&place)) return *refused;
    const auto limit = limited(call.fields, "limit", kFilesByDefault, kMostDiffFiles);
    if (const auto* refused = std::get_if<Problem>(&limit)) return *refused;
    const std::uint64_t most = call.broker.settings.diff_bytes;
    const auto bytes = limited(call.fields, "max_file_bytes", std::min(kFileBytesByDefault, most), most);
    if (const auto* refused = std::get_if<Problem>(&bytes)) return *refused;
    request.skip = std::get<std::uint64_t>(place);
    request.max_files = std::get<std::uint64_t>(limit);
    request.max_file_bytes = std::get<std::uint64_t>(bytes);
    request.max_bytes = most;
    return request;
}

Task<Outcome<Reply>> diff(Call& call) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    auto request = diff_request(call);
    if (auto* refused = std::get_if<Problem>(&request)) co_return std::move(*refused);
    const std::uint64_t skip = std::get<ipc::VcsDiff>(request).skip;
    auto found =
        co_await read_diff(std::get<VcsQuestion>(std::move(asked)), std::get<ipc::VcsDiff>(std::move(request)));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    co_return text_reply(diff_json(std::get<VcsDiffFound>(found), skip));
}

// --- the log

// Where a next page begins, and with which commits: "50 ID ^ID".
std::string cursor_of(const ipc::VcsLog& request, const VcsLogFound& found) {
    if (!found.end.more) return "";
    std::string text = std::to_string(request.skip + found.records.size());
    for (const auto& id : found.end.from.empty() && !request.all ? request.revisions : found.end.from)
        (text += ' ') += id;
    return to_base64_url(text);
}

bool read_cursor(const std::string& cursor, ipc::VcsLog& request) {
    const auto text = from_base64(cursor);
    if (!text) return false;
    std::string_view rest = *text;
    const auto number = rest.substr(0, rest.find(' '));
    const auto [end, error] = std::from_chars(number.data(), number.data() + number.size(), request.skip);
    if (error != std::errc() || end != number.data() + number.size()) return false;
    rest.remove_prefix(number.size());
    request.revisions.clear();
    while (!rest.empty()) {
        rest.remove_prefix(1);
        const auto id = rest.substr(0, rest.find(' '));
        if (!is_git_id(id.substr(id.starts_with('^') ? 1 : 0))) return false;
        request.revisions.emplace_back(id);
        rest.remove_prefix(id.size());
    }
    return true;
}

Outcome<ipc::VcsLog> log_request(const json& fields) {
    const Given given(fields);
    ipc::VcsLog request;
    request.path = given.text("path", ".");
    request.file = given.text("file");
    request.all = given.flag("all", false);
    request.first_parent = given.flag("first_parent", false);
    if (given.has("revisions")) request.revisions = fields["revisions"].get<std::vector<std::string>>();
    if (!std::ranges::all_of(request.revisions, is_plain)) return not_plain("revisions");
    if (given.has("cursor") && !read_cursor(given.text("cursor"), request))
        return problem("invalid_cursor", "cursor: what an earlier answer gave is expected");
    const auto limit = limited(fields, "limit", kCommitsByDefault, kMostCommits);
    if (const auto* refused = std::get_if<Problem>(&limit)) return *refused;
    request.max_commits = std::get<std::uint64_t>(limit);
    return request;
}

// The worker says of a revision that it does not find what it says of a file.
Problem of_revision(Problem refused) {
    if (refused.code == "file_not_found") return problem("unknown_revision", refused.detail);
    return refused;
}

Task<Outcome<Reply>> log(Call& call) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    auto request = log_request(call.fields);
    if (auto* refused = std::get_if<Problem>(&request)) co_return std::move(*refused);
    const auto question = std::get<VcsQuestion>(std::move(asked));
    const auto& wanted = std::get<ipc::VcsLog>(request);
    auto found = co_await read_log(question, wanted);
    if (auto* refused = std::get_if<Problem>(&found)) co_return of_revision(std::move(*refused));
    const auto& commits = std::get<VcsLogFound>(found);
    co_return text_reply(log_json(commits, cursor_of(wanted, commits)));
}

// A commit, and what it changed against its first parent.
Task<Outcome<Reply>> show(Call& call) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    const auto question = std::get<VcsQuestion>(std::move(asked));
    json fields = call.fields;
    fields["commit"] = Given(call.fields).text("revision", "HEAD");
    fields.erase("revision");
    std::swap(call.fields, fields);
    auto request = diff_request(call);
    std::swap(call.fields, fields);
    if (auto* refused = std::get_if<Problem>(&request)) co_return std::move(*refused);
    auto& differences = std::get<ipc::VcsDiff>(request);
    ipc::VcsLog one;
    one.path = differences.path;
    one.revisions = {differences.to};
    one.max_commits = 1;
    auto commit = co_await read_log(question, std::move(one));
    if (auto* refused = std::get_if<Problem>(&commit)) co_return of_revision(std::move(*refused));
    const auto& commits = std::get<VcsLogFound>(commit).records;
    if (commits.empty()) co_return problem("unknown_revision", "there is no commit yet");
    differences.to = commits.front().id;
    const std::uint64_t skip = differences.skip;
    auto found = co_await read_diff(question, std::move(differences));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    std::string text = "{\"commit\":";
    append_commit(text, commits.front());
    append_diff(text += ',', std::get<VcsDiffFound>(found), skip);
    text += std::get<VcsDiffFound>(found).by_git ? ",\"engine\":\"git\"}" : ",\"engine\":\"libgit2\"}";
    co_return text_reply(std::move(text));
}

// --- one file

Task<Outcome<Reply>> content(Call& call) {
    const Given given(call.fields);
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    const std::string encoding = given.text("encoding", "any");
    if (given.has("encoding") && encoding != "utf-8" && encoding != "base64")
        co_return problem("invalid_field", "encoding: utf-8 or base64 is expected");
    ipc::VcsContent request;
    request.path = given.text("path", ".");
    request.file = given.text("file");
    request.revision = given.text("revision");
    request.max_bytes = call.broker.settings.read_bytes;
    const std::uint64_t stage = given.number("stage");
    if (stage > 3 || given.has("stage") == given.has("revision"))
        co_return problem("invalid_field", "either revision or stage, 0 to 3, is expected");
    if (given.has("revision") && !is_plain(request.revision)) co_return not_plain("revision");
    request.stage = static_cast<std::uint8_t>(stage);
    auto read = co_await read_content(std::get<VcsQuestion>(std::move(asked)), std::move(request));
    if (auto* refused = std::get_if<Problem>(&read)) co_return std::move(*refused);
    const auto& found = std::get<VcsContentFound>(read);
    std::string text = "{";
    if (!append_content(text, found.bytes, encoding))
        co_return problem("not_utf8", "'" + printable(given.text("file")) + "' is not UTF-8 text; ask for base64");
    text += ",\"id\":\"" + found.end.id + "\",\"mode\":\"" + mode_text(found.end.mode) +
            "\",\"size\":" + std::to_string(found.end.size) +
            (found.end.binary ? ",\"binary\":true" : ",\"binary\":false") +
            (found.by_git ? ",\"engine\":\"git\"}" : ",\"engine\":\"libgit2\"}");
    co_return text_reply(std::move(text));
}

// Git's own: libgit2 gives other lines where a difference can be told in several ways.
Task<Outcome<Reply>> blame(Call& call) {
    const Given given(call.fields);
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    const auto question = std::get<VcsQuestion>(std::move(asked));
    const auto first = limited(call.fields, "from_line", 1, ~std::uint64_t{0} >> 1);
    if (const auto* refused = std::get_if<Problem>(&first)) co_return *refused;
    const auto lines = limited(call.fields, "lines", kMostBlamedLines, kMostBlamedLines);
    if (const auto* refused = std::get_if<Problem>(&lines)) co_return *refused;
    const std::string revision = given.text("revision");
    if (given.has("revision") && !is_plain(revision)) co_return not_plain("revision");
    std::string path = given.text("path", ".");
    auto folder = co_await find_repository(question, std::move(path));
    if (auto* refused = std::get_if<Problem>(&folder)) co_return std::move(*refused);
    GitCommand command;
    command.folder = std::get<std::string>(std::move(folder));
    command.arguments = {"blame", "--porcelain"};
    if (given.has("from_line") || given.has("lines"))
        command.arguments.push_back("-L" + std::to_string(std::get<std::uint64_t>(first)) + ",+" +
                                    std::to_string(std::get<std::uint64_t>(lines)));
    if (!revision.empty()) command.arguments.push_back(revision);
    command.arguments.emplace_back("--");
    command.arguments.push_back(given.text("file"));
    command.paths = true;
    auto ran = co_await run_git(question, std::move(command));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded()) co_return git_problem(output);
    const auto runs = read_git_blame(output.out);
    if (!runs) co_return problem("worker_died", "git in the cage printed what git does not print");
    co_return text_reply(blame_json(*runs, given.flag("content", false)));
}

// --- lists

template <typename Record>
using ReadList = Task<Outcome<VcsListFound<Record>>> (*)(VcsQuestion, ipc::VcsLists);

template <typename Record, ReadList<Record> read, std::string (*to_json)(const VcsListFound<Record>&)>
Task<Outcome<Reply>> list(Call& call) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    ipc::VcsLists request;
    request.path = Given(call.fields).text("path", ".");
    request.counts = Given(call.fields).flag("counts", false);
    auto found = co_await read(std::get<VcsQuestion>(std::move(asked)), std::move(request));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    co_return text_reply(to_json(std::get<VcsListFound<Record>>(found)));
}

using enum FieldType;
constexpr FieldRow kPathField{"path", kPath}, kEngine{"engine", kText};
constexpr FieldRow kStatus[] = {
    kPathField, {"untracked", kText}, {"ignored", kBoolean}, {"fresh", kBoolean}, {"cursor", kText}, {"limit", kNumber},
    kEngine};
constexpr FieldRow kDiff[] = {kPathField,
                              {"from", kText},
                              {"to", kText},
                              {"commit", kText},
                              {"staged", kBoolean},
                              {"unstaged", kBoolean},
                              {"merge_base", kBoolean},
                              {"files", kTexts},
                              {"file", kPath},
                              {"context", kNumber},
                              {"patch", kBoolean},
                              {"max_file_bytes", kNumber},
                              {"cursor", kText},
                              {"limit", kNumber},
                              kEngine};
constexpr FieldRow kLog[] = {kPathField,      {"revisions", kTexts}, {"all", kBoolean},  {"first_parent", kBoolean},
                             {"file", kPath}, {"cursor", kText},     {"limit", kNumber}, kEngine};
constexpr FieldRow kShow[] = {
    kPathField,          {"revision", kText},         {"files", kTexts}, {"file", kPath},    {"context", kNumber},
    {"patch", kBoolean}, {"max_file_bytes", kNumber}, {"cursor", kText}, {"limit", kNumber}, kEngine};
constexpr FieldRow kContent[] = {kPathField,         {"file", kPath, true}, {"revision", kText},
                                 {"stage", kNumber}, {"encoding", kText},   kEngine};
constexpr FieldRow kBlame[] = {kPathField,         {"file", kPath, true}, {"revision", kText}, {"from_line", kNumber},
                               {"lines", kNumber}, {"content", kBoolean}};
constexpr FieldRow kRefs[] = {kPathField, {"counts", kBoolean}, kEngine};
constexpr FieldRow kList[] = {kPathField, kEngine};

// clang-format off
constexpr Operation kOperations[] = {
    {"vcs.status",    "GET", "/v2/segments/{segment}/vcs/status",    Need::kViewer, Over::kBoth, Bulk::kAnswer, kStatus,  status},
    {"vcs.diff",      "GET", "/v2/segments/{segment}/vcs/diff",      Need::kViewer, Over::kBoth, Bulk::kAnswer, kDiff,    diff},
    {"vcs.log",       "GET", "/v2/segments/{segment}/vcs/log",       Need::kViewer, Over::kBoth, Bulk::kAnswer, kLog,     log},
    {"vcs.show",      "GET", "/v2/segments/{segment}/vcs/show",      Need::kViewer, Over::kBoth, Bulk::kAnswer, kShow,    show},
    {"vcs.content",   "GET", "/v2/segments/{segment}/vcs/content",   Need::kViewer, Over::kBoth, Bulk::kAnswer, kContent, content},
    {"vcs.blame",     "GET", "/v2/segments/{segment}/vcs/blame",     Need::kViewer, Over::kBoth, Bulk::kAnswer, kBlame,   blame},
    {"vcs.refs",      "GET", "/v2/segments/{segment}/vcs/refs",      Need::kViewer, Over::kBoth, Bulk::kAnswer, kRefs,    list<ipc::VcsRef, read_refs, refs_json>},
    {"vcs.conflicts", "GET", "/v2/segments/{segment}/vcs/conflicts", Need::kViewer, Over::kBoth, Bulk::kAnswer, kList,    list<ipc::VcsConflicted, read_conflicts, conflicts_json>},
    {"vcs.stashes",   "GET", "/v2/segments/{segment}/vcs/stashes",   Need::kViewer, Over::kBoth, Bulk::kAnswer, kList,    list<ipc::VcsStash, read_stashes, stashes_json>},
    {"vcs.worktrees", "GET", "/v2/segments/{segment}/vcs/worktrees", Need::kViewer, Over::kBoth, Bulk::kAnswer, kList,    list<ipc::VcsWorktree, read_worktrees, worktrees_json>},
};
// clang-format on

}  // namespace

std::span<const Operation> vcs_operations() { return kOperations; }

}  // namespace toren::broker
