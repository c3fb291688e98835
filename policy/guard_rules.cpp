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
    // What the main worktree keeps beside what all share: its state is not the workspace's to write.
    {FolderKind::kCommon, "hooks", Absent::kHoldFolder},
    {FolderKind::kCommon, "config", Absent::kHoldFile},
    {FolderKind::kCommon, "config.worktree", Absent::kHoldFile},
    {FolderKind::kCommon, "commondir", Absent::kMoveAside},
    {FolderKind::kCommon, "modules", Absent::kLeave, FolderKind::kModules},
    {FolderKind::kCommon, "worktrees", Absent::kLeave, FolderKind::kSiblings},
    {FolderKind::kCommon, "logs", Absent::kLeave, FolderKind::kCommonLogs},
    {FolderKind::kCommon, "HEAD", Absent::kLeave},
    {FolderKind::kCommon, "index", Absent::kLeave},
    {FolderKind::kCommon, "ORIG_HEAD", Absent::kLeave},
    {FolderKind::kCommon, "FETCH_HEAD", Absent::kLeave},
    {FolderKind::kCommon, "MERGE_HEAD", Absent::kLeave},
    {FolderKind::kCommon, "MERGE_MSG", Absent::kLeave},
    {FolderKind::kCommon, "MERGE_MODE", Absent::kLeave},
    {FolderKind::kCommon, "CHERRY_PICK_HEAD", Absent::kLeave},
    {FolderKind::kCommon, "REVERT_HEAD", Absent::kLeave},
    {FolderKind::kCommon, "COMMIT_EDITMSG", Absent::kLeave},
    {FolderKind::kCommon, "rebase-merge", Absent::kLeave},
    {FolderKind::kCommon, "rebase-apply", Absent::kLeave},
    {FolderKind::kCommon, "sequencer", Absent::kLeave},
    {FolderKind::kCommonLogs, "HEAD", Absent::kLeave},
    {FolderKind::kJj, "repo", Absent::kLeave, FolderKind::kJjRepo},
    {FolderKind::kJj, "workspace-config.toml", Absent::kHoldFile},
    {FolderKind::kJj, "workspace-config-id", Absent::kMoveAside},
    {FolderKind::kJjRepo, "config.toml", Absent::kHoldFile},
    {FolderKind::kJjRepo, "config-id", Absent::kMoveAside},
    {FolderKind::kJjRepo, "store", Absent::kLeave, FolderKind::kJjStore},
    {FolderKind::kJjStore, "type", Absent::kLeave},
    {FolderKind::kJjStore, "git_target", Absent::kLeave},  // which git repository, and so which configuration
};

bool is_home_name(std::string_view name) { return std::ranges::find(kHomeNames, name) != kHomeNames.end(); }

}  // namespace

bool by_table(FolderKind kind) {
    return kind == FolderKind::kGit || kind == FolderKind::kLinked || kind >= FolderKind::kJj;
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
    if (const auto* pattern = secrets_.picks(folder, name))
        return {GuardAction::kHide, FolderKind::kPlain, pattern->c_str()};
    if (const auto* pattern = protect_.picks(folder, name))
        return {GuardAction::kReadOnly, FolderKind::kPlain, pattern->c_str()};
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
