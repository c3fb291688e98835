// What a command in a workspace may not do to the repository that the workspace shares with its segment and with other
// workspaces. Each attempt succeeds without guards.
#include <gtest/gtest.h>

#include "policy/guards.h"
#include "tests/unit/git_shell.h"
#include "tests/unit/guarded_cell.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

constexpr const char* kWorkspaces =
    "start; git worktree add -q -b one ../One; git worktree add -q -b two ../Two; git commit -q --allow-empty -m more; "
    "git reset -q --hard HEAD; git fetch -q . main; echo x >.git/hooks/pre-commit; rm -f .git/hooks/*.sample";

// A segment's repository with two worktrees; the cell is the first one's.
class Workspace {
public:
    explicit Workspace(bool guarded) : segment_(folder_.folder("segment")), one_(folder_.path() + "/One") {
        const auto made = vcs::git_shell(segment_, kWorkspaces);
        EXPECT_EQ(made.code, 0) << made.output;
        const std::string common = segment_ + "/.git";
        GuardSpec spec{.trees = {one_, common}, .secrets = {".env"}, .protect = {".envrc"}};
        spec.common = common;
        spec.worktree = "One";
        Profile profile;
        profile.writable = {common};
        cell_.emplace(one_, guarded ? std::optional(spec) : std::nullopt, profile);
        EXPECT_TRUE(cell_->stands()) << cell_->error();
    }

    Ran run(const std::string& script) {
        return cell_->run(
            "export GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@example.org "
            "GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org; G='" +
            segment_ + "/.git'; cd '" + one_ + "'; " + script);
    }
    vcs::Shell on_host(const std::string& script) { return vcs::git_shell(segment_, script); }

private:
    TempFolder folder_;
    std::string segment_, one_;
    std::optional<GuardedCell> cell_;
};

struct Attempt {
    const char* name;
    const char* script;
};

void PrintTo(const Attempt& attempt, std::ostream* out) { *out << attempt.name; }

class WorkspaceGuards : public testing::TestWithParam<Attempt> {};

TEST_P(WorkspaceGuards, RefuseWhatSucceedsWithoutThem) {
    for (const bool guarded : {true, false}) {
        Workspace workspace(guarded);
        const auto ran = workspace.run(GetParam().script);
        EXPECT_NE(ran.code, 126) << ran.output;
        if (guarded) EXPECT_NE(ran.code, 0) << "it succeeds under guards: " << ran.output;
        else EXPECT_EQ(ran.code, 0) << "the control fails: " << ran.output;
    }
}

constexpr Attempt kAttempts[] = {
    {"ANewHook", "echo x >$G/hooks/post-commit"},
    {"AnotherHook", "echo x >$G/hooks/pre-commit"},
    {"HooksReplaced", "mv $G/hooks $G/aside && mkdir $G/hooks"},
    {"TheConfiguration", "git config core.fsmonitor evil"},
    {"TheConfigurationsFile", "echo x >>$G/config"},
    {"TheConfigurationReplaced", "cp $G/config c && mv -f c $G/config"},
    {"AWorktreeConfiguration", "echo x >$G/config.worktree"},
    {"TheMainHead", "echo ref: refs/heads/evil >$G/HEAD"},
    {"TheMainHeadReplaced", "cp $G/HEAD h && mv -f h $G/HEAD"},
    {"TheMainIndex", "echo x >$G/index"},
    {"TheMainIndexRemoved", "rm -f $G/index && test ! -e $G/index"},
    {"TheMainReflog", "echo x >>$G/logs/HEAD"},
    {"TheMainReflogReplaced", "cp $G/logs/HEAD l && mv -f l $G/logs/HEAD"},
    {"WhatTheMainOneFetched", "echo x >$G/FETCH_HEAD"},
    {"AnothersHead", "echo ref: refs/heads/evil >$G/worktrees/Two/HEAD"},
    {"AnothersIndex", "rm -f $G/worktrees/Two/index && test ! -e $G/worktrees/Two/index"},
    {"AnothersPlace", "pwd >$G/worktrees/Two/gitdir"},
    {"AnothersConfiguration", "echo x >$G/worktrees/Two/config.worktree"},
    {"AnotherMovedAside", "mv $G/worktrees/Two $G/worktrees/Three"},
    {"AllMovedAside", "mv $G/worktrees $G/aside"},
    {"ItsOwnCommondir", "pwd >$G/worktrees/One/commondir"},
    {"ItsOwnConfiguration", "echo x >$G/worktrees/One/config.worktree"},
    {"ItsOwnStateMovedAside", "mv $G/worktrees/One $G/worktrees/Three"},
    {"ItsGitfile", "echo 'gitdir: /tmp' >.git"},
    {"ItsGitfileReplaced", "echo 'gitdir: /tmp' >g && mv -f g .git"},
};

INSTANTIATE_TEST_SUITE_P(Of, WorkspaceGuards, testing::ValuesIn(kAttempts),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(WorkspaceGuardsWork, GitWorksUnderThem) {
    Workspace workspace(true);
    for (const char* script :
         {"echo x >>a && git -c core.hooksPath=/dev/null commit -q -am more",
          "echo y >>a && git stash -q && git stash pop -q && git checkout -q a",
          "git switch -q -c other && git -c core.hooksPath=/dev/null commit -q --allow-empty -m other && git switch -q "
          "one",
          "git -c core.hooksPath=/dev/null merge -q --no-edit other", "git tag mine && git branch -D -q other",
          "test -z \"$(git status --porcelain)\""}) {
        const auto ran = workspace.run(script);
        EXPECT_EQ(ran.code, 0) << script << "\n" << ran.output;
    }
    EXPECT_EQ(workspace.on_host("git fsck --no-dangling 2>&1; git log -1 --format=%s one").output, "other\n");
    EXPECT_EQ(workspace.on_host("git status --porcelain; git log -1 --format=%s").output, "more\n");
}

}  // namespace
}  // namespace toren
