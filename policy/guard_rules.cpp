#include "policy/guard_rules.h"

#include <algorithm>
#include <array>

namespace toren {
namespace {

// Read in a home folder only, or in others by those few who ask their tools for it.
constexpr auto kHomeNames = std::to_array<std::string_view>(
    {".bashrc",  ".bash_profile", ".bash_login", ".bash_logout", ".bash_aliases", ".profile",  ".zshrc",
     ".zshenv",  ".zprofile",     ".zlogin",     ".zlogout",     ".kshrc",        ".xprofile", ".xsession",
     ".inputrc", ".gitconfig",    ".vimrc",      ".exrc",        ".gdbinit",      ".lldbinit"});

// In gitdirs of every kind, what makes git run a program or believe another folder: hooks, the configuration (its
// many keys that name programs) and `commondir`, which says where both are. Everything else stays writable.
constexpr GuardRule kRules[] = {
    {FolderKind::kPlain, ".git", Absent::kLeave, FolderKind::kGit},
    {FolderKind::kPlain, ".jj", Absent::kLeave, FolderKind::kJj},
    {FolderKind::kGit, "hooks", Absent::kHoldFolder},
    {FolderKind::kGit, "config", Absent::kHoldFile},
    {FolderKind::kGit, "config.worktree", Absent::kHoldFile},
    {FolderKind::kGit, "commondir", Absent::kMoveAside},
    {FolderKind::kGit, "modules", Absent::kLeave, FolderKind::kModules},
    {FolderKind::kGit, "worktrees", Absent::kLeave, FolderKind::kWorktrees},
    // A bare repository may be a tracked fixture of a work tree, where a held file would show as untracked: an empty
    // folder does not.
    {FolderKind::kBare, "hooks", Absent::kHoldFolder},
    {FolderKind::kBare, "config", Absent::kMoveAside},
    {FolderKind::kBare, "config.worktree", Absent::kMoveAside},
    {FolderKind::kBare, "commondir", Absent::kMoveAside},
    {FolderKind::kBare, "modules", Absent::kLeave, FolderKind::kModules},
    {FolderKind::kBare, "worktrees", Absent::kLeave, FolderKind::kWorktrees},
    {FolderKind::kLinked, "config.worktree", Absent::kHoldFile},
    {FolderKind::kLinked, "commondir", Absent::kLeave},
    {FolderKind::kLinked, "modules", Absent::kLeave, FolderKind::kModules},
    {FolderKind::kJj, "repo", Absent::kLeave, FolderKind::kJjRepo},
    {FolderKind::kJj, "workspace-config.toml", Absent::kHoldFile},
    {FolderKind::kJj, "workspace-config-id", Absent::kMoveAside},
    {FolderKind::kJjRepo, "config.toml", Absent::kHoldFile},
    {FolderKind::kJjRepo, "config-id", Absent::kMoveAside},
    {FolderKind::kJjRepo, "store", Absent::kLeave, FolderKind::kJjStore},
    {FolderKind::kJjStore, "type", Absent::kLeave},
    {FolderKind::kJjStore, "git_target", Absent::kLeave},  // which git repository, and so which configuration
};

bool has_wildcard(std::string_view text) { return text.find_first_of("*?") != text.npos; }

// Goes back to the last star alone, so its time is at most the product of the lengths.
bool matches(std::string_view pattern, std::string_view text) {
    std::size_t p = 0, t = 0, star = pattern.npos, after = 0;
    while (t < text.size()) {
        if (p < pattern.size() && pattern[p] == '*') {
            star = p++;
            after = t;
        } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
            ++p;
            ++t;
        } else if (star != pattern.npos) {
            p = star + 1;
            t = ++after;
        } else {
            return false;
        }
    }
    return pattern.find_first_not_of('*', p) == pattern.npos;
}

// Whether the last components of `path` match those of `pattern`, one by one.
bool ends_with_components(std::string_view path, std::string_view pattern) {
    while (!pattern.empty()) {
        if (path.empty()) return false;
        const auto wanted = pattern.rfind('/'), found = path.rfind('/');
        if (!matches(pattern.substr(wanted + 1), path.substr(found + 1))) return false;
        pattern = wanted == pattern.npos ? "" : pattern.substr(0, wanted);
        path = found == path.npos ? "" : path.substr(0, found);
    }
    return true;
}

std::string_view trim_slashes(std::string_view text) {
    while (text.starts_with('/')) text.remove_prefix(1);
    while (text.ends_with('/')) text.remove_suffix(1);
    return text;
}

bool is_home_name(std::string_view name) { return std::ranges::find(kHomeNames, name) != kHomeNames.end(); }

}  // namespace

NamePatterns::NamePatterns(const std::vector<std::string>& patterns) {
    for (const std::string_view pattern : patterns) {
        const bool hides = !pattern.starts_with('!');
        const auto text = trim_slashes(pattern.substr(hides ? 0 : 1));
        if (text.empty()) continue;
        const auto slash = text.rfind('/');
        const auto name = slash == text.npos ? text : text.substr(slash + 1);
        patterns_.push_back(
            {std::string(slash == text.npos ? "" : text.substr(0, slash)), std::string(name), hides, shape_of(name)});
    }
}

bool NamePatterns::match(std::string_view folder, std::string_view name) const {
    for (auto pattern = patterns_.rbegin(); pattern != patterns_.rend(); ++pattern) {
        if (picks(*pattern, name) && ends_with_components(folder, pattern->above)) return pattern->hides;
    }
    return false;
}

NamePatterns::Shape NamePatterns::shape_of(std::string_view name) {
    if (!has_wildcard(name)) return Shape::kLiteral;
    if (name.starts_with('*') && !has_wildcard(name.substr(1))) return Shape::kEnd;
    if (name.ends_with('*') && !has_wildcard(name.substr(0, name.size() - 1))) return Shape::kBeginning;
    return Shape::kAny;
}

// Every name of a tree is held against every pattern, so the common shapes take no search.
bool NamePatterns::picks(const Pattern& pattern, std::string_view name) {
    const std::string_view text = pattern.name;
    switch (pattern.shape) {
        case Shape::kLiteral: return name == text;
        case Shape::kEnd: return name.ends_with(text.substr(1));
        case Shape::kBeginning: return name.starts_with(text.substr(0, text.size() - 1));
        case Shape::kAny: break;
    }
    return matches(text, name);
}

std::span<const GuardRule> guard_rules() { return kRules; }

const GuardRule* find_guard_rule(FolderKind in, std::string_view name) {
    for (const auto& rule : kRules)
        if (rule.in == in && name == rule.name) return &rule;
    return nullptr;
}

GuardRules::GuardRules(const std::vector<std::string>& secrets, const std::vector<std::string>& protect, bool git)
    : secrets_(secrets), protect_(protect), git_(git) {
    for (const auto& name : protect)
        if (!name.empty() && !has_wildcard(name) && name.find('/') == name.npos && !name.starts_with('!'))
            literal_.push_back(name);
}

GuardVerdict GuardRules::verdict(FolderKind in, std::string_view folder, std::string_view name, bool is_folder) const {
    if (git_ && in <= FolderKind::kTop)
        if (const auto* rule = find_guard_rule(FolderKind::kPlain, name))
            return GuardVerdict{is_folder ? GuardAction::kWalk : GuardAction::kReadOnly, rule->walk_as};
    if (secrets_.match(folder, name)) return {GuardAction::kHide};
    if (protect_.match(folder, name)) return {GuardAction::kReadOnly};
    return {is_folder ? GuardAction::kWalk : GuardAction::kNone};
}

std::vector<std::string> GuardRules::held_at_top(bool home_like) const {
    std::vector<std::string> held;
    for (const auto& name : literal_)
        if (home_like || !is_home_name(name)) held.push_back(name);
    return held;
}

std::vector<std::string> GuardRules::home_names() const {
    std::vector<std::string> names;
    std::ranges::copy_if(literal_, std::back_inserter(names), is_home_name);
    return names;
}

}  // namespace toren
