#include "broker/workspace_git.h"

#include <algorithm>

namespace toren::broker {
namespace {

constexpr std::uint64_t kMostStatus = 8 << 20;
constexpr std::uint64_t kSeconds = 600;  // a large tree takes its time to be checked out

std::string trimmed(std::string text) {
    while (text.ends_with('\n')) text.pop_back();
    return text;
}

}  // namespace

Task<Outcome<CagedOutput>> git(Broker& broker, std::string place, std::vector<std::string> arguments,
                               std::uint64_t most) {
    CagedProgram program;
    program.segment = std::move(place);
    program.argv = {"git"};
    program.argv.insert(program.argv.end(), arguments.begin(), arguments.end());
    // Nobody is there to be asked or to edit, and nobody's own habits count.
    program.environment = {"GIT_TERMINAL_PROMPT=0", "GIT_EDITOR=true", "GIT_MERGE_AUTOEDIT=no", "GIT_PAGER=cat",
                           "LC_ALL=C.UTF-8"};
    program.seconds = kSeconds;
    auto output = co_await run_caged(broker, std::move(program), most, nullptr);
    co_return output;
}

Problem git_failed(const std::vector<std::string>& arguments, const CagedOutput& output) {
    std::string what;
    for (const auto& argument : arguments) what += (what.empty() ? "" : " ") + argument;
    const auto said = trimmed(output.errors.empty() ? output.out.substr(0, 1024) : output.errors);
    return problem("vcs_failed", "git " + what.substr(0, 200) + ": " + said);
}

Task<Outcome<std::string>> git_text(Broker& broker, std::string place, std::vector<std::string> arguments,
                                    std::uint64_t most) {
    auto ran = co_await git(broker, std::move(place), arguments, most);
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded()) co_return git_failed(arguments, output);
    co_return trimmed(std::move(output.out));
}

bool is_revision(const std::string& text) {
    return !text.empty() && text.size() <= 250 && !text.starts_with('-') &&
           std::ranges::none_of(text, [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

Task<Outcome<std::string>> find_commit(Broker& broker, std::string place, std::string revision) {
    if (!is_revision(revision)) co_return problem("invalid_field", "no branch, tag or commit can be called that");
    std::vector<std::string> arguments = {"rev-parse", "--verify", "--quiet", revision + "^{commit}"};
    auto ran = co_await git(broker, std::move(place), std::move(arguments));
    if (auto* refused = std::get_if<Problem>(&ran)) co_return std::move(*refused);
    auto& output = std::get<CagedOutput>(ran);
    if (!output.succeeded()) co_return problem("unknown_revision", "'" + revision + "' names no commit");
    co_return trimmed(std::move(output.out));
}

std::vector<std::string> split_at_nul(const std::string& text) {
    std::vector<std::string> parts;
    for (std::size_t start = 0; start < text.size();) {
        const auto end = std::min(text.find('\0', start), text.size());
        parts.push_back(text.substr(start, end - start));
        start = end + 1;
    }
    return parts;
}

WorktreeState parse_status(const std::string& porcelain) {
    WorktreeState state;
    const auto records = split_at_nul(porcelain);
    const auto value = [](const std::string& record, const std::string& key) -> std::string {
        return record.starts_with(key) ? record.substr(key.size()) : std::string();
    };
    for (std::size_t i = 0; i < records.size(); ++i) {
        const auto& record = records[i];
        if (const auto head = value(record, "# branch.oid "); !head.empty() && head != "(initial)") state.head = head;
        if (const auto branch = value(record, "# branch.head "); !branch.empty() && branch != "(detached)")
            state.branch = branch;
        if (record.starts_with("? ")) ++state.untracked;
        if (record.starts_with("u ")) ++state.conflicted;
        if ((record.starts_with("1 ") || record.starts_with("2 ")) && record.size() > 4) {
            state.staged += record[2] != '.' ? 1 : 0;
            state.modified += record[3] != '.' ? 1 : 0;
            if (record[0] == '2') ++i;  // where it came from
        }
    }
    return state;
}

Task<Outcome<WorktreeState>> worktree_state(Broker& broker, std::string place) {
    std::vector<std::string> arguments = {"--no-optional-locks", "status", "--porcelain=v2", "--branch", "-z"};
    auto text = co_await git_text(broker, std::move(place), std::move(arguments), kMostStatus);
    if (auto* refused = std::get_if<Problem>(&text)) co_return std::move(*refused);
    co_return parse_status(std::get<std::string>(text));
}

}  // namespace toren::broker
