#include "broker/git.h"

#include <algorithm>

#include "broker/git_output.h"
#include "broker/json_text.h"

namespace toren::broker {
namespace {

constexpr std::uint64_t kMostOutput = std::uint64_t{64} << 20;
constexpr const char* kEmptyTree[] = {"4b825dc642cb6eb9a060e54bf8d69288fbee4904",
                                      "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321"};

// Git's words for what clients act on; the first that its errors hold.
struct WordsRow {
    const char* words;
    const char* code;
};
constexpr WordsRow kWords[] = {
    {".lock': File exists", "vcs_locked"},
    {"Author identity unknown", "identity_unknown"},
    {"Committer identity unknown", "identity_unknown"},
    {"not a git repository", "not_a_repository"},
    {"unknown revision or path", "unknown_revision"},
    {"bad revision", "unknown_revision"},
    {"ambiguous argument", "unknown_revision"},
    {"not a valid object name", "unknown_revision"},
    {"Not a valid object name", "unknown_revision"},
    {"invalid object name", "unknown_revision"},
    {"Needed a single revision", "unknown_revision"},
    {"invalid reference", "unknown_revision"},
    {"does not exist in", "file_not_found"},
    {"exists on disk, but not in", "file_not_found"},
    {"did not match any file", "file_not_found"},
    {"no such path", "file_not_found"},
    {"cannot stat path", "file_not_found"},
    {"already exists", "exists"},
    {"patch does not apply", "no_match"},
    {"corrupt patch", "malformed_diff"},
    {"No valid patches in input", "malformed_diff"},
    {"patch fragment without header", "malformed_diff"},
    {"nothing to commit", "nothing_to_commit"},
    {"nothing added to commit", "nothing_to_commit"},
    {"no changes added to commit", "nothing_to_commit"},
    {"Read-only file system", "permission_denied"},
    {"Permission denied", "permission_denied"},
};

std::string trimmed(std::string text) {
    while (!text.empty() && (text.back() == '\n' || text.back() == ' ')) text.pop_back();
    return text;
}

Problem malformed_git() { return problem("worker_died", "git in the cage printed what git does not print"); }

// Runs it and takes what it prints where it succeeds.
Task<Outcome<std::string>> ask_git(VcsQuestion question, std::string folder, std::vector<std::string> arguments) {
    GitCommand command;
    command.folder = std::move(folder);
    command.arguments = std::move(arguments);
    command.paths = true;
    auto ran = co_await run_git(question, std::move(command));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded()) co_return git_problem(output);
    co_return std::move(output.out);
}

using Arguments = std::vector<std::string>;

void append(Arguments& arguments, const Arguments& more) {
    arguments.insert(arguments.end(), more.begin(), more.end());
}

bool is_revision(const std::string& text) {
    return !text.empty() && text.front() != '-' && text.size() <= 4096 && text.find('\0') == text.npos &&
           text.find('\n') == text.npos;
}

std::optional<Problem> refuse_revisions(const Arguments& revisions) {
    if (std::ranges::all_of(revisions, is_revision)) return std::nullopt;
    return problem("unknown_revision", "a revision has neither a line feed nor a '-' at its beginning");
}

// Nothing where there is none yet.
Task<Outcome<std::string>> commit_id(VcsQuestion question, std::string folder, std::string revision) {
    GitCommand command;
    command.folder = std::move(folder);
    command.arguments = {"rev-parse", "--verify", "--quiet", revision + "^{commit}"};
    auto ran = co_await run_git(question, std::move(command));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    const auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded() && output.end.code != 1) co_return git_problem(output);
    co_return trimmed(output.out);
}

}  // namespace

Task<Outcome<CagedOutput>> run_git(VcsQuestion question, GitCommand command) {
    CagedProgram program;
    program.segment = question.segment;
    program.argv = {"git", "--no-pager", "-c", "core.quotePath=false", "-c", "advice.detachedHead=false"};
    if (!command.writes) {
        for (const char* option : {"--no-optional-locks", "-c", "core.fsmonitor=false"})
            program.argv.emplace_back(option);
        program.profile = "read-only";
    }
    // Not always: `git stash` itself names all files by a pattern.
    if (command.paths) program.argv.emplace_back("--literal-pathspecs");
    append(program.argv, command.arguments);
    program.environment = std::move(command.environment);
    append(program.environment,
           {"LC_ALL=C.UTF-8", "GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=true", "GIT_MERGE_AUTOEDIT=no"});
    program.cwd = command.folder.empty() ? "." : command.folder;
    program.input = std::move(command.input);
    program.seconds = command.seconds;
    const bool writes = command.writes;
    auto ran = co_await run_caged(question.broker, std::move(program), kMostOutput, question.sink);
    if (auto* output = std::get_if<CagedOutput>(&ran); output != nullptr && output->end.signal != 0) {
        const std::string left =
            writes ? "; it may have left a lock: .git/index.lock or the like, to be deleted by whoever is sure that no "
                     "git runs there"
                   : "";
        co_return problem("vcs_failed", "git was ended by signal " + std::to_string(output->end.signal) + left);
    }
    co_return ran;
}

Problem git_problem(const CagedOutput& output) {
    std::string text = trimmed(output.errors);
    if (text.empty()) text = trimmed(output.out.substr(0, 2048));
    if (text.empty()) text = "git exited with code " + std::to_string(output.end.code);
    const auto row = std::ranges::find_if(kWords, [&](const WordsRow& one) {
        return output.errors.find(one.words) != output.errors.npos || output.out.find(one.words) != output.out.npos;
    });
    return problem(row == std::end(kWords) ? "vcs_failed" : row->code, printable(text));
}

// --- what the vcs worker answers, too

Task<Outcome<VcsStatusFound>> git_status(VcsQuestion question, std::string folder, ipc::VcsStatus request) {
    static constexpr const char* kUntracked[] = {"no", "normal", "all"};
    Arguments arguments = {"status",
                           "--porcelain=v2",
                           "--branch",
                           "--show-stash",
                           "-z",
                           "--ahead-behind",
                           std::string("--untracked-files=") + kUntracked[static_cast<int>(request.untracked)]};
    if (request.ignored) arguments.emplace_back("--ignored");
    auto printed = co_await ask_git(question, folder, std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&printed)) co_return std::move(*refused);
    auto status = read_git_status(std::get<std::string>(printed));
    if (!status) co_return malformed_git();
    VcsStatusFound found;
    found.by_git = true;
    found.end = std::move(status->about);
    found.end.folder = folder;
    const std::size_t all = status->changes.size();
    const std::size_t first = std::min<std::uint64_t>(request.skip, all);
    const std::size_t last = first + std::min<std::uint64_t>(request.max_changes, all - first);
    found.records.assign(std::make_move_iterator(status->changes.begin() + static_cast<std::ptrdiff_t>(first)),
                         std::make_move_iterator(status->changes.begin() + static_cast<std::ptrdiff_t>(last)));
    co_return found;
}

namespace {

// The sides of a difference as `git diff` takes them, and the commits that they are.
struct DiffSides {
    Arguments arguments;
    std::string from, to;
};

Task<Outcome<DiffSides>> diff_sides(VcsQuestion question, std::string folder, ipc::VcsDiff request) {
    using ipc::VcsSides;
    DiffSides sides;
    Outcome<std::string> from = std::string(), to = std::string();
    const bool with_head = request.sides == VcsSides::kHeadToWorkTree || request.sides == VcsSides::kHeadToIndex;
    std::string first = with_head ? "HEAD" : request.sides == VcsSides::kCommit ? request.to + "^1" : request.from;
    const bool has_first = request.sides != VcsSides::kIndexToWorkTree;
    const bool has_second = request.sides == VcsSides::kRevisions || request.sides == VcsSides::kCommit ||
                            request.sides == VcsSides::kMergeBase;
    if (has_first) from = co_await commit_id(question, folder, first);
    if (auto* refused = std::get_if<Problem>(&from)) co_return std::move(*refused);
    if (has_second) to = co_await commit_id(question, folder, request.to);
    if (auto* refused = std::get_if<Problem>(&to)) co_return std::move(*refused);
    sides.from = std::get<std::string>(from);
    sides.to = std::get<std::string>(to);
    if (has_second && sides.to.empty()) co_return problem("unknown_revision", "'" + request.to + "' names no commit");
    const bool may_be_none = with_head || request.sides == VcsSides::kCommit;
    if (has_first && sides.from.empty() && !may_be_none)
        co_return problem("unknown_revision", "'" + request.from + "' names no commit");
    if (request.sides == VcsSides::kMergeBase) {
        Arguments ask = {"merge-base", sides.from, sides.to};
        auto base = co_await ask_git(question, folder, std::move(ask));
        if (auto* refused = std::get_if<Problem>(&base)) co_return std::move(*refused);
        sides.from = trimmed(std::get<std::string>(base));
    }
    if (request.sides == VcsSides::kHeadToIndex) sides.arguments.emplace_back("--cached");
    if (has_first) sides.arguments.push_back(!sides.from.empty() ? sides.from : kEmptyTree[sides.to.size() == 64]);
    if (has_second) sides.arguments.push_back(sides.to);
    co_return sides;
}

}  // namespace

Task<Outcome<VcsDiffFound>> git_diff(VcsQuestion question, std::string folder, ipc::VcsDiff request) {
    auto sided = co_await diff_sides(question, folder, request);
    if (auto* refused = std::get_if<Problem>(&sided)) co_return std::move(*refused);
    auto& sides = std::get<DiffSides>(sided);
    append(sides.arguments, {"--"});
    append(sides.arguments, request.files);

    Arguments raw = {"diff", "--no-ext-diff", "--no-textconv", "--raw", "--numstat", "-z", "--no-abbrev"};
    append(raw, sides.arguments);
    auto listed = co_await ask_git(question, folder, std::move(raw));
    if (auto* refused = std::get_if<Problem>(&listed)) co_return std::move(*refused);
    auto files = read_git_raw_diff(std::get<std::string>(listed));
    if (!files) co_return malformed_git();
    Outcome<std::string> printed = std::string();
    if (request.patch) {
        Arguments patch = {
            "diff", "--no-ext-diff",   "--no-textconv",   "--no-color",
            "-p",   "--src-prefix=a/", "--dst-prefix=b/", "--unified=" + std::to_string(request.context)};
        append(patch, sides.arguments);
        printed = co_await ask_git(question, folder, std::move(patch));
        if (auto* refused = std::get_if<Problem>(&printed)) co_return std::move(*refused);
    }
    const auto patches = split_git_patch(std::get<std::string>(printed));
    if (request.patch && patches.size() != files->size())
        co_return problem("changed", "the work tree changed while it was compared; ask again");

    VcsDiffFound found;
    found.by_git = true;
    found.end.files = files->size();
    found.end.from = sides.from;
    found.end.to = sides.to;
    std::uint64_t bytes = 0;
    for (std::size_t nth = request.skip; nth < files->size(); ++nth) {
        auto& file = (*files)[nth];
        if (request.patch) {
            file.cut = patches[nth].size() > request.max_file_bytes;
            if (!file.cut) file.patch = patches[nth];
        }
        bytes += file.patch.size();
        found.end.more = (request.max_files > 0 && found.records.size() == request.max_files) ||
                         (!found.records.empty() && bytes > request.max_bytes);
        if (found.end.more) break;
        found.records.push_back(std::move(file));
    }
    co_return found;
}

Task<Outcome<VcsLogFound>> git_log(VcsQuestion question, std::string folder, ipc::VcsLog request) {
    VcsLogFound found;
    found.by_git = true;
    if (auto refused = refuse_revisions(request.revisions)) co_return std::move(*refused);
    if (request.revisions.empty()) {
        std::string name = "HEAD";
        auto head = co_await commit_id(question, folder, std::move(name));
        if (auto* refused = std::get_if<Problem>(&head)) co_return std::move(*refused);
        if (std::get<std::string>(head).empty() && !request.all) co_return found;
        if (!request.all) request.revisions = {std::get<std::string>(head)};
    }
    Arguments began = {"rev-parse", "--revs-only"};
    append(began, request.revisions);
    auto parsed = co_await ask_git(question, folder, std::move(began));
    if (auto* refused = std::get_if<Problem>(&parsed)) co_return std::move(*refused);
    std::string_view rest = std::get<std::string>(parsed);
    while (!rest.empty() && !request.all) {
        const auto end = std::min(rest.find('\n'), rest.size());
        found.end.from.emplace_back(rest.substr(0, end));
        rest.remove_prefix(std::min(end + 1, rest.size()));
    }
    Arguments arguments = {"log",
                           "-z",
                           "--no-color",
                           "--date=raw",
                           "--no-show-signature",
                           std::string("--format=") + kGitLogFormat,
                           "--skip=" + std::to_string(request.skip),
                           "--max-count=" + std::to_string(request.max_commits + 1)};
    if (request.all) append(arguments, {"--branches", "--tags", "--remotes"});
    if (request.first_parent) arguments.emplace_back("--first-parent");
    append(arguments, found.end.from.empty() ? request.revisions : found.end.from);
    if (request.all) arguments.emplace_back("HEAD");
    arguments.emplace_back("--");
    if (!request.file.empty()) arguments.push_back(request.file);
    auto printed = co_await ask_git(question, folder, std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&printed)) co_return std::move(*refused);
    auto commits = read_git_log(std::get<std::string>(printed));
    if (!commits) co_return malformed_git();
    found.end.more = commits->size() > request.max_commits;
    if (found.end.more) commits->pop_back();

    ipc::VcsLists all;
    auto refs = co_await git_refs(question, folder, all);
    if (auto* refused = std::get_if<Problem>(&refs)) co_return std::move(*refused);
    for (auto& commit : *commits)
        for (const auto& ref : std::get<VcsListFound<ipc::VcsRef>>(refs).records)
            if (ref.commit == commit.id) commit.refs.push_back(ref.name);
    found.records = std::move(*commits);
    co_return found;
}

Task<Outcome<VcsContentFound>> git_content(VcsQuestion question, std::string folder, ipc::VcsContent request) {
    const bool in_index = request.revision.empty();
    if (!in_index)
        if (auto refused = refuse_revisions({request.revision})) co_return std::move(*refused);
    Arguments about = in_index ? Arguments{"ls-files", "--stage", "-z", "--", request.file}
                               : Arguments{"ls-tree", "-z", "--full-tree", request.revision, "--", request.file};
    auto listed = co_await ask_git(question, folder, std::move(about));
    if (auto* refused = std::get_if<Problem>(&listed)) co_return std::move(*refused);
    // "100644 blob ID\tpath" of ls-tree, "100644 ID STAGE\tpath" of ls-files
    VcsContentFound found;
    found.by_git = true;
    std::string_view rest = std::get<std::string>(listed);
    while (!rest.empty()) {
        const auto line = rest.substr(0, rest.find('\0'));
        rest.remove_prefix(std::min(line.size() + 1, rest.size()));
        const auto tab = line.find('\t');
        if (tab == line.npos || line.substr(tab + 1) != request.file || tab < 7 + 40) continue;
        const std::string_view words = line.substr(7, tab - 7);
        const std::string_view id = in_index ? words.substr(0, words.find(' ')) : words.substr(words.find(' ') + 1);
        if (in_index && line[tab - 1] != static_cast<char>('0' + request.stage)) continue;
        if (!is_git_id(id)) co_return malformed_git();
        found.end.id = id;
        found.end.mode = static_cast<std::uint32_t>(std::strtoul(std::string(line.substr(0, 6)).c_str(), nullptr, 8));
    }
    if (found.end.id.empty())
        co_return problem("file_not_found", "'" + printable(request.file) + "': it has no such file");
    Arguments cat = {"cat-file", "blob", found.end.id};
    auto printed = co_await ask_git(question, folder, std::move(cat));
    if (auto* refused = std::get_if<Problem>(&printed)) co_return std::move(*refused);
    found.bytes = std::get<std::string>(std::move(printed));
    found.end.size = found.bytes.size();
    found.end.binary = found.bytes.substr(0, 8000).find('\0') != found.bytes.npos;
    if (found.end.size > request.max_bytes)
        co_return problem("file_too_large",
                          "'" + printable(request.file) + "' has " + std::to_string(found.end.size) + " bytes");
    co_return found;
}

namespace {

template <typename Record>
Task<Outcome<VcsListFound<Record>>> git_list(VcsQuestion question, std::string folder, Arguments arguments,
                                             std::optional<std::vector<Record>> (*read)(std::string_view)) {
    auto printed = co_await ask_git(question, std::move(folder), std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&printed)) co_return std::move(*refused);
    auto records = read(std::get<std::string>(printed));
    if (!records) co_return malformed_git();
    VcsListFound<Record> found;
    found.by_git = true;
    found.records = std::move(*records);
    co_return found;
}

}  // namespace

Task<Outcome<VcsListFound<ipc::VcsRef>>> git_refs(VcsQuestion question, std::string folder, ipc::VcsLists) {
    Arguments arguments = {"for-each-ref", std::string("--format=") + kGitRefFormat, "refs/heads", "refs/remotes",
                           "refs/tags"};
    return git_list(question, std::move(folder), std::move(arguments), read_git_refs);
}

Task<Outcome<VcsListFound<ipc::VcsConflicted>>> git_conflicts(VcsQuestion question, std::string folder, ipc::VcsLists) {
    Arguments arguments = {"ls-files", "--unmerged", "-z"};
    return git_list(question, std::move(folder), std::move(arguments), read_git_conflicts);
}

Task<Outcome<VcsListFound<ipc::VcsStash>>> git_stashes(VcsQuestion question, std::string folder, ipc::VcsLists) {
    Arguments arguments = {"stash", "list", "-z", "--format=%H%n%ct%n%gs"};
    return git_list(question, std::move(folder), std::move(arguments), read_git_stashes);
}

Task<Outcome<VcsListFound<ipc::VcsWorktree>>> git_worktrees(VcsQuestion question, std::string folder, ipc::VcsLists) {
    Arguments arguments = {"worktree", "list", "--porcelain", "-z"};
    return git_list(question, std::move(folder), std::move(arguments), read_git_worktrees);
}

}  // namespace toren::broker
