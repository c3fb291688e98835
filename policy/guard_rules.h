// What guards do with a name: which names are hidden, which are read-only, and what of a repository is held. Pure:
// texts in, a verdict out; guard_walk.cpp finds the names and guard_mounts.cpp carries the verdicts out, and
// explain_guards.cpp tells them.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "policy/name_patterns.h"

namespace toren {

// What a folder is to the walk.
enum class FolderKind : std::uint8_t {
    kPlain,
    kTop,         // the segment's own
    kGit,         // a repository's: `.git`, or a submodule's below `modules`
    kBare,        // found by HEAD, objects and refs: rules of its own on top of those for a plain folder
    kLinked,      // one worktree's, below `worktrees`
    kModules,     // `modules` of a repository, and the folders between it and the submodules' repositories
    kWorktrees,   // `worktrees` of a repository
    kSiblings,    // the same where the cell is a workspace: one of them is its own
    kJj,          // `.jj`
    kJjRepo,      // `.jj/repo`
    kJjStore,     // `.jj/repo/store`
    kCommon,      // a repository's own folder where the cell is a workspace of it
    kCommonLogs,  // `logs` of it
};

// Whether the table alone speaks of what is in such a folder. `modules` and `worktrees` hold only folders of a kind,
// and elsewhere the operator's patterns speak.
bool by_table(FolderKind kind);

// What is done where a name that a rule speaks of is not there.
enum class Absent : std::uint8_t {
    kLeave,
    kHoldFolder,  // an empty folder takes its place
    kHoldFile,    // an empty file does, where that means the same to the tool as none
    kMoveAside,   // nothing can stand for it: moved aside as soon as it appears
};

// One row of the table: a name that a tool reads to decide what it runs.
struct GuardRule {
    FolderKind in;
    const char* name;
    Absent absent;
    FolderKind walk_as = FolderKind::kPlain;  // a folder of this name is walked as that; kPlain: it is read-only
};

std::span<const GuardRule> guard_rules();
const GuardRule* find_guard_rule(FolderKind in, std::string_view name);

enum class GuardAction : std::uint8_t { kNone, kHide, kReadOnly, kWalk };

struct GuardVerdict {
    GuardAction action = GuardAction::kNone;
    FolderKind walk_as = FolderKind::kPlain;  // what a repository's name says its folder is; of a gitfile as well
    const char* pattern = nullptr;            // the operator's, where one decided
};

class GuardRules {
public:
    GuardRules(const std::vector<std::string>& secrets, const std::vector<std::string>& protect, bool git);

    // `in` is kPlain or kTop: elsewhere the table alone speaks.
    GuardVerdict verdict(FolderKind in, std::string_view folder, std::string_view name, bool is_folder) const;
    bool git() const { return git_; }
    // The protected names that are held at the segment's top where they are absent. `home_like`: one of the files that
    // a login shell reads is there; elsewhere nothing reads them, and none is held.
    std::vector<std::string> held_at_top(bool home_like) const;
    std::vector<std::string> home_names() const;  // of the protected ones

private:
    NamePatterns secrets_, protect_;
    std::vector<std::string> literal_;  // protected names without wildcards
    bool git_;
};

}  // namespace toren
