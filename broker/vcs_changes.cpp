// vcs.*: what changes a repository. All of it is git's own doing, as a command in the cage under the segment's profile:
// hooks, filters and signing programs run there or nowhere, locks and half-done states are those that git knows.
#include <algorithm>
#include <map>

#include "broker/json_text.h"
#include "broker/operation.h"
#include "broker/process_start.h"
#include "broker/vcs_fields.h"
#include "broker/vcs_json.h"

namespace toren::broker {
namespace {

using nlohmann::json;
using Arguments = std::vector<std::string>;

constexpr std::size_t kMostOutput = 16 * 1024;

Problem invalid(const std::string& what) { return problem("invalid_field", what); }

// --- from fields to arguments

// `files`, `patch` or `all`: exactly one of them.
Outcome<GitCommand> by_file_or_hunk(const json& fields, const Arguments& for_files, const Arguments& for_all,
                                    const Arguments& for_patch) {
    const Given given(fields);
    const auto files = files_of(fields);
    const bool all = given.flag("all", false);
    if ((!files.empty()) + all + given.has("patch") != 1) return invalid("one of files, patch and all is expected");
    if (all && for_all.empty()) return invalid("all: files are to be named here");
    GitCommand command;
    command.arguments = all ? for_all : given.has("patch") ? for_patch : for_files;
    command.arguments.insert(command.arguments.end(), files.begin(), files.end());
    command.paths = !files.empty();
    if (given.has("patch")) command.input = given.text("patch");
    return command;
}

Outcome<GitCommand> stage(const json& fields) {
    return by_file_or_hunk(fields, {"add", "--all", "--"}, {"add", "--all"},
                           {"apply", "--cached", "--recount", "--whitespace=nowarn", "-"});
}
// Limited to paths, so that a merge goes on.
Outcome<GitCommand> unstage(const json& fields) {
    return by_file_or_hunk(fields, {"reset", "--quiet", "--"}, {"reset", "--quiet", "--", "."},
                           {"apply", "--cached", "--reverse", "--recount", "--whitespace=nowarn", "-"});
}
Outcome<GitCommand> discard(const json& fields) {
    return by_file_or_hunk(fields, {"restore", "--worktree", "--"}, {},
                           {"apply", "--reverse", "--recount", "--whitespace=nowarn", "-"});
}

// An option for each flag that is set.
struct FlagRow {
    const char* field;
    bool wanted;
    const char* option;
};
template <std::size_t N>
void add_flags(const json& fields, const FlagRow (&rows)[N], Arguments& arguments) {
    for (const FlagRow& row : rows)
        if (Given(fields).flag(row.field, !row.wanted) == row.wanted) arguments.emplace_back(row.option);
}

Outcome<GitCommand> commit(const json& fields) {
    static constexpr FlagRow kFlags[] = {{"amend", true, "--amend"},
                                         {"all", true, "--all"},
                                         {"allow_empty", true, "--allow-empty"},
                                         {"signoff", true, "--signoff"},
                                         {"hooks", false, "--no-verify"}};
    const Given given(fields);
    GitCommand command;
    command.arguments = {"commit", "--quiet"};
    add_flags(fields, kFlags, command.arguments);
    if (given.has("message")) {
        command.arguments.insert(command.arguments.end(), {"--file=-", "--cleanup=whitespace"});
        command.input = given.text("message");
    } else if (given.flag("amend", false)) {
        command.arguments.emplace_back("--no-edit");
    } else {
        return invalid("message: text is expected");
    }
    if (given.has("author")) {
        if (given.text("author").find_first_of(std::string("\0\n", 2)) != std::string::npos)
            return invalid("author: \"Name <address>\" is expected");
        command.arguments.push_back("--author=" + given.text("author"));
    }
    const auto files = files_of(fields);
    command.paths = !files.empty();
    command.arguments.emplace_back("--");
    command.arguments.insert(command.arguments.end(), files.begin(), files.end());
    return command;
}

// Names and revisions that are arguments themselves.
Outcome<GitCommand> plain(Arguments before, const json& fields, std::initializer_list<const char*> names,
                          std::optional<std::string> input = {}) {
    GitCommand command{.arguments = std::move(before), .folder = {}, .input = std::move(input)};
    for (const char* name : names) {
        if (!fields.contains(name)) continue;
        const std::string value = Given(fields).text(name);
        if (!is_plain(value)) return not_plain(name);
        command.arguments.push_back(value);
    }
    return command;
}

Outcome<GitCommand> create_branch(const json& fields) {
    const Given given(fields);
    if (given.flag("switch", false)) return plain({"switch", "--quiet", "--create"}, fields, {"name", "from"});
    return plain({"branch", "--quiet"}, fields, {"name", "from"});
}
Outcome<GitCommand> rename_branch(const json& fields) { return plain({"branch", "--move"}, fields, {"name", "to"}); }
Outcome<GitCommand> delete_branch(const json& fields) {
    const bool force = Given(fields).flag("force", false);
    return plain({"branch", "--quiet", force ? "-D" : "-d"}, fields, {"name"});
}
Outcome<GitCommand> switch_to(const json& fields) {
    const Given given(fields);
    if (given.has("branch") == given.has("revision")) return invalid("either branch or revision is expected");
    Arguments arguments = {"switch", "--quiet"};
    if (given.flag("discard", false)) arguments.emplace_back("--discard-changes");
    if (given.has("revision")) arguments.emplace_back("--detach");
    return plain(std::move(arguments), fields, {"branch", "revision"});
}
Outcome<GitCommand> create_tag(const json& fields) {
    const Given given(fields);
    Arguments arguments = {"tag"};
    std::optional<std::string> input;
    if (given.flag("force", false)) arguments.emplace_back("--force");
    if (given.has("message")) {
        arguments.insert(arguments.end(), {"--annotate", "--file=-"});
        input = given.text("message");
    }
    return plain(std::move(arguments), fields, {"name", "revision"}, std::move(input));
}
Outcome<GitCommand> delete_tag(const json& fields) { return plain({"tag", "--delete"}, fields, {"name"}); }

Outcome<GitCommand> push_stash(const json& fields) {
    static constexpr FlagRow kFlags[] = {
        {"untracked", true, "--include-untracked"}, {"keep_index", true, "--keep-index"}, {"staged", true, "--staged"}};
    GitCommand command;
    command.arguments = {"stash", "push", "--quiet"};
    add_flags(fields, kFlags, command.arguments);
    if (fields.contains("message")) command.arguments.push_back("--message=" + Given(fields).text("message"));
    const auto files = files_of(fields);
    command.paths = !files.empty();
    command.arguments.emplace_back("--");
    command.arguments.insert(command.arguments.end(), files.begin(), files.end());
    return command;
}

Outcome<GitCommand> merge(const json& fields) {
    static constexpr FlagRow kFlags[] = {{"fast_forward", false, "--no-ff"},
                                         {"only_fast_forward", true, "--ff-only"},
                                         {"squash", true, "--squash"},
                                         {"commit", false, "--no-commit"}};
    Arguments arguments = {"merge", "--quiet", "--no-edit"};
    add_flags(fields, kFlags, arguments);
    std::optional<std::string> input;
    if (fields.contains("message")) {
        arguments.emplace_back("--file=-");
        input = Given(fields).text("message");
    }
    return plain(std::move(arguments), fields, {"revision"}, std::move(input));
}
Outcome<GitCommand> rebase(const json& fields) { return plain({"rebase", "--quiet"}, fields, {"onto"}); }
Outcome<GitCommand> cherry_pick(const json& fields) { return plain({"cherry-pick"}, fields, {"revision"}); }
Outcome<GitCommand> revert(const json& fields) { return plain({"revert", "--no-edit"}, fields, {"revision"}); }

Outcome<GitCommand> reset(const json& fields) {
    const std::string mode = Given(fields).text("mode", "mixed");
    if (mode != "soft" && mode != "mixed" && mode != "hard" && mode != "keep")
        return invalid("mode: soft, mixed, keep or hard is expected");
    return plain({"reset", "--quiet", "--" + mode}, fields, {"revision"});
}

// --- running them

// One change of a work tree at a time: git refuses a second one, and who comes second can as well wait.
Turns& turns_of(const std::string& segment, const std::string& folder) {
    static std::map<std::pair<std::string, std::string>, Turns> all;
    return all[{segment, folder}];
}

std::string words_of(const CagedOutput& output) {
    std::string text = output.out.substr(0, kMostOutput) + output.errors;
    while (!text.empty() && text.back() == '\n') text.pop_back();
    return text;
}

// Who commits where the repository's configuration does not say.
Task<Outcome<Arguments>> identity_of(VcsQuestion question, std::string folder) {
    Arguments environment;
    const auto& settings = question.broker.settings;
    if (settings.author_name.empty() || settings.author_email.empty()) co_return environment;
    GitCommand ask;
    ask.folder = std::move(folder);
    ask.arguments = {"config", "--get-regexp", "^user\\.(name|email)$"};
    auto ran = co_await run_git(question, std::move(ask));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    if (std::get<CagedOutput>(ran).succeeded()) co_return environment;
    for (const char* who : {"AUTHOR", "COMMITTER"}) {
        environment.push_back(std::string("GIT_") + who + "_NAME=" + settings.author_name);
        environment.push_back(std::string("GIT_") + who + "_EMAIL=" + settings.author_email);
    }
    co_return environment;
}

struct Ran {
    VcsQuestion question;
    std::string path;
    CagedOutput output;
};

// Under the call's repository, in its turn.
Task<Outcome<Ran>> run_change(Call& call, GitCommand command) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    Ran ran{std::get<VcsQuestion>(std::move(asked)), Given(call.fields).text("path", "."), {}};
    auto folder = co_await find_repository(ran.question, ran.path);
    if (auto* refused = std::get_if<Problem>(&folder)) co_return std::move(*refused);
    command.folder = std::get<std::string>(std::move(folder));
    const auto turn = co_await turns_of(ran.question.segment, command.folder).take();
    auto identity = co_await identity_of(ran.question, command.folder);
    if (auto* refused = std::get_if<Problem>(&identity)) co_return std::move(*refused);
    for (auto& one : std::get<Arguments>(identity)) command.environment.push_back(std::move(one));
    command.arguments.insert(command.arguments.begin(), {"-c", "user.useConfigOnly=true"});
    command.writes = true;
    auto done = co_await run_git(ran.question, std::move(command));
    if (auto* refused = std::get_if<Problem>(&done)) co_return std::move(*refused);
    ran.output = std::get<CagedOutput>(std::move(done));
    co_return ran;
}

// The paths in conflict; nothing where there are none or nobody knows.
Task<Arguments> conflicts_in(const Ran& ran) {
    Arguments paths;
    ipc::VcsLists request;
    request.path = ran.path;
    auto found = co_await read_conflicts(ran.question, std::move(request));
    if (const auto* conflicts = std::get_if<VcsListFound<ipc::VcsConflicted>>(&found))
        for (const auto& conflict : conflicts->records)
            for (const auto* side : {&conflict.ours, &conflict.theirs, &conflict.base})
                if (!side->path.empty()) {
                    paths.push_back(side->path);
                    break;
                }
    co_return paths;
}

Task<std::string> head_of(const Ran& ran) {
    ipc::VcsLog request;
    request.path = ran.path;
    request.max_commits = 1;
    auto found = co_await read_log(ran.question, std::move(request));
    const auto* log = std::get_if<VcsLogFound>(&found);
    std::string head = "null";
    if (log != nullptr && !log->records.empty()) {
        head.clear();
        append_commit(head, log->records.front());
    }
    co_return head;
}

// {"completed", "conflicts": paths, "head": the last commit, "output": git's words}. What stops at a conflict is not
// completed, and no error: it goes on from there.
Task<Outcome<Reply>> reply_of(const Ran& ran, bool may_conflict) {
    Arguments conflicts;
    if (!ran.output.succeeded()) {
        if (may_conflict) conflicts = co_await conflicts_in(ran);
        if (conflicts.empty()) co_return git_problem(ran.output);
    }
    const std::string head = co_await head_of(ran);
    std::string text = ran.output.succeeded() ? "{\"completed\":true" : "{\"completed\":false";
    text += ",\"conflicts\":[";
    for (const auto& path : conflicts) {
        text += text.back() == '[' ? "{" : ",{";
        append_bytes_field(text, "path", path);
        text += '}';
    }
    (text += "],\"head\":") += head;
    append_json_string(text += ",\"output\":", words_of(ran.output));
    co_return text_reply(text + "}");
}

template <Outcome<GitCommand> (*build)(const json&), bool may_conflict>
Task<Outcome<Reply>> change(Call& call) {
    auto command = build(call.fields);
    if (auto* refused = std::get_if<Problem>(&command)) co_return std::move(*refused);
    auto ran = co_await run_change(call, std::get<GitCommand>(std::move(command)));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto done = std::get<Ran>(std::move(ran));
    auto reply = co_await reply_of(done, may_conflict);
    co_return reply;
}

// A stash by its id: its number may have changed since it was listed.
template <const char* const& verb>
Task<Outcome<Reply>> with_stash(Call& call) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    ipc::VcsLists request;
    request.path = Given(call.fields).text("path", ".");
    auto found = co_await read_stashes(std::get<VcsQuestion>(std::move(asked)), std::move(request));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const auto& stashes = std::get<VcsListFound<ipc::VcsStash>>(found).records;
    const auto one = std::ranges::find(stashes, Given(call.fields).text("stash"), &ipc::VcsStash::id);
    if (one == stashes.end()) co_return problem("unknown_revision", "no stash has this id");
    GitCommand command;
    command.arguments = {"stash", verb, "--quiet"};
    if (Given(call.fields).flag("index", false)) command.arguments.emplace_back("--index");
    command.arguments.push_back("stash@{" + std::to_string(one - stashes.begin()) + "}");
    auto ran = co_await run_change(call, std::move(command));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto done = std::get<Ran>(std::move(ran));
    auto reply = co_await reply_of(done, true);
    co_return reply;
}
constexpr const char* kApply = "apply";
constexpr const char* kPop = "pop";
constexpr const char* kDrop = "drop";

// Goes on with what status tells as `activity`, or ends it.
Task<Outcome<Reply>> sequence(Call& call) {
    static constexpr const char* kCommands[] = {nullptr, "merge", "revert", "cherry-pick", nullptr, "rebase", "am"};
    const std::string step = Given(call.fields).text("step");
    if (step != "continue" && step != "abort" && step != "skip")
        co_return invalid("step: continue, abort or skip is expected");
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    ipc::VcsStatus request;
    request.path = Given(call.fields).text("path", ".");
    request.untracked = ipc::VcsUntracked::kNone;
    request.counts = true;
    auto found = co_await read_status(std::get<VcsQuestion>(std::move(asked)), std::move(request));
    if (auto* refused = std::get_if<Problem>(&found)) co_return std::move(*refused);
    const char* name = kCommands[static_cast<int>(std::get<VcsStatusFound>(found).end.activity)];
    if (name == nullptr) co_return problem("ended", "no merge, rebase, revert or pick is under way");
    GitCommand command;
    command.arguments = {name, "--" + step};
    auto ran = co_await run_change(call, std::move(command));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto done = std::get<Ran>(std::move(ran));
    auto reply = co_await reply_of(done, step != "abort");
    co_return reply;
}

// --- what talks to other machines: a process like any other, under the segment's network policy

Outcome<Arguments> fetch(const json& fields) {
    Arguments arguments = {"fetch", "--progress"};
    static constexpr FlagRow kFlags[] = {{"prune", true, "--prune"}, {"tags", true, "--tags"}, {"all", true, "--all"}};
    add_flags(fields, kFlags, arguments);
    auto command = plain(std::move(arguments), fields, {"remote", "refspec"});
    if (auto* refused = std::get_if<Problem>(&command)) return std::move(*refused);
    return std::get<GitCommand>(command).arguments;
}
Outcome<Arguments> push(const json& fields) {
    Arguments arguments = {"push", "--progress"};
    static constexpr FlagRow kFlags[] = {{"force_with_lease", true, "--force-with-lease"},
                                         {"tags", true, "--tags"},
                                         {"set_upstream", true, "--set-upstream"}};
    add_flags(fields, kFlags, arguments);
    auto command = plain(std::move(arguments), fields, {"remote", "refspec"});
    if (auto* refused = std::get_if<Problem>(&command)) return std::move(*refused);
    return std::get<GitCommand>(command).arguments;
}
Outcome<Arguments> pull(const json& fields) {
    Arguments arguments = {"pull", "--progress", "--no-edit"};
    static constexpr FlagRow kFlags[] = {
        {"rebase", true, "--rebase"}, {"rebase", false, "--no-rebase"}, {"only_fast_forward", true, "--ff-only"}};
    for (const FlagRow& row : kFlags)
        if (fields.contains(row.field) && Given(fields).flag(row.field, false) == row.wanted)
            arguments.emplace_back(row.option);
    auto command = plain(std::move(arguments), fields, {"remote", "refspec"});
    if (auto* refused = std::get_if<Problem>(&command)) return std::move(*refused);
    return std::get<GitCommand>(command).arguments;
}
Outcome<Arguments> clone(const json& fields) {
    Arguments arguments = {"clone", "--progress"};
    const Given given(fields);
    if (given.has("branch")) {
        if (!is_plain(given.text("branch"))) return not_plain("branch");
        arguments.push_back("--branch=" + given.text("branch"));
    }
    if (given.has("depth")) arguments.push_back("--depth=" + std::to_string(given.number("depth")));
    arguments.insert(arguments.end(), {"--", given.text("url"), given.text("folder")});
    if (given.text("url").empty() || given.text("folder").empty() || given.text("folder").starts_with('/'))
        return invalid("url, folder: where from, and a new folder in the segment, are expected");
    return arguments;
}

template <Outcome<Arguments> (*build)(const json&), bool in_repository>
Task<Outcome<Reply>> talk(Call& call) {
    auto asked = co_await question_of(call);
    if (auto* refused = std::get_if<Problem>(&asked)) co_return std::move(*refused);
    const auto question = std::get<VcsQuestion>(std::move(asked));
    auto arguments = build(call.fields);
    if (auto* refused = std::get_if<Problem>(&arguments)) co_return std::move(*refused);
    StartSpec spec;
    spec.segment = question.segment;
    spec.start->cwd = ".";
    if (in_repository) {
        std::string path = Given(call.fields).text("path", ".");
        auto folder = co_await find_repository(question, std::move(path));
        if (auto* refused = std::get_if<Problem>(&folder)) co_return std::move(*refused);
        const auto& found = std::get<std::string>(folder);
        spec.start->cwd = found.empty() ? "." : found;
    }
    spec.start->argv = {"git", "--no-pager"};
    for (auto& one : std::get<Arguments>(arguments)) spec.start->argv.push_back(std::move(one));
    spec.start->environment = {"LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=true"};
    spec.name = "git " + spec.start->argv[2];
    auto reply = co_await start_listed(call.broker, std::move(spec));
    co_return reply;
}

using enum FieldType;
constexpr FieldRow kPathField{"path", kPath};
constexpr FieldRow kFiles[] = {kPathField, {"files", kTexts}, {"file", kPath}, {"patch", kText}, {"all", kBoolean}};
constexpr FieldRow kDiscard[] = {kPathField, {"files", kTexts}, {"file", kPath}, {"patch", kText}};
constexpr FieldRow kCommit[] = {kPathField,
                                {"message", kText},
                                {"author", kText},
                                {"amend", kBoolean},
                                {"all", kBoolean},
                                {"allow_empty", kBoolean},
                                {"signoff", kBoolean},
                                {"hooks", kBoolean},
                                {"files", kTexts},
                                {"file", kPath}};
constexpr FieldRow kBranch[] = {kPathField, {"name", kText, true}, {"from", kText}, {"switch", kBoolean}};
constexpr FieldRow kRename[] = {kPathField, {"name", kText, true}, {"to", kText, true}};
constexpr FieldRow kDelete[] = {kPathField, {"name", kText, true}, {"force", kBoolean}};
constexpr FieldRow kSwitch[] = {kPathField, {"branch", kText}, {"revision", kText}, {"discard", kBoolean}};
constexpr FieldRow kTag[] = {
    kPathField, {"name", kText, true}, {"revision", kText}, {"message", kText}, {"force", kBoolean}};
constexpr FieldRow kDeleteTag[] = {kPathField, {"name", kText, true}};
constexpr FieldRow kPushStash[] = {
    kPathField,           {"message", kText}, {"untracked", kBoolean}, {"keep_index", kBoolean},
    {"staged", kBoolean}, {"files", kTexts},  {"file", kPath}};
constexpr FieldRow kStash[] = {kPathField, {"stash", kText, true}, {"index", kBoolean}};
constexpr FieldRow kDropStash[] = {kPathField, {"stash", kText, true}};
constexpr FieldRow kMerge[] = {
    kPathField,           {"revision", kText, true},       {"message", kText},  {"fast_forward", kBoolean},
    {"squash", kBoolean}, {"only_fast_forward", kBoolean}, {"commit", kBoolean}};
constexpr FieldRow kRebase[] = {kPathField, {"onto", kText, true}};
constexpr FieldRow kRevision[] = {kPathField, {"revision", kText, true}};
constexpr FieldRow kReset[] = {kPathField, {"revision", kText}, {"mode", kText}};
constexpr FieldRow kSequence[] = {kPathField, {"step", kText, true}};
constexpr FieldRow kFetch[] = {kPathField,          {"remote", kText},  {"refspec", kText},
                               {"prune", kBoolean}, {"tags", kBoolean}, {"all", kBoolean}};
constexpr FieldRow kPush[] = {kPathField,         {"remote", kText},
                              {"refspec", kText}, {"force_with_lease", kBoolean},
                              {"tags", kBoolean}, {"set_upstream", kBoolean}};
constexpr FieldRow kPull[] = {
    kPathField, {"remote", kText}, {"refspec", kText}, {"rebase", kBoolean}, {"only_fast_forward", kBoolean}};
constexpr FieldRow kClone[] = {{"url", kText, true}, {"folder", kText, true}, {"branch", kText}, {"depth", kNumber}};

// clang-format off
constexpr Operation kOperations[] = {
    {"vcs.stage",         "POST", "/v2/segments/{segment}/vcs/stage",         Need::kOperator, Over::kBoth, Bulk::kNone, kFiles,     change<stage, false>},
    {"vcs.unstage",       "POST", "/v2/segments/{segment}/vcs/unstage",       Need::kOperator, Over::kBoth, Bulk::kNone, kFiles,     change<unstage, false>},
    {"vcs.discard",       "POST", "/v2/segments/{segment}/vcs/discard",       Need::kOperator, Over::kBoth, Bulk::kNone, kDiscard,   change<discard, false>},
    {"vcs.commit",        "POST", "/v2/segments/{segment}/vcs/commit",        Need::kOperator, Over::kBoth, Bulk::kNone, kCommit,    change<commit, false>},
    {"vcs.branch",        "POST", "/v2/segments/{segment}/vcs/branch",        Need::kOperator, Over::kBoth, Bulk::kNone, kBranch,    change<create_branch, false>},
    {"vcs.branch_rename", "POST", "/v2/segments/{segment}/vcs/branch/rename", Need::kOperator, Over::kBoth, Bulk::kNone, kRename,    change<rename_branch, false>},
    {"vcs.branch_delete", "POST", "/v2/segments/{segment}/vcs/branch/delete", Need::kOperator, Over::kBoth, Bulk::kNone, kDelete,    change<delete_branch, false>},
    {"vcs.switch",        "POST", "/v2/segments/{segment}/vcs/switch",        Need::kOperator, Over::kBoth, Bulk::kNone, kSwitch,    change<switch_to, false>},
    {"vcs.tag",           "POST", "/v2/segments/{segment}/vcs/tag",           Need::kOperator, Over::kBoth, Bulk::kNone, kTag,       change<create_tag, false>},
    {"vcs.tag_delete",    "POST", "/v2/segments/{segment}/vcs/tag/delete",    Need::kOperator, Over::kBoth, Bulk::kNone, kDeleteTag, change<delete_tag, false>},
    {"vcs.stash",         "POST", "/v2/segments/{segment}/vcs/stash",         Need::kOperator, Over::kBoth, Bulk::kNone, kPushStash, change<push_stash, false>},
    {"vcs.stash_apply",   "POST", "/v2/segments/{segment}/vcs/stash/apply",   Need::kOperator, Over::kBoth, Bulk::kNone, kStash,     with_stash<kApply>},
    {"vcs.stash_pop",     "POST", "/v2/segments/{segment}/vcs/stash/pop",     Need::kOperator, Over::kBoth, Bulk::kNone, kStash,     with_stash<kPop>},
    {"vcs.stash_drop",    "POST", "/v2/segments/{segment}/vcs/stash/drop",    Need::kOperator, Over::kBoth, Bulk::kNone, kDropStash, with_stash<kDrop>},
    {"vcs.merge",         "POST", "/v2/segments/{segment}/vcs/merge",         Need::kOperator, Over::kBoth, Bulk::kNone, kMerge,     change<merge, true>},
    {"vcs.rebase",        "POST", "/v2/segments/{segment}/vcs/rebase",        Need::kOperator, Over::kBoth, Bulk::kNone, kRebase,    change<rebase, true>},
    {"vcs.cherry_pick",   "POST", "/v2/segments/{segment}/vcs/cherry_pick",   Need::kOperator, Over::kBoth, Bulk::kNone, kRevision,  change<cherry_pick, true>},
    {"vcs.revert",        "POST", "/v2/segments/{segment}/vcs/revert",        Need::kOperator, Over::kBoth, Bulk::kNone, kRevision,  change<revert, true>},
    {"vcs.reset",         "POST", "/v2/segments/{segment}/vcs/reset",         Need::kOperator, Over::kBoth, Bulk::kNone, kReset,     change<reset, false>},
    {"vcs.sequence",      "POST", "/v2/segments/{segment}/vcs/sequence",      Need::kOperator, Over::kBoth, Bulk::kNone, kSequence,  sequence},
    {"vcs.fetch",         "POST", "/v2/segments/{segment}/vcs/fetch",         Need::kOperator, Over::kBoth, Bulk::kNone, kFetch,     talk<fetch, true>},
    {"vcs.push",          "POST", "/v2/segments/{segment}/vcs/push",          Need::kOperator, Over::kBoth, Bulk::kNone, kPush,      talk<push, true>},
    {"vcs.pull",          "POST", "/v2/segments/{segment}/vcs/pull",          Need::kOperator, Over::kBoth, Bulk::kNone, kPull,      talk<pull, true>},
    {"vcs.clone",         "POST", "/v2/segments/{segment}/vcs/clone",         Need::kOperator, Over::kBoth, Bulk::kNone, kClone,     talk<clone, false>},
};
// clang-format on

}  // namespace

std::span<const Operation> vcs_change_operations() { return kOperations; }

}  // namespace toren::broker
