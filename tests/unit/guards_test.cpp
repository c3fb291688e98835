#include "policy/guards.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/un.h>

#include <cstdio>
#include <memory>

#include "tests/unit/guarded_cell.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

namespace fs = std::filesystem;

// The host's side: an ordinary shell in the segment, with git configured by nobody.
constexpr const char* kHostSetup =
    "set -e; export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null LC_ALL=C GIT_AUTHOR_NAME=a "
    "GIT_AUTHOR_EMAIL=a@example.org GIT_COMMITTER_NAME=a GIT_COMMITTER_EMAIL=a@example.org; umask 022;\n";

// A repository with a hook that works.
constexpr const char* kRepository =
    "git init -q -b main .; printf '#!/bin/sh\\necho ran >>hook-ran\\n' >.git/hooks/pre-commit; "
    "chmod +x .git/hooks/pre-commit; printf 'hook-ran\\n' >.git/info/exclude; echo a >a; git add a; "
    "git commit -q -m first; rm -f hook-ran;\n";

// And one with everything that has a gitdir: a submodule, a worktree, nested and bare repositories.
constexpr const char* kEverything =
    "mkdir ../lib; (cd ../lib; git init -q -b main .; echo l >l; git add l; git commit -q -m l);"
    "git -c protocol.file.allow=always submodule --quiet add ../lib sub 2>/dev/null; git commit -q -m sub;"
    "git worktree add -q -b wt wt; git init -q -b main vendor/deep/nested; mkdir vendor/free;"
    "(cd vendor/deep/nested; echo n >n; git add n; git commit -q -m n); git clone -q --bare . bare.git;"
    "printf 'wt\\nvendor\\nbare.git\\nhook-ran\\n' >.git/info/exclude; rm -f hook-ran;\n";

Ran host(const std::string& folder, const std::string& script) {
    const std::string file = folder + ".sh";
    std::ofstream(file) << kHostSetup << "cd '" << folder << "'\n" << script << "\n";
    Ran ran;
    const std::unique_ptr<FILE, int (*)(FILE*)> pipe(::popen(("sh '" + file + "' 2>&1").c_str(), "r"),
                                                     [](FILE*) { return 0; });
    char buffer[4096];
    for (std::size_t length = 0; (length = std::fread(buffer, 1, sizeof buffer, pipe.get())) > 0;)
        ran.output.append(buffer, length);
    ran.code = ::pclose(pipe.get());
    return ran;
}

GuardSpec spec_for(const std::string& segment) {
    return {.trees = {segment},
            .secrets = {".env", ".env.*", "!.env.example", "*.pem", ".ssh", ".docker/config.json"},
            .protect = {".vscode", ".envrc", ".mcp.json", ".bashrc", ".zshrc"}};
}

class GuardsTest : public testing::Test {
protected:
    void prepare(const std::string& script) {
        segment_ = folder_.folder("segment");
        const auto ran = host(segment_, script);
        ASSERT_EQ(ran.code, 0) << script << "\n" << ran.output;
    }
    Ran on_host(const std::string& script) { return host(segment_, script); }
    std::string operator/(const std::string& name) const { return segment_ + "/" + name; }

    TempFolder folder_;
    std::string segment_;
};

struct Attack {
    const char* name;
    std::string setup;
    std::string attempt;  // exits with 0 where it succeeds
};

void PrintTo(const Attack& attack, std::ostream* out) { *out << attack.name; }

class GuardsAttackTest : public testing::TestWithParam<Attack> {};

TEST_P(GuardsAttackTest, IsRefusedAndSucceedsWithoutGuards) {
    TempFolder folder;
    const auto segment = folder.folder("segment");
    const auto made = host(segment, GetParam().setup);
    ASSERT_EQ(made.code, 0) << made.output;
    for (const bool guarded : {true, false}) {
        GuardedCell cell(segment, guarded ? std::optional(spec_for(segment)) : std::nullopt);
        ASSERT_TRUE(cell.stands()) << cell.error();
        const auto ran = cell.run(GetParam().attempt);
        EXPECT_NE(ran.code, 126) << ran.output;
        if (guarded) EXPECT_NE(ran.code, 0) << "it succeeds under guards: " << ran.output;
        else EXPECT_EQ(ran.code, 0) << "the control fails: " << ran.output;
        if (guarded) cell.release();
    }
    host(segment, "chmod -R u+rwx .");
}

const std::string kRepo = kRepository;
const std::string kAll = kRepo + kEverything;
const std::string kJj = "mkdir -p .jj/repo/store; echo git >.jj/repo/store/type; ";

const std::vector<Attack> kGitAttacks = {
    {"NewHook", kRepo, "echo x >.git/hooks/pre-push"},
    {"HookChanged", kRepo, "echo x >>.git/hooks/pre-commit"},
    {"HookRemoved", kRepo, "rm -f .git/hooks/pre-commit"},
    {"HookMadeExecutable", kRepo + "chmod -x .git/hooks/pre-commit", "chmod +x .git/hooks/pre-commit"},
    {"HooksRenamed", kRepo, "mv .git/hooks .git/h2"},
    {"HooksRemoved", kRepo, "rm -rf .git/hooks && mkdir .git/hooks"},
    {"HooksReplacedByLink", kRepo, "mkdir -p evil; rm -rf .git/hooks; ln -s ../evil .git/hooks"},
    {"HooksRenamedOver", kRepo + "rm .git/hooks/*", "mkdir -p evil; echo x >evil/post-commit; mv -T evil .git/hooks"},
    {"HooksExchanged", kRepo,
     "mkdir -p evil; python3 -c 'import ctypes,sys; "
     "sys.exit(ctypes.CDLL(None).renameat2(-100,b\"evil\",-100,b\".git/hooks\",2)!=0)'"},
    {"HooksAbsent", kRepo + "rm -rf .git/hooks", "mkdir -p .git/hooks; echo x >.git/hooks/post-commit"},
    {"HooksAbsentLinked", kRepo + "rm -rf .git/hooks", "mkdir -p evil; ln -sT ../evil .git/hooks"},
    {"HooksLinkTarget", kRepo + "mv .git/hooks mine; ln -s ../mine .git/hooks", "echo x >mine/pre-push"},
    {"HooksLinkReplaced", kRepo + "mv .git/hooks mine; ln -s ../mine .git/hooks",
     "mkdir -p e; ln -sfn ../e .git/hooks"},
    {"HooksLinkTargetMoved", kRepo + "mkdir in; mv .git/hooks in/mine; ln -s ../in/mine .git/hooks",
     "mv in x; mkdir -p in/mine"},
    {"HookOfACopy", kRepo, "cp -r .git e; echo x >e/hooks/pre-push; mv -T .git g; mv e .git"},
    {"ConfigWritten", kRepo, "echo >>.git/config"},
    {"ConfigByGit", kRepo, "git config core.pager evil"},
    {"ConfigRenamed", kRepo, "mv .git/config .git/c2"},
    {"ConfigRenamedOver", kRepo, "echo '[core]' >c; mv -f c .git/config"},
    {"ConfigReplacedByLink", kRepo, "ln -sf /tmp/x c; mv -fT c .git/config"},
    {"ConfigRemoved", kRepo, "rm -f .git/config"},
    {"ConfigTruncated", kRepo, "truncate -s 0 .git/config"},
    {"ConfigHardLinked", kRepo, "ln .git/config c; echo >>c"},
    {"ConfigLinkTarget", kRepo + "mv .git/config c; ln -s ../c .git/config", "echo >>c"},
    {"ConfigWorktree", kRepo, "echo '[core]' >.git/config.worktree"},
    {"GitdirRenamed", kRepo, "mv .git .git.old"},
    {"GitdirRenamedAndReplaced", kRepo, "mv .git g; git init -q ."},
    {"SubmoduleHook", kAll, "echo x >.git/modules/sub/hooks/pre-push"},
    {"SubmoduleConfig", kAll, "git -C sub config core.pager evil"},
    {"SubmoduleGitdirRenamed", kAll, "mv .git/modules/sub .git/modules/s2"},
    {"ModulesRenamed", kAll, "mv .git/modules .git/m2"},
    {"SubmoduleMoved", kAll, "mv sub s2 && mkdir sub && echo 'gitdir: ../evil' >sub/.git"},
    {"GitfileWritten", kAll, "echo 'gitdir: /tmp' >sub/.git"},
    {"GitfileReplaced", kAll, "rm -f sub/.git; mkdir sub/.git"},
    {"WorktreeCommondir", kAll, "echo /tmp >.git/worktrees/wt/commondir"},
    {"WorktreeCommondirReplaced", kAll, "echo /tmp >c; mv -f c .git/worktrees/wt/commondir"},
    {"WorktreeConfig", kAll, "echo '[core]' >.git/worktrees/wt/config.worktree"},
    {"WorktreesRenamed", kAll, "mv .git/worktrees .git/w2"},
    {"WorktreeGitfile", kAll, "echo 'gitdir: /tmp' >wt/.git"},
    {"NestedHook", kAll, "echo x >vendor/deep/nested/.git/hooks/pre-push"},
    {"NestedMoved", kAll, "mv vendor/deep/nested vendor/deep/n2"},
    {"NestedParentMoved", kAll, "mv vendor/deep vendor/d2"},
    {"NestedTopMoved", kAll, "mv vendor v2"},
    {"BareHook", kAll, "echo x >bare.git/hooks/pre-push"},
    {"BareConfig", kAll, "git -C bare.git config core.pager evil"},
    {"BareMoved", kAll, "mv bare.git b2"},
    {"JjConfigAbsent", kJj, "echo x >.jj/repo/config.toml"},
    {"JjConfig", kJj + "echo >.jj/repo/config.toml", "echo x >>.jj/repo/config.toml"},
    {"JjRepoMoved", kJj, "mv .jj/repo .jj/r2"},
    {"JjRepoFile", "mkdir .jj; echo x >.jj/repo", "echo y >.jj/repo"},
};

const std::string kSecretHere = "echo secret >.env; mkdir -p d/e; echo secret >d/e/k.pem;";

const std::vector<Attack> kNameAttacks = {
    {"ProtectedFolderAbsent", "", "mkdir -p .vscode; echo x >.vscode/tasks.json"},
    {"ProtectedFileAbsent", "", "echo x >.envrc"},
    {"ProtectedFilePlaceholderReplaced", "", "echo x >e; rm -rf .envrc; mv -T e .envrc"},
    {"ProtectedFolder", "mkdir .vscode; echo >.vscode/settings.json", "echo x >.vscode/tasks.json"},
    {"ProtectedBelow", "mkdir -p a/b; echo >a/b/.envrc", "echo x >>a/b/.envrc"},
    {"ProtectedBelowReplaced", "mkdir -p a/b; echo >a/b/.envrc", "echo x >e; mv -f e a/b/.envrc"},
    {"ProtectedLinkReplaced", "echo >real; ln -s real .envrc", "ln -sf /tmp/x .envrc"},
    {"ProtectedLinkTarget", "echo >real; ln -s real .envrc", "echo x >>real"},
    {"ShellNameOfAHome", "echo >.zshrc", "echo x >.bashrc"},
    {"SecretRead", kSecretHere, "cat .env"},
    {"SecretBelowRead", kSecretHere, "cat d/e/k.pem"},
    {"SecretOpenedUp", kSecretHere, "chmod 644 .env; cat .env"},
    {"SecretRenamed", kSecretHere, "mv .env x; cat x"},
    {"SecretHardLinked", kSecretHere, "ln .env x; cat x"},
    {"SecretExecutedByProc", kSecretHere, "exec 5<d; cat /proc/self/fd/5/e/k.pem"},
    {"SecretFolderMovedIntoARepository", kRepo + kSecretHere, "mv d .git/d"},
    {"SecretFolder", "mkdir .ssh; echo s >.ssh/id", "cat .ssh/id"},
    {"SecretFolderListed", "mkdir .ssh; echo s >.ssh/id", "ls .ssh"},
    {"SecretInAFolder", "mkdir -p h/.docker; echo s >h/.docker/config.json", "cat h/.docker/config.json"},
    {"SecretAlias", "echo s >.env; ln .env plain.txt", "cat plain.txt"},
    {"SecretAliasBefore", "mkdir a z; echo s >z/k.pem; ln z/k.pem a/plain; ln z/k.pem z/other", "cat a/plain"},
    {"SecretLinkTarget", "mkdir a; echo s >a/real; ln -s a/real .env", "cat a/real"},
    {"SecretWithOddBytes", "echo s >\"$(printf '\\377\\n\\t')x.pem\"", "cat ./*.pem"},
    {"SecretInAnUnreadableFolder", "mkdir locked; echo s >locked/.env; chmod 0 locked",
     "chmod 755 locked; cat locked/.env"},
    {"SecretInAnUnsearchableFolder", "mkdir locked; echo s >locked/.env; chmod 0444 locked",
     "chmod 755 locked; cat locked/.env"},
    {"SecretInWhatLooksBare", "mkdir -p b/refs b/objects; echo >b/HEAD; echo s >b/objects/.env", "cat b/objects/.env"},
    {"SecretInAProtectedFolder", "mkdir .vscode; echo s >.vscode/.env", "cat .vscode/.env"},
};

std::string attack_name(const testing::TestParamInfo<Attack>& info) { return info.param.name; }
INSTANTIATE_TEST_SUITE_P(Git, GuardsAttackTest, testing::ValuesIn(kGitAttacks), attack_name);
INSTANTIATE_TEST_SUITE_P(Names, GuardsAttackTest, testing::ValuesIn(kNameAttacks), attack_name);

// By path: no name that a pattern knows.
TEST_F(GuardsTest, AHiddenPathStaysHiddenWhateverIsDoneToIt) {
    prepare("mkdir -p conf; echo top >conf/plans; ln conf/plans other; mkdir free");
    auto spec = spec_for(segment_);
    spec.hidden = {*this / "conf/plans", *this / "later"};
    for (const bool guarded : {true, false}) {
        {
            GuardedCell cell(segment_, guarded ? std::optional(spec) : std::nullopt);
            ASSERT_TRUE(cell.stands()) << cell.error();
            EXPECT_EQ(cell.run("mv free elsewhere; mv elsewhere free").code, 0);
            EXPECT_EQ(cell.run("cat conf/plans").code == 0, !guarded);
            EXPECT_EQ(cell.run("cat other").code == 0, !guarded) << "another name of it";
            ASSERT_EQ(on_host("echo late >later").code, 0);
            EXPECT_EQ(cell.run("cat later").code == 0, !guarded) << "what was made after the start";
            // The next cell would look for it where it was.
            EXPECT_EQ(cell.run("mv conf moved").code == 0, !guarded);
        }
        GuardedCell next(segment_, guarded ? std::optional(spec) : std::nullopt);
        ASSERT_TRUE(next.stands()) << next.error();
        EXPECT_EQ(next.run("cat conf/plans moved/plans").output.find("top") != std::string::npos, !guarded);
        ASSERT_EQ(on_host("rm later").code, 0);
    }
}

TEST_F(GuardsTest, GitWorksInAGuardedRepository) {
    prepare(kAll);
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    const std::pair<const char*, const char*> steps[] = {
        {"a commit runs its hook", "echo b >>a; git commit -q -a -m second; test \"$(cat hook-ran)\" = ran"},
        {"branches and merges",
         "git checkout -q -b side; echo s >s; git add s; git commit -q -m side; git checkout -q "
         "main; git merge -q --no-ff -m merge side"},
        {"rebase",
         "git checkout -q -b topic HEAD~1; echo t >t; git add t; git commit -q -m topic; git rebase -q main; "
         "git checkout -q main"},
        {"stash", "echo c >>a; git stash -q; git diff --quiet; git stash pop -q; git checkout -q a"},
        {"a worktree is added and committed in",
         "git worktree add -q -b new new; cd new; echo n >n; git add n; git "
         "commit -q -m new; test -e hook-ran; cd ..; git worktree remove --force new"},
        {"an old worktree", "cd wt; echo w >w; git add w; git commit -q -m w"},
        {"a submodule", "cd sub; echo s >>l; git commit -q -a -m s; cd ..; git add sub; git commit -q -m bump"},
        {"a nested repository", "cd vendor/deep/nested; echo n >>n; git commit -q -a -m n"},
        {"a bare repository", "git push -q ./bare.git main:pushed"},
        {"gc", "git gc -q --prune=now; git fsck"},
        {"tags and status", "git tag v1; test -z \"$(git status --porcelain)\""},
        {"a repository of the command's own",
         "git init -q own; cd own; git config user.name x; echo o >o; git add o; "
         "git commit -q -m o; git config user.name y; git remote add o /x"},
        {"a clone of the command's own", "git clone -q . clone; cd clone; git config a.b c; cd ..; rm -rf clone own"},
        {"renames across what is pinned",
         "echo f >f; python3 -c 'import os; os.rename(\"f\", \"vendor/deep/f\"); "
         "os.rename(\"vendor/deep/f\", \".git/f\"); os.link(\".git/f\", \"f\")'"},
    };
    for (const auto& [what, script] : steps) {
        const auto ran = cell.run(script);
        EXPECT_EQ(ran.code, 0) << what << ": " << ran.output;
    }
    EXPECT_EQ(on_host("git fsck; git -C sub fsck").code, 0);
}

TEST_F(GuardsTest, ASecretThatAppearsLaterIsHiddenFromARunningCommand) {
    prepare("mkfifo go ready; mkdir d; echo x >visible");
    for (const bool guarded : {false, true}) {
        GuardedCell cell(segment_, guarded ? std::optional(spec_for(segment_)) : std::nullopt);
        ASSERT_TRUE(cell.stands()) << cell.error();
        cell.start("echo ready >ready; cat go; cat visible; cat d/.env; cat new/deep/k.pem");
        ASSERT_EQ(on_host("cat ready; echo secret >d/.env; mkdir -p new/deep; echo secret >new/deep/k.pem").code, 0);
        EXPECT_EQ(cell.refresh(), "ok");
        ASSERT_EQ(on_host("echo >go").code, 0);
        const auto ran = cell.join();
        EXPECT_NE(ran.output.find("x\n"), std::string::npos);
        EXPECT_EQ(ran.code == 0, !guarded) << ran.output;
        EXPECT_EQ(ran.output.find("secret") == std::string::npos, guarded);
        ASSERT_EQ(on_host("rm -rf d/.env new").code, 0);
    }
}

TEST_F(GuardsTest, ASecretThatTheHostReplacesIsHiddenAgain) {
    prepare("echo secret >.env");
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    ASSERT_EQ(on_host("echo secret2 >t; mv -f t .env").code, 0);
    EXPECT_NE(cell.run("cat .env").code, 0);
    ASSERT_EQ(on_host("rm .env; echo secret3 >plain; mv plain .env.local; ln .env.local plain").code, 0);
    EXPECT_NE(cell.run("cat .env.local").code, 0);
    EXPECT_NE(cell.run("cat plain").code, 0);
    ASSERT_EQ(on_host("mkdir m; echo s >m/.env").code, 0);
    EXPECT_NE(cell.run("cat m/.env").code, 0);
    ASSERT_EQ(on_host("mv m n; echo s >n/k.pem").code, 0);
    EXPECT_NE(cell.run("cat n/.env").code, 0);
    EXPECT_NE(cell.run("cat n/k.pem").code, 0);
}

TEST_F(GuardsTest, WhatTheHostReplacesInARepositoryIsGuardedAgain) {
    prepare(kAll);
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    ASSERT_EQ(on_host("git config a.b c; rm -rf .git/hooks; git -C sub config a.b c; rm -rf .vscode; mkdir .vscode; "
                      "mv vendor/deep/nested/.git x; cp -r x vendor/deep/nested/.git; rm -rf x")
                  .code,
              0);
    for (const char* attempt :
         {"echo >>.git/config", "mkdir -p .git/hooks; echo >.git/hooks/x", "echo >>.git/modules/sub/config",
          "echo >.vscode/x", "echo >vendor/deep/nested/.git/hooks/x", "mv vendor/deep/nested vendor/deep/n"}) {
        const auto ran = cell.run(attempt);
        EXPECT_NE(ran.code, 0) << attempt << ran.output;
    }
    EXPECT_EQ(on_host("test \"$(git config a.b)\" = c").code, 0);
}

TEST_F(GuardsTest, ACommondirThatACommandMakesIsMovedAside) {
    prepare(kAll);
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    EXPECT_EQ(cell.run("echo /tmp >.git/commondir; echo /tmp >.git/modules/sub/commondir; mkdir -p bare.git/commondir "
                       "bare.git/commondir.refused-by-toren/full")
                  .code,
              0);
    EXPECT_EQ(cell.refresh(), "ok");
    for (const char* made : {".git/commondir", ".git/modules/sub/commondir", "bare.git/commondir"})
        EXPECT_FALSE(fs::exists(*this / made)) << made;
    EXPECT_TRUE(fs::exists(*this / ".git/commondir.refused-by-toren"));
    EXPECT_EQ(cell.run("git status").code, 0);
}

TEST_F(GuardsTest, ARepositoryOfTheHostsIsGuardedWhereNoCommandRan) {
    prepare("");
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    ASSERT_EQ(on_host("git init -q later").code, 0);
    EXPECT_EQ(cell.refresh(false), "ok");
    EXPECT_NE(cell.run("echo >later/.git/hooks/x").code, 0);
    EXPECT_NE(cell.run("mv later l2").code, 0);
}

TEST_F(GuardsTest, PlaceholdersGoWithTheCell) {
    prepare(kRepo + "rm -rf .git/hooks; mkdir .mcp.json");  // as one that was left by a killed cell
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    for (const char* held : {".vscode", ".envrc", ".mcp.json", ".git/hooks", ".git/config.worktree"})
        EXPECT_TRUE(fs::exists(*this / held)) << held;
    EXPECT_FALSE(fs::exists(*this / ".bashrc"));  // no home
    EXPECT_EQ(on_host("test -z \"$(git status --porcelain)\"").code, 0);
    ASSERT_EQ(on_host("echo x >.vscode/mine").code, 0);
    cell.release();
    for (const char* held : {".envrc", ".mcp.json", ".git/hooks", ".git/config.worktree"})
        EXPECT_FALSE(fs::exists(*this / held)) << held;
    EXPECT_TRUE(fs::exists(*this / ".vscode/mine"));
}

TEST_F(GuardsTest, AReadOnlySegmentGetsNoPlaceholderAndItsSecretsAreHidden) {
    prepare(kRepo + kSecretHere + "rm -rf .git/hooks");
    GuardedCell cell(segment_, spec_for(segment_), {.name = "test", .writes = false});
    ASSERT_TRUE(cell.stands()) << cell.error();
    for (const char* held : {".vscode", ".git/hooks"}) EXPECT_FALSE(fs::exists(*this / held)) << held;
    EXPECT_NE(cell.run("cat .env").code, 0);
    EXPECT_EQ(cell.run("git log -1").code, 0);
    EXPECT_NE(cell.run("mkdir .git/hooks").code, 0);
}

TEST_F(GuardsTest, FurtherTreesAndFilesAreGuarded) {
    prepare("mkdir -p ../other/d; echo s >../other/d/.env; ln ../other/d/.env ../alias; echo n >../.npmrc");
    const Profile profile{
        .name = "test", .read_only = {folder_ / "alias", folder_ / ".npmrc"}, .writable = {folder_ / "other"}};
    for (const bool guarded : {false, true}) {
        auto spec = spec_for(segment_);
        spec.secrets.emplace_back(".npmrc");
        for (const char* tree : {"other", "alias", ".npmrc"}) spec.trees.push_back(folder_ / tree);
        GuardedCell cell(segment_, guarded ? std::optional(spec) : std::nullopt, profile);
        ASSERT_TRUE(cell.stands()) << cell.error();
        EXPECT_EQ(cell.run("cat ../other/d/.env").code == 0, !guarded);
        EXPECT_EQ(cell.run("cat ../alias").code == 0, !guarded);
        EXPECT_EQ(cell.run("cat ../.npmrc").code, 0);  // named by the operator
    }
}

class Listener {
public:
    explicit Listener(const std::string& path) : fd_(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
        sockaddr_un address{.sun_family = AF_UNIX, .sun_path = {}};
        path.copy(address.sun_path, sizeof address.sun_path - 1);
        EXPECT_EQ(::bind(fd_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
        EXPECT_EQ(::listen(fd_.get(), 4), 0);
    }

private:
    UniqueFd fd_;
};

std::string connect_to(const std::string& path) {
    return "python3 -c 'import socket; socket.socket(socket.AF_UNIX).connect(\"" + path + "\")'";
}

TEST_F(GuardsTest, SocketsOfTheHostAreHiddenAndTheCellsOwnAreNot) {
    prepare("mkdir d");
    const Listener early(*this / "early.sock");
    for (const bool guarded : {false, true}) {
        GuardedCell cell(segment_, guarded ? std::optional(spec_for(segment_)) : std::nullopt);
        ASSERT_TRUE(cell.stands()) << cell.error();
        const Listener late(*this / (guarded ? "d/late.sock" : "d/late0.sock"));
        EXPECT_EQ(cell.run(connect_to("early.sock")).code == 0, !guarded);
        EXPECT_EQ(cell.run(connect_to(guarded ? "d/late.sock" : "d/late0.sock")).code == 0, !guarded);
    }
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    ASSERT_EQ(on_host("mkfifo go ready").code, 0);
    cell.start(
        "python3 -c 'import socket; s = socket.socket(socket.AF_UNIX); s.bind(\"d/own.sock\"); s.listen(); "
        "open(\"ready\", \"w\").close(); open(\"go\").read(); socket.socket(socket.AF_UNIX).connect(\"d/own.sock\")'");
    ASSERT_EQ(on_host("cat ready").code, 0);
    EXPECT_EQ(cell.refresh(), "ok");
    ASSERT_EQ(on_host("echo >go").code, 0);
    const auto ran = cell.join();
    EXPECT_EQ(ran.code, 0) << ran.output;
}

TEST_F(GuardsTest, TheMasksAndCopiesAreOutOfReach) {
    prepare(kAll + kSecretHere);
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    const auto ran =
        cell.run("find / -xdev -name pins 2>/dev/null || :; ls -A /dev/shm; touch /dev/shm/works; ls /dev/shm");
    EXPECT_EQ(ran.output, "works\n");
}

TEST_F(GuardsTest, AFolderTooDeepToLookIntoIsHidden) {
    prepare("p=.; i=0; while test $i -lt 210; do p=$p/d; i=$((i+1)); done; mkdir -p $p; echo s >$p/.env");
    const std::string reach = "i=0; while test $i -lt 210; do cd d; i=$((i+1)); done; cat .env";
    for (const bool guarded : {false, true}) {
        GuardedCell cell(segment_, guarded ? std::optional(spec_for(segment_)) : std::nullopt);
        ASSERT_TRUE(cell.stands()) << cell.error();
        EXPECT_EQ(cell.run(reach).code == 0, !guarded);
    }
}

TEST_F(GuardsTest, LostEventsAreMadeUpForByAnotherWalk) {
    prepare("mkdir d");
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    std::ifstream limit("/proc/sys/fs/inotify/max_queued_events");
    int most = 0;
    limit >> most;
    if (most == 0 || most > 100000) GTEST_SKIP() << "fs.inotify.max_queued_events is too large to be reached";
    for (int i = 0; i < most + 100; ++i) folder_.file("segment/d/" + std::to_string(i), "");
    folder_.file("segment/d/.env", "secret");
    EXPECT_NE(cell.run("cat d/.env").code, 0);
}

TEST_F(GuardsTest, ATreeThatIsNotThereIsAnError) {
    prepare("");
    auto spec = spec_for(segment_);
    spec.trees.push_back(folder_ / "missing");
    GuardedCell cell(segment_, spec);
    EXPECT_FALSE(cell.stands());
    EXPECT_NE(cell.error().find("missing"), std::string::npos) << cell.error();
}

TEST_F(GuardsTest, StandingCostsLittle) {
    prepare(kRepo);
    {
        GuardedCell cell(segment_, spec_for(segment_));
        ASSERT_TRUE(cell.stands()) << cell.error();
        RecordProperty("small_tree_ms", std::to_string(cell.milliseconds()));
        std::cout << "a small tree: " << cell.milliseconds() << " ms\n";
    }
    ASSERT_EQ(on_host("python3 -c 'import os\nfor i in range(5000):\n d = \"t/%d/%d/%d\" % (i // 500, i // 20, i)\n "
                      "os.makedirs(d)\n for j in range(10): open(d + \"/file%d.c\" % j, \"w\").close()'")
                  .code,
              0);
    GuardedCell cell(segment_, spec_for(segment_));
    ASSERT_TRUE(cell.stands()) << cell.error();
    std::cout << "5000 folders, 50000 files: " << cell.milliseconds() << " ms\n";
    EXPECT_LT(cell.milliseconds(), 1500);  // ten times the aim: the machine is shared, the build is for debugging
}

}  // namespace
}  // namespace toren
