#include "policy/guard_rules.h"

#include <gtest/gtest.h>

namespace toren {
namespace {

struct VerdictCase {
    FolderKind in;
    const char* name;
    bool folder;
    GuardAction action;
    FolderKind walk_as = FolderKind::kPlain;
};

TEST(GuardRules, AVerdictIsTheRepositorysThenTheSecretsThenTheProtectedNames) {
    const GuardRules rules({".git", "*.key", ".vscode.key"}, {".vscode*", ".envrc"}, true);
    for (const auto& c :
         std::vector<VerdictCase>{{FolderKind::kPlain, ".git", true, GuardAction::kWalk, FolderKind::kGit},
                                  {FolderKind::kTop, ".git", true, GuardAction::kWalk, FolderKind::kGit},
                                  {FolderKind::kTop, ".git", false, GuardAction::kReadOnly, FolderKind::kGit},
                                  {FolderKind::kTop, ".jj", true, GuardAction::kWalk, FolderKind::kJj},
                                  {FolderKind::kPlain, "a.key", false, GuardAction::kHide},
                                  {FolderKind::kPlain, "a.key", true, GuardAction::kHide},
                                  {FolderKind::kPlain, ".vscode.key", true, GuardAction::kHide},
                                  {FolderKind::kPlain, ".vscode", true, GuardAction::kReadOnly},
                                  {FolderKind::kPlain, ".envrc", false, GuardAction::kReadOnly},
                                  {FolderKind::kPlain, "src", true, GuardAction::kWalk},
                                  {FolderKind::kPlain, "a.c", false, GuardAction::kNone}}) {
        const auto verdict = rules.verdict(c.in, "", c.name, c.folder);
        EXPECT_EQ(verdict.action, c.action) << c.name;
        EXPECT_EQ(verdict.walk_as, c.walk_as) << c.name;
    }
}

TEST(GuardRules, WithoutGitARepositoryIsAFolderAsAnyOther) {
    const GuardRules rules({}, {}, false);
    EXPECT_EQ(rules.verdict(FolderKind::kTop, "", ".git", true).walk_as, FolderKind::kPlain);
    EXPECT_EQ(rules.verdict(FolderKind::kTop, "", ".git", false).action, GuardAction::kNone);
}

// The names through which git runs something or believes another folder, each with what holds its place.
TEST(GuardRules, EveryKindOfGitdirHasItsNamesHeld) {
    struct Row {
        FolderKind in;
        const char* name;
        Absent absent;
    };
    for (const auto& [in, name, absent] : std::vector<Row>{{FolderKind::kGit, "hooks", Absent::kHoldFolder},
                                                           {FolderKind::kGit, "config", Absent::kHoldFile},
                                                           {FolderKind::kGit, "config.worktree", Absent::kHoldFile},
                                                           {FolderKind::kGit, "commondir", Absent::kMoveAside},
                                                           {FolderKind::kBare, "hooks", Absent::kHoldFolder},
                                                           {FolderKind::kBare, "config", Absent::kMoveAside},
                                                           {FolderKind::kBare, "commondir", Absent::kMoveAside},
                                                           {FolderKind::kLinked, "config.worktree", Absent::kHoldFile},
                                                           {FolderKind::kLinked, "commondir", Absent::kLeave},
                                                           {FolderKind::kJjRepo, "config.toml", Absent::kHoldFile}}) {
        const auto* rule = find_guard_rule(in, name);
        ASSERT_NE(rule, nullptr) << name;
        EXPECT_EQ(rule->absent, absent) << name;
    }
    for (const char* writable : {"index", "objects", "refs", "logs", "HEAD", "packed-refs", "info"})
        EXPECT_EQ(find_guard_rule(FolderKind::kGit, writable), nullptr) << writable;
}

TEST(GuardRules, NamesThatAShellReadsAreHeldWhereOneOfThemIs) {
    const GuardRules rules({}, {".vscode", ".bashrc", ".zshrc", "*.swp", "!x", "a/b"}, true);
    EXPECT_EQ(rules.held_at_top(false), (std::vector<std::string>{".vscode"}));
    EXPECT_EQ(rules.held_at_top(true), (std::vector<std::string>{".vscode", ".bashrc", ".zshrc"}));
    EXPECT_EQ(rules.home_names(), (std::vector<std::string>{".bashrc", ".zshrc"}));
}

}  // namespace
}  // namespace toren
