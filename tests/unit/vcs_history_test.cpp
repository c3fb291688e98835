// The log, what revisions hold, and the lists: each against git's own answer.
#include <fcntl.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <set>

#include "tests/unit/git_shell.h"
#include "tests/unit/temp_folder.h"
#include "workers/vcs/answers.h"

namespace toren::vcs {
namespace {

using Strings = std::vector<std::string>;
using ipc::Failure;

Strings lines_of(const std::string& text, char end = '\n') {
    Strings lines;
    for (std::size_t from = 0, at = 0; (at = text.find(end, from)) != std::string::npos; from = at + 1)
        lines.push_back(text.substr(from, at - from));
    return lines;
}

struct Page {
    Strings ids;
    std::vector<ipc::VcsCommit> commits;
    ipc::VcsLogEnd end;
    Failure failure = Failure::kNone;
};

class VcsHistoryTest : public ::testing::Test {
protected:
    static void SetUpTestSuite() {
        const auto ready = prepare_libgit2();
        ASSERT_TRUE(ready) << ready.error().text();
    }
    VcsHistoryTest()
        : segment_(temp_.folder("segment")),
          repositories_(UniqueFd(::open(segment_.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)), segment_) {}

    std::string run(const std::string& script) {
        const auto result = git_shell(segment_, script);
        EXPECT_EQ(result.code, 0) << script << "\n" << result.output;
        return result.output;
    }

    // Commits on two branches that meet again and again; dates go up by a minute, and some are equal.
    void make_history() {
        run("start; n=0; c() { n=$((n+1)); d=$((1700000000 + n / 2 * 60)); GIT_AUTHOR_DATE=\"$d +0130\" "
            "GIT_COMMITTER_DATE=\"$d -0500\" git \"$@\" -q; }; "
            "for i in 1 2 3 4 5 6; do echo $i >>a; c commit -a -m \"a $i\"; git checkout -q -b s$i; echo $i >>dir/c; "
            "c commit -a -m \"c $i\"; git checkout -q main; echo $i >>b; c commit -a -m \"b $i\"; "
            "c merge --no-ff -m \"merge $i\" s$i; done; git tag light HEAD~3; git tag -a -m 'a tag' heavy HEAD~5; "
            "git rm -q b; c commit -m 'b is gone'; echo again >b; git add b; c commit -m 'b is back'");
    }

    Page page(ipc::VcsLog request) {
        Page result;
        if (request.max_commits == 0) request.max_commits = 1'000'000;
        const auto answer = answer_log(repositories_, request, [&](const ipc::VcsCommit& commit) {
            result.ids.push_back(commit.id);
            result.commits.push_back(commit);
        });
        if (const auto* refused = std::get_if<Refusal>(&answer)) result.failure = refused->failure;
        else EXPECT_TRUE(ipc::Reader(std::get<workers::Reply>(answer).result).read(result.end));
        return result;
    }
    Strings ids(ipc::VcsLog request) { return page(std::move(request)).ids; }
    Strings git_ids(const std::string& arguments) { return lines_of(run("git log --format=%H " + arguments)); }

    template <typename Record>
    std::vector<Record> list(ipc::VcsList which) {
        std::vector<Record> records;
        ListSinks sinks;
        const auto take = [&](const auto& record) {
            if constexpr (std::is_same_v<std::decay_t<decltype(record)>, Record>) records.push_back(record);
        };
        sinks = {take, take, take, take};
        ipc::VcsLists request;
        request.list = which;
        request.counts = true;
        const auto answer = answer_lists(repositories_, request, sinks);
        EXPECT_TRUE(std::holds_alternative<Ok>(answer));
        return records;
    }

    TempFolder temp_;
    std::string segment_;
    Repositories repositories_;
};

struct LogCase {
    const char* name;
    Strings revisions;
    bool all, first_parent;
    const char* file;
    const char* git;  // the arguments that ask git for the same
};

class VcsLogAgreesWithGit : public VcsHistoryTest, public ::testing::WithParamInterface<LogCase> {};

TEST_P(VcsLogAgreesWithGit, InItsCommits) {
    make_history();
    const auto& asked = GetParam();
    ipc::VcsLog request;
    request.revisions = asked.revisions;
    request.all = asked.all;
    request.first_parent = asked.first_parent;
    request.file = asked.file;
    const auto expected = git_ids(asked.git);
    EXPECT_FALSE(expected.empty());
    EXPECT_EQ(ids(request), expected);
    // The same in pages that go on with the commits that the first one began with.
    Strings paged;
    request.max_commits = 3;
    for (bool more = true; more;) {
        const auto part = page(request);
        paged.insert(paged.end(), part.ids.begin(), part.ids.end());
        if (!part.end.from.empty()) request.revisions = part.end.from;
        request.skip = paged.size();
        more = part.end.more;
    }
    EXPECT_EQ(paged, expected);
    // And where nobody remembers the page before.
    repositories_.forget();
    request.skip = 2;
    const auto late = ids(request);
    EXPECT_EQ(late, Strings(expected.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(2, expected.size())),
                            expected.begin() + static_cast<std::ptrdiff_t>(std::min<std::size_t>(5, expected.size()))));
}

INSTANTIATE_TEST_SUITE_P(
    , VcsLogAgreesWithGit,
    ::testing::Values(LogCase{"OfHead", {}, false, false, "", ""}, LogCase{"OfABranch", {"s3"}, false, false, "", "s3"},
                      LogCase{"OfATag", {"heavy"}, false, false, "", "heavy"},
                      LogCase{"OfARange", {"s2..main"}, false, false, "", "s2..main"},
                      LogCase{"OfWhatTwoDoNotShare", {"s2...s5"}, false, false, "", "s2...s5"},
                      LogCase{"WithoutOne", {"main", "^s4"}, false, false, "", "main ^s4"},
                      LogCase{"OfEverything", {}, true, false, "", "--all"},
                      LogCase{"OfFirstParents", {}, false, true, "", "--first-parent"},
                      LogCase{"OfAFile", {}, false, false, "b", "-- b"},
                      LogCase{"OfAFolder", {}, false, false, "dir", "-- dir"},
                      LogCase{"OfAFileInAFolder", {}, false, false, "dir/c", "-- dir/c"},
                      LogCase{"OfAFileInARange", {"s2..main"}, false, false, "a", "s2..main -- a"},
                      LogCase{"OfAFileByFirstParents", {}, false, true, "dir/c", "--first-parent -- dir/c"}),
    [](const auto& one) { return std::string(one.param.name); });

TEST_F(VcsHistoryTest, ACommitIsWhatGitSaysOfIt) {
    make_history();
    const auto commits = page({}).commits;
    const auto told = lines_of(run("git log --format='%H|%T|%P|%an|%ae|%at|%cn|%ce|%ct'"));
    ASSERT_EQ(commits.size(), told.size());
    for (std::size_t i = 0; i < commits.size(); ++i) {
        const auto& one = commits[i];
        std::string parents;
        for (const auto& id : one.parents) parents += (parents.empty() ? "" : " ") + id;
        EXPECT_EQ(one.id + "|" + one.tree + "|" + parents + "|" + one.author.name + "|" + one.author.email + "|" +
                      std::to_string(one.author.time) + "|" + one.committer.name + "|" + one.committer.email + "|" +
                      std::to_string(one.committer.time),
                  told[i]);
    }
    EXPECT_EQ(commits[0].author.offset, 90);
    EXPECT_EQ(commits[0].committer.offset, -300);
    EXPECT_EQ(commits[0].refs, Strings{"refs/heads/main"});
    EXPECT_EQ(commits[0].message, "b is back\n");
}

TEST_F(VcsHistoryTest, BeforeTheFirstCommitThereIsNothing) {
    run("git init -q -b main .");
    const auto empty = page({});
    EXPECT_EQ(empty.failure, Failure::kNone);
    EXPECT_TRUE(empty.ids.empty() && !empty.end.more);
}

TEST_F(VcsHistoryTest, ARevisionThatIsNoneIsNotFound) {
    make_history();
    for (const char* bad : {"nothing", "main..nothing", "^nothing", "--all", "-1", "", "main^{tree}:a", "main:a"}) {
        ipc::VcsLog request;
        request.revisions = {bad};
        EXPECT_NE(page(request).failure, Failure::kNone) << bad;
    }
    EXPECT_EQ(ids({}), git_ids(""));
}

TEST_F(VcsHistoryTest, RefsAreGits) {
    make_history();
    run("git clone -q --bare . ../copy; git remote add origin ../copy; git fetch -q origin; "
        "git branch -q -u origin/main main; git branch -q -u origin/s1 s2; git symbolic-ref refs/heads/alias "
        "refs/heads/s3");
    const std::string told = run(
        "git for-each-ref --format='%(refname)|%(objectname)|%(symref)|%(upstream)|%(upstream:track,nobracket)|%(HEAD)|"
        "%(creatordate:unix)|%(contents:subject)' refs/heads refs/remotes refs/tags");
    Strings expected = lines_of(told), found;
    for (const auto& ref : list<ipc::VcsRef>(ipc::VcsList::kRefs)) {
        std::string track = ref.ahead > 0 ? "ahead " + std::to_string(ref.ahead) : "";
        if (ref.behind > 0) track += (track.empty() ? "behind " : ", behind ") + std::to_string(ref.behind);
        const auto id = ref.id.empty() ? ref.commit : ref.id;  // a symbolic one points to another
        found.push_back(ref.name + "|" + id + "|" + ref.target + "|" + ref.upstream + "|" + track + "|" +
                        (ref.head ? "*" : " ") + "|" + std::to_string(ref.time) + "|" + ref.subject);
    }
    std::sort(found.begin(), found.end());
    std::sort(expected.begin(), expected.end());
    EXPECT_EQ(found, expected);
}

TEST_F(VcsHistoryTest, StashesAndWorktreesAreGits) {
    make_history();
    run("echo x >>a; git stash push -q -m one; echo y >>a; git stash push -q -m two; git worktree add -q ../wt s1 "
        "2>&1; "
        "git worktree add -q --detach ../gone 2>&1; rm -rf ../gone; git worktree lock ../wt");
    Strings stashes, worktrees;
    for (const auto& stash : list<ipc::VcsStash>(ipc::VcsList::kStashes))
        stashes.push_back(stash.id + " " + std::to_string(stash.time) + " " + stash.message);
    EXPECT_EQ(stashes, lines_of(run("git stash list --format='%H %ct %gs'")));
    const auto found = list<ipc::VcsWorktree>(ipc::VcsList::kWorktrees);
    ASSERT_EQ(found.size(), 3u);
    EXPECT_EQ(found[0].path, segment_);
    EXPECT_EQ(found[0].branch, "refs/heads/main");
    EXPECT_EQ(found[0].head + "\n", run("git rev-parse main"));
    std::set<std::string> told;
    for (const auto& one : found)
        told.insert(one.path.substr(one.path.rfind('/')) + "|" + one.branch + "|" + (one.locked ? "locked" : "") +
                    (one.missing ? "missing" : ""));
    EXPECT_EQ(told, (std::set<std::string>{"/segment|refs/heads/main|", "/wt|refs/heads/s1|locked", "/gone||missing"}));
}

TEST_F(VcsHistoryTest, AConflictHasItsThreeSides) {
    run("start; git checkout -q -b other; echo o >a; git rm -q b; echo o >both; git add .; git commit -q -a -m o; "
        "git checkout -q main; echo m >a; echo m >b; echo m >both; git add .; git commit -q -a -m m; "
        "git merge -q other >&2 || true");
    std::string found;
    for (const auto& conflict : list<ipc::VcsConflicted>(ipc::VcsList::kConflicts)) {
        int stage = 0;
        for (const auto* side : {&conflict.base, &conflict.ours, &conflict.theirs}) {
            ++stage;
            char mode[16];
            std::snprintf(mode, sizeof mode, "%06o", side->mode);
            if (!side->id.empty())
                found += std::string(mode) + " " + side->id + " " + std::to_string(stage) + "\t" + side->path + "\n";
        }
    }
    EXPECT_EQ(found, run("git ls-files -u"));
    std::string text;
    for (const std::uint8_t stage : {1, 2, 3}) {
        ipc::VcsContent request;
        request.file = "a";
        request.stage = stage;
        request.max_bytes = 1000;
        const auto answer = answer_content(repositories_, request, [&](std::string_view part) { text += part; });
        EXPECT_TRUE(std::holds_alternative<workers::Reply>(answer));
    }
    EXPECT_EQ(text, run("git show :1:a :2:a :3:a"));
    EXPECT_EQ(ipc::VcsActivity::kMerge, [&] {
        ipc::VcsRepository about;
        ipc::VcsStatus request;
        request.counts = true;
        const auto answer = answer_status(repositories_, request, [](const ipc::VcsChange&) {});
        EXPECT_TRUE(ipc::Reader(std::get<workers::Reply>(answer).result).read(about));
        EXPECT_EQ(about.activity_head + "\n", run("git rev-parse MERGE_HEAD"));
        return about.activity;
    }());
}

struct SidesCase {
    const char* name;
    ipc::VcsSides sides;
    const char *from, *to, *git;
};

class VcsSidesAgreeWithGit : public VcsHistoryTest, public ::testing::WithParamInterface<SidesCase> {};

TEST_P(VcsSidesAgreeWithGit, InTheirDifferences) {
    make_history();
    run("echo staged >>a; git add a; echo unstaged >>b; git mv dir/c dir/d; echo u >untracked; chmod +x dir/d");
    ipc::VcsDiff request;
    request.sides = GetParam().sides;
    request.from = GetParam().from;
    request.to = GetParam().to;
    request.max_bytes = request.max_file_bytes = 1 << 20;
    std::string patch, numbers;
    const auto answer = answer_diff(repositories_, request, [&](const ipc::VcsFileDiff& file) {
        patch += file.patch;
        const bool renamed = file.path != file.old_path;
        numbers += std::to_string(file.additions) + "\t" + std::to_string(file.deletions) + "\t" +
                   (renamed ? "dir/{c => d}" : file.path) + "\n";
    });
    EXPECT_TRUE(std::holds_alternative<workers::Reply>(answer));
    EXPECT_EQ(comparable_patch(patch), comparable_patch(run(std::string("git diff ") + GetParam().git)));
    EXPECT_EQ(numbers, run(std::string("git diff --numstat ") + GetParam().git));
    EXPECT_FALSE(patch.empty());
}

INSTANTIATE_TEST_SUITE_P(
    , VcsSidesAgreeWithGit,
    ::testing::Values(SidesCase{"OfHeadAndWorkTree", ipc::VcsSides::kHeadToWorkTree, "", "", "HEAD"},
                      SidesCase{"OfIndexAndWorkTree", ipc::VcsSides::kIndexToWorkTree, "", "", ""},
                      SidesCase{"OfHeadAndIndex", ipc::VcsSides::kHeadToIndex, "", "", "--cached"},
                      SidesCase{"OfTwoRevisions", ipc::VcsSides::kRevisions, "s2", "main~1", "s2 main~1"},
                      SidesCase{"OfARevisionAndWorkTree", ipc::VcsSides::kRevisionToWorkTree, "s2", "", "s2"},
                      SidesCase{"OfACommit", ipc::VcsSides::kCommit, "", "s4", "s4^ s4"},
                      SidesCase{"OfAMerge", ipc::VcsSides::kCommit, "", "main~2", "main~2^1 main~2"},
                      SidesCase{"OfTheFirstCommit", ipc::VcsSides::kCommit, "", "s1~2",
                                "4b825dc642cb6eb9a060e54bf8d69288fbee4904 s1~2"},
                      SidesCase{"SinceTheyParted", ipc::VcsSides::kMergeBase, "main~3", "s6", "main~3...s6"}),
    [](const auto& one) { return std::string(one.param.name); });

}  // namespace
}  // namespace toren::vcs
