#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <memory>

#include "tests/unit/vcs_fixture.h"

// libgit2 before 1.6 does not free what a regular expression that matched nothing took (its pull request 6382).
extern "C" const char* __lsan_default_suppressions() { return "leak:libpcre2-8.so\n"; }

namespace toren::vcs {
namespace {

// --- the same answers as git's own

struct Scene {
    const char* name;
    const char* script;
    const char* folder = ".";  // where the repository is
    const char* branch = "main";
    const char* base = "HEAD";
};

constexpr const char* kEmptyTree = "4b825dc642cb6eb9a060e54bf8d69288fbee4904";

class VcsAgreesWithGit : public VcsTest, public ::testing::WithParamInterface<Scene> {};

constexpr Scene kScenes[] = {
    {"ALinkWhereAFolderIsIgnored", "start && echo build/ >.gitignore && ln -s dir build"},
    {"AnExcludedLinkWhereAFolderIs",
     "start && mkdir -p .git/info && echo build/ >.git/info/exclude && ln -s dir build"},
    {"AFileThatBecameAFolder", "start && rm a && mkdir a && echo x >a/file"},
    {"InACleanTree", "start"},
    {"OnAModifiedFile", "start; echo x >>a; sed -i 3d dir/c"},
    {"OnAStagedFile", "start; echo x >>a; git add a"},
    {"OnAFileStagedAndModifiedAgain", "start; echo x >>a; git add a; echo y >>a"},
    {"OnAnAddedFile", "start; echo x >new; git add new"},
    {"OnAnAddedFileThatWasModified", "start; echo x >new; git add new; echo y >>new"},
    {"OnAnAddedFileThatIsGone", "start; echo x >new; git add new; rm new"},
    {"OnAStagedFileThatIsGone", "start; echo x >>a; git add a; rm a"},
    {"OnADeletedFile", "start; rm a"},
    {"OnAFileDeletedFromTheIndex", "start; git rm -q a"},
    {"OnAFileOnlyTheIndexLost", "start; git rm -q --cached a"},
    {"OnARenamedFile", "start; git mv a z"},
    {"OnARenamedAndEditedFile", "start; git mv a z; echo x >>z; git add z"},
    {"OnARenamedFileModifiedSince", "start; git mv a z; echo x >>z"},
    {"OnARenamedFileThatIsGone", "start; git mv a z; rm z"},
    {"OnARenameOnlyOnDisk", "start; mv a z"},
    {"OnARenameWithRenamesSwitchedOff", "start; git config diff.renames false; git mv a z"},
    {"OnUntrackedFiles", "start; echo x >u; mkdir -p d/e empty; echo y >d/e/f; echo z >dir/u"},
    {"OnIgnoredFiles", "start; printf '*.o\\nout/\\n' >.gitignore; echo x >y.o; mkdir out; echo z >out/z"},
    {"OnAFileThatBecameALink", "start; rm a; ln -s b a"},
    {"OnALinkThatPointsElsewhere", "start; ln -s a l; git add l; git commit -q -m l; ln -sf b l"},
    {"OnAFileMadeExecutable", "start; chmod +x a"},
    {"OnAFolderThatBecameAFile", "start; rm -r dir; echo x >dir"},
    {"OnABinaryFile", "start; printf 'x\\0y' >bin; git add bin; git commit -q -m b; printf 'x\\0z' >bin"},
    {"OnAFileWithoutNewlineAtItsEnd", "start; printf 'last' >>a; git commit -q -a -m x; printf ' word' >>a"},
    {"OnAFunctionsName",
     "start; (echo 'int f(int x) {'; seq 1 20; echo '}') >f.c; git add .; git commit -q -m f; sed -i 's/^15$/x/' f.c"},
    {"OnNamesOfAnyBytes",
     "start; echo x >\"$(printf 'spa\\nline\\377\\302\\251')\"; git add .; echo y >'\"q\"'; "
     "git add .; git commit -q -m n; echo z >>'\"q\"'; echo z >>\"$(printf 'spa\\nline\\377\\302\\251')\""},
    {"OnAnIntentionToAdd", "start; echo x >new; git add -N new"},
    {"OnAConflict",
     "start; git checkout -q -b other; echo o >a; git commit -q -a -m o; git checkout -q main; echo m >a; "
     "git commit -q -a -m m; git merge -q other >&2 || true"},
    {"OnEveryKindOfConflict",
     "start; git checkout -q -b other; git rm -q a; echo o >both; echo o >b; git add .; git commit -q -m o; "
     "git checkout -q main; echo m >a; echo m >both; git rm -q b; git add .; git commit -q -m m; "
     "git merge -q other >&2 || true"},
    {"BeforeTheFirstCommit", "git init -q -b main .; echo u >u", ".", "main", kEmptyTree},
    {"OnFilesStagedBeforeTheFirstCommit", "git init -q -b trunk .; echo x >a; git add a; echo y >>a", ".", "trunk",
     kEmptyTree},
    {"OnADetachedHead", "start; git checkout -q --detach; echo x >>a", ".", ""},
    {"OnABranchWithSlashes", "start; git checkout -q -b feature/x/y", ".", "feature/x/y"},
    {"InASubfoldersRepository", "mkdir sub; cd sub; start; echo x >>a", "sub"},
    {"InALinkedWorktree",
     "mkdir one; cd one; start; git worktree add -q -b side ../two; cd ../two; echo x >>a; echo y >new; git add new",
     "two", "side"},
    {"OnACleanSubmodule",
     "mkdir lib; (cd lib; start); start; git -c protocol.file.allow=always submodule --quiet add ../segment/lib m; git "
     "commit -q -m m"},
    {"OnASubmoduleWithAnotherCommit",
     "mkdir lib; (cd lib; start); start; git -c protocol.file.allow=always submodule --quiet add ../segment/lib m; "
     "git commit -q -m m; cd m; git commit -q --allow-empty -m n"},
    {"OnAModifiedSubmodule",
     "mkdir lib; (cd lib; start); start; git -c protocol.file.allow=always submodule --quiet add ../segment/lib m; git "
     "commit -q -m m; "
     "echo x >>m/a"},
    {"InASubmodule",
     "mkdir lib; (cd lib; start); start; git -c protocol.file.allow=always submodule --quiet add ../segment/lib m; git "
     "commit -q -m m; "
     "echo x >>m/a; echo u >m/u",
     "m"},
    {"OnANestedRepository", "start; mkdir nested; cd nested; start"},
    {"WithLineEndingsConverted",
     "start; git config core.autocrlf true; rm a b; git checkout -q .; printf 'x\\r\\n' >>a"},
    {"WithLineEndingsByAttribute",
     "start; echo 'a text eol=crlf' >.gitattributes; git add .; git commit -q -m x; rm a; git checkout -q a; printf "
     "'x\\r\\n' >>a"},
    {"WithPackedObjectsAndRefs", "start; git gc -q; echo x >>a"},
    {"WithTheModeBitIgnored", "start; git config core.fileMode false; chmod +x a; echo x >>b"},
    {"WithAnEmptyGitFolderOnTheWay", "start; mkdir dir/.git; echo x >>a", "dir"},
    {"WithASparseCheckout", "start; git sparse-checkout set --cone dir; echo x >>dir/c"},
    {"WithAGitFolderThatIsALink", "start; mv .git real; ln -s real .git; echo x >>a"},
    {"WithASettingOfAnUnknownHome",
     "start; git config core.excludesFile '~/none'; git config include.path '~/none'; echo x >>b"},
    {"WithAPartialClone",
     "mkdir one; cd one; start; git config uploadpack.allowFilter true; cd ..; "
     "git clone -q --filter=blob:none file://$PWD/one two 2>&1; cd two; echo x >>b",
     "two"},
};

TEST_P(VcsAgreesWithGit, InStatusAndDiff) {
    const Scene& scene = GetParam();
    run(scene.script);
    const auto result = status(scene.folder);
    EXPECT_EQ(result.failure, Failure::kNone) << result.error;
    EXPECT_EQ(result.kind, VcsKind::kGit);
    EXPECT_EQ(result.branch, scene.branch);
    EXPECT_EQ(result.files, git_status(scene.folder));
    ipc::VcsStatus everything;
    everything.untracked = ipc::VcsUntracked::kAll;
    EXPECT_EQ(status(scene.folder, everything).files, git_status(scene.folder, "--untracked-files=all"));
    const auto patch = diff(scene.folder);
    EXPECT_EQ(patch.failure, Failure::kNone) << patch.error;
    EXPECT_EQ(comparable_patch(patch.text),
              comparable_patch(run(std::string("git -C ") + scene.folder + " diff " + scene.base)));
}

INSTANTIATE_TEST_SUITE_P(, VcsAgreesWithGit, ::testing::ValuesIn(kScenes),
                         [](const auto& scene) { return std::string(scene.param.name); });

// --- which repository

TEST_F(VcsTest, APathOutsideEveryRepositoryHasKindNone) {
    run("mkdir -p plain/dir");
    const auto result = status("plain/dir");
    EXPECT_EQ(result.failure, Failure::kNone) << result.error;
    EXPECT_EQ(result.kind, VcsKind::kNone);
    EXPECT_TRUE(result.files.empty());
    EXPECT_EQ(diff("plain/dir").failure, Failure::kNotRepository);
}

TEST_F(VcsTest, TheSearchEndsAtTheSegmentsEdge) {
    EXPECT_EQ(git_shell(temp_.folder("beside"), "cd ..; git init -q .").code, 0);
    run("mkdir dir");
    EXPECT_EQ(status("dir").kind, VcsKind::kNone);
    EXPECT_EQ(status(".").kind, VcsKind::kNone);
}

TEST_F(VcsTest, AFileALinkAndASubfolderLeadToTheirRepository) {
    run("mkdir one two; (cd one; start; echo x >>a); ln -s ../one/dir two/link; ln -s two/link again");
    for (const char* path :
         {"one", "one/", "./one/.", "one/dir", "one/dir/c", "one/a", "two/link", "again", "again/c", "two/../one"})
        EXPECT_EQ(status(path).files, Strings{" M a"}) << path;
}

TEST_F(VcsTest, APathThatLeavesTheSegmentIsRefused) {
    run("start; ln -s .. up; ln -s /etc etc; ln -s a/../../.. far; ln -s loop loop");
    for (const char* path : {"..", "../x", "dir/../..", "/etc", "up", "etc", "etc/passwd"}) {
        EXPECT_EQ(status(path).failure, Failure::kLeavesSegment) << path;
        EXPECT_EQ(diff(path).failure, Failure::kLeavesSegment) << path;
    }
    EXPECT_EQ(status("missing").failure, Failure::kNotFound);
    EXPECT_EQ(status("a/b").failure, Failure::kNotFolder);
    EXPECT_EQ(status("loop").failure, Failure::kDenied);
    EXPECT_EQ(status(std::string("a\0b", 3)).failure, Failure::kOther);
}

TEST_F(VcsTest, JujutsuIsLookedForFirstAndAnsweredFromItsColocatedGitRepository) {
    run("start; mkdir .jj; echo '/.jj/' >>.git/info/exclude; echo x >>a");
    const auto result = status("dir");
    EXPECT_EQ(result.kind, VcsKind::kJj);
    EXPECT_EQ(result.branch, "");
    EXPECT_EQ(result.files, Strings{" M a"});
    EXPECT_EQ(diff().failure, Failure::kNone);
}

TEST_F(VcsTest, JujutsuWithoutAGitRepositoryIsUnsupportedAndDoesNotGiveTheOneAbove) {
    run("start; mkdir dir/.jj");
    EXPECT_EQ(status("dir").failure, Failure::kUnsupported);
    EXPECT_NE(status("dir").error.find("jj"), std::string::npos);
    EXPECT_EQ(diff("dir").failure, Failure::kUnsupported);
}

TEST_F(VcsTest, ABareRepositoryIsRefusedWithItsReason) {
    run("git init -q --bare .git");
    EXPECT_EQ(status().failure, Failure::kUnsupported) << status().error;
}

// --- a repository that stays open

TEST_F(VcsTest, WhatChangesBetweenRequestsIsSeen) {
    run("start");
    EXPECT_TRUE(status().files.empty());
    run("echo x >>a; echo y >new; git add new");
    EXPECT_EQ(status().files, git_status());
    run("git commit -q -a -m second; git checkout -q -b other");
    EXPECT_TRUE(status().files.empty());
    EXPECT_EQ(status().branch, "other");
    run("git checkout -q main; git gc -q; git reset -q --hard HEAD~1; chmod +x a");
    EXPECT_EQ(status().files, Strings{" M a"});
    run("git config core.fileMode false");
    EXPECT_TRUE(status().files.empty());
    run("rm -rf .git; git init -q -b again .");
    EXPECT_EQ(status().branch, "again");
    EXPECT_EQ(status().files, git_status());
    run("rm -rf .git");
    EXPECT_EQ(status().kind, VcsKind::kNone);
}

TEST_F(VcsTest, AConflictThatWasDiffedIsStillAConflict) {
    run("start; git checkout -q -b other; echo o >a; git commit -q -a -m o; git checkout -q main; echo m >a; "
        "git commit -q -a -m m; git merge -q other >&2 || true");
    EXPECT_EQ(diff().failure, Failure::kNone);
    EXPECT_EQ(status().files, Strings{"UU a"});
}

TEST_F(VcsTest, NothingIsWrittenToTheRepository) {
    run("start; echo x >>a; echo y >new; git add new; touch b");
    const std::string list =
        "find . -path ./.git/index -prune -o -type f -printf '%p %T@ %s\\n' | sort; cksum .git/index";
    const auto before = run(list);
    status();
    diff();
    EXPECT_EQ(run(list), before);
}

// --- limits

TEST_F(VcsTest, AFilesPatchUpToItsLimitIsGivenAndOneByteMoreIsCut) {
    run("start; seq 1 5000 >a; echo x >>b");
    const auto whole = diff();
    ASSERT_EQ(whole.files.size(), 2u);
    ipc::VcsDiff limited;
    limited.max_bytes = 1 << 20;
    limited.max_file_bytes = whole.files[0].patch.size();
    EXPECT_EQ(diff("", limited).text, whole.text);
    --limited.max_file_bytes;
    const auto cut = diff("", limited);
    ASSERT_EQ(cut.files.size(), 2u);
    EXPECT_TRUE(cut.files[0].cut && cut.files[0].patch.empty() && cut.files[0].additions > 4000);
    EXPECT_FALSE(cut.files[1].cut);
}

TEST_F(VcsTest, PagesOfADiffAreTheWholeOne) {
    run("start; for i in $(seq 25); do echo $i >f$i; done; git add .");
    const auto whole = diff();
    ASSERT_EQ(whole.files.size(), 25u);
    ipc::VcsDiff page;
    page.max_bytes = page.max_file_bytes = 1 << 20;
    page.max_files = 7;
    std::string text;
    for (bool more = true; more; page.skip += 7) {
        const auto part = diff("", page);
        EXPECT_EQ(part.end.files, 25u);
        text += part.text;
        more = part.end.more;
    }
    EXPECT_EQ(text, whole.text);
    ipc::VcsDiff tight;  // one file a page, however little is allowed
    tight.max_bytes = 1;
    tight.max_file_bytes = 1 << 20;
    EXPECT_EQ(diff("", tight).files.size(), 1u);
    EXPECT_TRUE(diff("", tight).end.more);
}

// --- hostile repositories (legacy's flaw 7, rows 24 and 26 of the escape corpus)

// Every way known to make git run a program from a repository's own files; each would leave the file `ran`.
constexpr const char* kTraps =
    "start; t=\"$PWD/../trap\"; printf '#!/bin/sh\\necho ran >>\"%s\"\\ncat\\n' \"$PWD/../ran\" >$t; chmod +x $t; "
    "for c in core.fsmonitor diff.external core.sshCommand core.pager gpg.program credential.helper core.editor "
    "filter.x.clean filter.x.smudge filter.x.process diff.x.command diff.x.textconv merge.x.driver core.gitProxy "
    "core.alternateRefsCommand; do git config $c \"$t\"; done; git config core.hooksPath \"$PWD/../hooks\"; "
    "mkdir ../hooks; for h in fsmonitor-watchman post-index-change post-checkout reference-transaction; do cp $t "
    "../hooks/$h; "
    "cp $t .git/hooks/$h; done; printf '[core]\\n\\tfsmonitor = %s\\n' \"$t\" >.git/more; git config include.path "
    "more; "
    "echo '* filter=x diff=x merge=x' >.gitattributes; rm -f ../ran; sleep 0.01; touch b; echo x >>a; echo y >>dir/c;";

TEST_F(VcsTest, NothingThatARepositoryPlantsIsRun) {
    run(kTraps);
    // What git would give its filters is git's to answer, in the cage.
    EXPECT_EQ(status().failure, Failure::kUnsupported);
    EXPECT_EQ(diff().failure, Failure::kUnsupported);
    EXPECT_FALSE(std::filesystem::exists(temp_ / "ran"));
    run("for c in clean smudge process; do git config --unset filter.x.$c; done");
    EXPECT_EQ(status().failure, Failure::kNone);
    const auto patch = diff();
    EXPECT_EQ(patch.failure, Failure::kNone);
    EXPECT_NE(patch.text.find("+x"), std::string::npos);
    EXPECT_FALSE(std::filesystem::exists(temp_ / "ran"));
    // The control: the same traps catch the git command.
    git_shell(segment_, "git status");
    EXPECT_TRUE(std::filesystem::exists(temp_ / "ran")) << "git status ran none of the traps";
    std::filesystem::remove(temp_ / "ran");
    git_shell(segment_, "git diff HEAD");
    EXPECT_TRUE(std::filesystem::exists(temp_ / "ran")) << "git diff ran none of the traps";
}

TEST_F(VcsTest, TheEnvironmentHasNoSay) {
    run("start; echo x >>a");
    EXPECT_EQ(
        git_shell(temp_.folder("other"), "git init -q -b wrong .; git config --file cfg core.fileMode false").code, 0);
    const std::pair<const char*, std::string> planted[] = {
        {"GIT_DIR", temp_ / "other/.git"},         {"GIT_WORK_TREE", temp_ / "other"},
        {"GIT_INDEX_FILE", temp_ / "other/i"},     {"GIT_CONFIG_GLOBAL", temp_ / "other/cfg"},
        {"GIT_OBJECT_DIRECTORY", temp_ / "other"}, {"GIT_NAMESPACE", "n"}};
    for (const auto& [name, value] : planted) ::setenv(name, value.c_str(), 1);
    const auto result = status();
    for (const auto& [name, value] : planted) ::unsetenv(name);
    EXPECT_EQ(result.branch, "main");
    EXPECT_EQ(result.files, Strings{" M a"});
}

TEST_F(VcsTest, TheOperatorsOwnConfigurationIsNotRead) {
    temp_.folder("home");
    temp_.file("home/.gitconfig", "[core]\n\tfileMode = false\n");
    const char* home = ::getenv("HOME");
    const std::string before = home == nullptr ? "" : home;
    ::setenv("HOME", (temp_ / "home").c_str(), 1);
    run("start; chmod +x a");
    EXPECT_EQ(status().files, Strings{" M a"});
    ::setenv("HOME", before.c_str(), 1);
}

TEST_F(VcsTest, AGitLinkThatLeavesTheSegmentIsRefused) {
    EXPECT_EQ(git_shell(temp_.folder("outside"), "start").code, 0);
    run("mkdir link; ln -s ../../outside/.git link/.git; mkdir abs; ln -s /etc abs/.git");
    EXPECT_EQ(status("link").failure, Failure::kLeavesSegment);
    EXPECT_EQ(status("abs").failure, Failure::kLeavesSegment);
}

// Without the cell around it libgit2 follows these; the escape tests hold that in the cell it reaches nothing.
TEST_F(VcsTest, AGitfileToNowhereIsARefusalWithItsReason) {
    run("mkdir one two; echo 'gitdir: /nowhere/at/all' >one/.git; echo rubbish >two/.git");
    EXPECT_EQ(status("one").failure, Failure::kNotRepository) << status("one").error;
    EXPECT_NE(status("two").failure, Failure::kNone);
    EXPECT_FALSE(status("two").error.empty());
}

TEST_F(VcsTest, ADamagedRepositoryIsARefusalAndTheNextOneIsAnswered) {
    run("mkdir good; (cd good; start; echo x >>a); for n in 1 2 3 4 5 6 7; do cp -r good bad$n; done; "
        "head -c 300 /dev/urandom >bad1/.git/index; truncate -s 20 bad2/.git/index; echo rubbish >bad3/.git/HEAD; "
        "echo '[' >bad4/.git/config; find bad5/.git/objects -type f -delete; "
        "printf 'ref: refs/heads/../../../../../../etc/passwd\\n' >bad6/.git/HEAD; : >bad7/.git/HEAD");
    for (int n = 1; n <= 7; ++n) {
        const std::string bad = "bad" + std::to_string(n);
        const auto status_of = status(bad);
        const auto diff_of = diff(bad);
        EXPECT_TRUE(status_of.failure != Failure::kNone || diff_of.failure != Failure::kNone) << bad;
        EXPECT_EQ(status_of.failure != Failure::kNone, !status_of.error.empty()) << bad;
        EXPECT_EQ(status("good").files, Strings{" M a"}) << bad;
    }
}

TEST_F(VcsTest, AHeadThatIsNoFileIsNoRepository) {
    run("start; rm .git/HEAD; mkfifo .git/HEAD");
    EXPECT_EQ(status().kind, VcsKind::kNone);
    run("rm .git/HEAD; mkdir .git/HEAD");
    EXPECT_EQ(status().kind, VcsKind::kNone);
    run("rm -r .git; mkfifo .git");
    EXPECT_EQ(status().kind, VcsKind::kNone);
}

TEST_F(VcsTest, AnEnormousHeadIsRefused) {
    run("start; head -c 100000000 /dev/zero | tr '\\0' x >.git/HEAD");
    const auto result = status();
    EXPECT_NE(result.failure, Failure::kNone);
    EXPECT_LT(result.error.size(), 100'000u);
}

TEST_F(VcsTest, FifosInTheWorkTreeAreSkipped) {
    run("start; mkfifo pipe dir/pipe; rm a; mkfifo a");
    EXPECT_EQ(status().files, Strings{" D a"});
    EXPECT_EQ(diff().failure, Failure::kNone);
}

TEST_F(VcsTest, APathLongerThanAnyFilesIsRefused) {
    run("start; printf '100644 %s\\t%s\\n' $(git rev-parse HEAD:a) $(head -c 5000 /dev/zero | tr '\\0' n) | git "
        "update-index --index-info");
    const auto result = status();
    EXPECT_NE(result.failure, Failure::kNone);
    EXPECT_LT(result.error.size(), 20'000u);
}

}  // namespace
}  // namespace toren::vcs
