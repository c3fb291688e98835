#include "broker/git_output.h"

#include <algorithm>
#include <charconv>
#include <map>
#include <utility>

namespace toren::broker {
namespace {

using ipc::VcsChange;
using ipc::VcsConflict;
using ipc::VcsState;

// The text up to `end`, which goes too; nothing where it is not there.
std::optional<std::string_view> take(std::string_view& rest, char end) {
    const auto at = rest.find(end);
    if (at == rest.npos) return std::nullopt;
    const auto part = rest.substr(0, at);
    rest.remove_prefix(at + 1);
    return part;
}

bool take(std::string_view& rest, char end, std::string& part) {
    const auto taken = take(rest, end);
    if (taken) part = *taken;
    return taken.has_value();
}

template <typename Number>
bool to_number(std::string_view text, Number& number, int base = 10) {
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
    return error == std::errc() && end == text.data() + text.size() && !text.empty();
}

bool take_number(std::string_view& rest, char end, std::uint32_t& number, int base) {
    const auto part = take(rest, end);
    return part && to_number(*part, number, base);
}

bool all_zeros(std::string_view text) { return text.find_first_not_of('0') == text.npos; }

std::string id_or_nothing(std::string_view id) { return all_zeros(id) ? "" : std::string(id); }

struct LetterRow {
    char letter;
    VcsState state;
};
constexpr LetterRow kLetters[] = {
    {'.', VcsState::kNone},    {'M', VcsState::kModified}, {'A', VcsState::kAdded},       {'D', VcsState::kDeleted},
    {'R', VcsState::kRenamed}, {'C', VcsState::kCopied},   {'T', VcsState::kTypeChanged}, {'?', VcsState::kUntracked},
    {'!', VcsState::kIgnored}, {'U', VcsState::kModified}, {'X', VcsState::kModified},
};

bool state_of(char letter, VcsState& state) {
    const auto row = std::ranges::find(kLetters, letter, &LetterRow::letter);
    if (row == std::end(kLetters)) return false;
    state = row->state;
    return true;
}

VcsConflict conflict_of(std::string_view letters) {
    static constexpr const char* kPairs[] = {"", "DD", "AU", "UD", "UA", "DU", "AA", "UU"};
    for (std::size_t i = 1; i < std::size(kPairs); ++i)
        if (letters == kPairs[i]) return static_cast<VcsConflict>(i);
    return VcsConflict::kNone;
}

// --- status

// "# branch.ab +1 -2"
bool read_distance(std::string_view text, ipc::VcsRepository& about) {
    const auto space = text.find(' ');
    return space != text.npos && text.starts_with('+') && text.substr(space).starts_with(" -") &&
           to_number(text.substr(1, space - 1), about.ahead) && to_number(text.substr(space + 2), about.behind);
}

bool read_header(std::string_view line, ipc::VcsRepository& about) {
    const auto space = line.find(' ');
    if (space == line.npos) return false;
    const auto name = line.substr(0, space), value = line.substr(space + 1);
    if (name == "branch.oid") about.head = value == "(initial)" ? "" : std::string(value);
    else if (name == "branch.head") about.branch = value == "(detached)" ? "" : std::string(value);
    else if (name == "branch.upstream") about.upstream = value;
    else if (name == "branch.ab") return read_distance(value, about);
    else if (name == "stash") return to_number(value, about.stashes);
    return true;
}

// "1 XY sub mH mI mW hH hI path", "2 … Xscore path" and the old path, "u XY sub m1 m2 m3 mW h1 h2 h3 path"
bool read_change(char kind, std::string_view line, std::string_view& rest, VcsChange& change) {
    const auto letters = take(line, ' '), submodule = take(line, ' ');
    if (!letters || letters->size() != 2 || !submodule || submodule->empty()) return false;
    change.submodule = submodule->front() == 'S';
    const int further = kind == '1' ? 5 : kind == '2' ? 6 : 7;
    for (int i = 0; i < further; ++i)
        if (!take(line, ' ')) return false;
    change.path = line;
    if (kind == '2' && !take(rest, '\0', change.old_path)) return false;
    if (kind != 'u')
        return state_of((*letters)[0], change.index) && state_of((*letters)[1], change.work_tree) &&
               !change.path.empty();
    change.conflict = conflict_of(*letters);
    return change.conflict != VcsConflict::kNone && !change.path.empty();
}

// --- commits

// "1700000000 +0130"
bool read_time(std::string_view text, ipc::VcsSignature& signature) {
    const auto space = text.find(' ');
    if (space == text.npos || text.size() < space + 4) return false;
    int zone = 0;
    const char sign = text[space + 1];
    if (!to_number(text.substr(0, space), signature.time) || !to_number(text.substr(space + 2), zone)) return false;
    signature.offset = (zone / 100 * 60 + zone % 100) * (sign == '-' ? -1 : 1);
    return sign == '-' || sign == '+';
}

bool read_signature(std::string_view& rest, ipc::VcsSignature& signature) {
    const bool named = take(rest, '\n', signature.name) && take(rest, '\n', signature.email);
    const auto time = take(rest, '\n');
    return named && time && read_time(*time, signature);
}

}  // namespace

bool is_git_id(std::string_view text) {
    return (text.size() == 40 || text.size() == 64) && text.find_first_not_of("0123456789abcdef") == text.npos;
}

std::optional<GitStatus> read_git_status(std::string_view text) {
    GitStatus status;
    status.about.kind = ipc::VcsKind::kGit;
    while (!text.empty()) {
        const auto line = take(text, '\0');
        if (!line || line->size() < 3 || (*line)[1] != ' ') return std::nullopt;
        const char kind = line->front();
        const auto value = line->substr(2);
        if (kind == '#') {
            if (!read_header(value, status.about)) return std::nullopt;
            continue;
        }
        VcsChange change;
        if (kind == '?' || kind == '!') {
            change.path = value;
            state_of(kind, change.work_tree);
        } else if (std::string_view("12u").find(kind) == std::string_view::npos ||
                   !read_change(kind, value, text, change)) {
            return std::nullopt;
        }
        status.changes.push_back(std::move(change));
    }
    // Git tells what it does not know behind the rest.
    std::ranges::stable_sort(status.changes, {}, &VcsChange::path);
    status.about.changes = status.changes.size();
    return status;
}

// ":100644 100755 id id M\0path\0", with R and C two paths; then "1\t2\tpath\0", "1\t2\t\0old\0new\0", "-\t-\t…".
std::optional<std::vector<ipc::VcsFileDiff>> read_git_raw_diff(std::string_view text) {
    std::vector<ipc::VcsFileDiff> files;
    while (text.starts_with(':')) {
        ipc::VcsFileDiff file;
        text.remove_prefix(1);
        if (!take_number(text, ' ', file.old_mode, 8) || !take_number(text, ' ', file.new_mode, 8)) return std::nullopt;
        const auto old_id = take(text, ' '), new_id = take(text, ' '), letter = take(text, '\0');
        if (!old_id || !new_id || !letter || letter->empty() || !state_of(letter->front(), file.state) ||
            !take(text, '\0', file.old_path))
            return std::nullopt;
        file.path = file.old_path;
        const bool two = file.state == VcsState::kRenamed || file.state == VcsState::kCopied;
        if (two && !take(text, '\0', file.path)) return std::nullopt;
        file.old_id = id_or_nothing(*old_id);
        file.new_id = id_or_nothing(*new_id);
        files.push_back(std::move(file));
    }
    for (auto& file : files) {
        const auto additions = take(text, '\t'), deletions = take(text, '\t');
        auto path = take(text, '\0');
        if (!additions || !deletions || !path) return std::nullopt;
        if (path->empty() && (!take(text, '\0') || !(path = take(text, '\0')))) return std::nullopt;
        if (*path != file.path) return std::nullopt;
        file.binary = *additions == "-";
        if (!file.binary && (!to_number(*additions, file.additions) || !to_number(*deletions, file.deletions)))
            return std::nullopt;
    }
    if (!text.empty()) return std::nullopt;
    return files;
}

std::vector<std::string_view> split_git_patch(std::string_view text) {
    static constexpr std::string_view kFirst = "diff --git ";
    std::vector<std::string_view> files;
    if (!text.starts_with(kFirst)) return files;
    std::size_t from = 0;
    while (from < text.size()) {
        // Content lines begin with a space, a sign or a backslash: this begins a file and nothing else.
        const auto next = text.find("\ndiff --git ", from);
        const std::size_t end = next == text.npos ? text.size() : next + 1;
        files.push_back(text.substr(from, end - from));
        from = end;
    }
    return files;
}

std::optional<std::vector<ipc::VcsCommit>> read_git_log(std::string_view text) {
    std::vector<ipc::VcsCommit> commits;
    while (!text.empty()) {
        auto rest = take(text, '\0');
        if (!rest) {  // -z ends each but the last
            rest = text;
            text = {};
        }
        ipc::VcsCommit commit;
        auto line = *rest;
        const bool named = take(line, '\n', commit.id) && take(line, '\n', commit.tree);
        auto parents = take(line, '\n');
        if (!named || !parents || !is_git_id(commit.id) || !is_git_id(commit.tree)) return std::nullopt;
        for (std::string parent; !parents->empty();) {
            if (!take(*parents, ' ', parent)) parent = std::exchange(*parents, {});
            if (!is_git_id(parent)) return std::nullopt;
            commit.parents.push_back(parent);
        }
        if (!read_signature(line, commit.author) || !read_signature(line, commit.committer)) return std::nullopt;
        commit.message = line.substr(0, ipc::VcsCommit::kMostMessage);
        commits.push_back(std::move(commit));
    }
    return commits;
}

std::optional<std::vector<ipc::VcsRef>> read_git_refs(std::string_view text) {
    std::vector<ipc::VcsRef> refs;
    while (!text.empty()) {
        ipc::VcsRef ref;
        std::string type, peeled, peeled_type, track, head, date;
        for (std::string* field : {&ref.name, &ref.id, &type, &peeled, &peeled_type, &ref.target, &ref.upstream, &track,
                                   &head, &date, &ref.subject})
            if (!take(text, '\0', *field)) return std::nullopt;
        if (!text.starts_with('\n') || !is_git_id(ref.id)) return std::nullopt;
        text.remove_prefix(1);
        if (type == "commit") ref.commit = ref.id;
        else if (peeled_type == "commit") ref.commit = peeled;
        ref.head = head == "*";
        if (!date.empty() && !to_number(date, ref.time)) return std::nullopt;
        if (track == "gone") ref.upstream.clear();
        for (std::string_view rest = track; !rest.empty();) {  // "ahead 1, behind 2"
            const auto comma = std::min(rest.find(", "), rest.size());
            const auto part = rest.substr(0, comma);
            rest.remove_prefix(std::min(comma + 2, rest.size()));
            if (part.starts_with("ahead ")) to_number(part.substr(6), ref.ahead);
            if (part.starts_with("behind ")) to_number(part.substr(7), ref.behind);
        }
        refs.push_back(std::move(ref));
    }
    return refs;
}

std::optional<std::vector<ipc::VcsConflicted>> read_git_conflicts(std::string_view text) {
    std::vector<ipc::VcsConflicted> conflicts;
    std::string last;
    while (!text.empty()) {
        ipc::VcsSide side;
        std::uint32_t stage = 0;
        if (!take_number(text, ' ', side.mode, 8) || !take(text, ' ', side.id) || !take_number(text, '\t', stage, 10) ||
            !take(text, '\0', side.path) || stage < 1 || stage > 3)
            return std::nullopt;
        if (conflicts.empty() || side.path != last) conflicts.emplace_back();
        last = side.path;
        ipc::VcsSide* const sides[] = {&conflicts.back().base, &conflicts.back().ours, &conflicts.back().theirs};
        *sides[stage - 1] = std::move(side);
    }
    return conflicts;
}

std::optional<std::vector<ipc::VcsStash>> read_git_stashes(std::string_view text) {
    std::vector<ipc::VcsStash> stashes;
    while (!text.empty()) {
        const auto end = std::min(text.find('\0'), text.size());
        auto line = text.substr(0, end);
        text.remove_prefix(std::min(end + 1, text.size()));
        ipc::VcsStash stash;
        const bool named = take(line, '\n', stash.id);
        const auto time = take(line, '\n');
        if (!named || !time || !to_number(*time, stash.time)) return std::nullopt;
        stash.message = line;
        stashes.push_back(std::move(stash));
    }
    return stashes;
}

std::optional<std::vector<ipc::VcsWorktree>> read_git_worktrees(std::string_view text) {
    std::vector<ipc::VcsWorktree> worktrees;
    while (!text.empty()) {
        const auto line = take(text, '\0');
        if (!line) return std::nullopt;
        const auto value = line->substr(std::min(line->find(' ') + 1, line->size()));
        if (line->starts_with("worktree ")) worktrees.emplace_back().path = value;
        else if (line->empty()) continue;
        else if (worktrees.empty()) return std::nullopt;
        else if (line->starts_with("HEAD ")) worktrees.back().head = id_or_nothing(value);
        else if (line->starts_with("branch ")) worktrees.back().branch = value;
        else if (line->starts_with("locked")) worktrees.back().locked = true;
        else if (line->starts_with("prunable")) worktrees.back().missing = true;
    }
    return worktrees;
}

std::optional<std::vector<GitBlame>> read_git_blame(std::string_view text) {
    struct Known {
        ipc::VcsSignature author;
        std::string summary, path;
    };
    std::map<std::string, Known, std::less<>> known;
    std::vector<GitBlame> runs;
    while (!text.empty()) {
        auto header = take(text, '\n');
        if (!header) return std::nullopt;
        GitBlame run;
        const bool named = take(*header, ' ', run.commit);
        const auto original = take(*header, ' ');
        std::string_view line = *header, lines;
        if (const auto space = line.find(' '); space != line.npos)
            lines = line.substr(space + 1), line = line.substr(0, space);
        if (!named || !is_git_id(run.commit) || !original || !to_number(*original, run.original_line) ||
            !to_number(line, run.line))
            return std::nullopt;
        Known& commit = known[run.commit];
        std::optional<std::string_view> field;
        while ((field = take(text, '\n')) && !field->starts_with('\t')) {
            const auto space = std::min(field->find(' '), field->size());
            const auto name = field->substr(0, space), value = field->substr(std::min(space + 1, field->size()));
            if (name == "author") commit.author.name = value;
            else if (name == "author-mail")
                commit.author.email = value.size() > 2 ? value.substr(1, value.size() - 2) : "";
            else if (name == "author-time" && !to_number(value, commit.author.time)) return std::nullopt;
            else if (name == "author-tz") {
                ipc::VcsSignature zone;
                if (read_time("0 " + std::string(value), zone)) commit.author.offset = zone.offset;
            } else if (name == "summary") commit.summary = value;
            else if (name == "filename") commit.path = value;
        }
        if (!field) return std::nullopt;
        if (lines.empty()) {  // one line more of the run before
            if (runs.empty()) return std::nullopt;
            ++runs.back().lines;
        } else {
            run.lines = 1;
            run.author = commit.author;
            run.summary = commit.summary;
            run.original_path = commit.path;
            if (all_zeros(run.commit)) run.commit.clear();
            runs.push_back(std::move(run));
        }
        (runs.back().content += field->substr(1)) += '\n';
    }
    return runs;
}

}  // namespace toren::broker
