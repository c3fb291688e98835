#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "broker/workspace_git.h"
#include "broker/workspaces.h"
#include "policy/config.h"
#include "policy/remove_tree.h"
#include "policy/workspaces.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

void write(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
}

// --- names

TEST(WorkspaceNames, AWorkspaceIsWhatStandsBehindTheLastAt) {
    const auto address = split_workspace("team@work@One");
    ASSERT_TRUE(address);
    EXPECT_EQ(address->segment, "team@work");
    EXPECT_EQ(address->workspace, "One");
    EXPECT_FALSE(split_workspace("plain"));
    EXPECT_EQ(workspace_address("team@work", "One"), "team@work@One");
}

TEST(WorkspaceNames, NoNameLeadsElsewhere) {
    for (const std::string name : {"", ".", "..", "/tmp", "../x", "a/b", "a@b", "-x", " x", "x ", ".x", "a\nb"})
        EXPECT_FALSE(is_workspace_name(name)) << name;
    EXPECT_FALSE(is_workspace_name(std::string("a\0b", 3)));
    EXPECT_FALSE(is_workspace_name(std::string(101, 'x')));
    for (const std::string name : {"One", "fix 12", "größer", "a.b"}) EXPECT_TRUE(is_workspace_name(name)) << name;
}

TEST(WorkspaceNames, TheyCountInWordsAndThenInDigits) {
    using broker::workspace_name;
    EXPECT_THAT((std::vector{workspace_name(1), workspace_name(13), workspace_name(20), workspace_name(42),
                             workspace_name(99), workspace_name(100)}),
                ElementsAre("One", "Thirteen", "Twenty", "Forty-Two", "Ninety-Nine", "100"));
    for (unsigned number = 1; number < 300; ++number) EXPECT_TRUE(is_workspace_name(workspace_name(number)));
    EXPECT_EQ(broker::default_branch("Forty-Two"), "toren/forty-two");
    EXPECT_EQ(broker::default_branch("a..b~^: c"), "toren/a--b----c");
}

// --- git's answers

TEST(WorktreeStatus, CountsWhatGitTells) {
    std::string porcelain;
    for (const char* record :
         {"# branch.oid 1234567890123456789012345678901234567890", "# branch.head toren/one",
          "1 M. N... 100644 100644 100644 aaaa bbbb staged", "1 .M N... 100644 100644 100644 aaaa bbbb ? modified",
          "2 R. N... 100644 100644 100644 aaaa bbbb R100 new", "? old",
          "u UU N... 100644 100644 100644 100644 a b c conflicted", "? untracked"}) {
        porcelain += record;
        porcelain += '\0';
    }
    const auto state = broker::parse_status(porcelain);
    EXPECT_EQ(state.head, "1234567890123456789012345678901234567890");
    EXPECT_EQ(state.branch, "toren/one");
    EXPECT_EQ(state.staged, 2U);
    EXPECT_EQ(state.modified, 1U);
    EXPECT_EQ(state.untracked, 1U) << "where a file was renamed from is no file";
    EXPECT_EQ(state.conflicted, 1U);
    EXPECT_EQ(broker::parse_status("").changes(), 0U);
}

TEST(Revisions, NoOptionIsOne) {
    for (const char* text : {"", "-x", "--all", "a b", "a\nb", "a\x7f"})
        EXPECT_FALSE(broker::is_revision(text)) << text;
    EXPECT_FALSE(broker::is_revision(std::string("a\0b", 3)));
    for (const char* text : {"main", "v1.0", "HEAD~2", "feature/x", "@{u}"}) EXPECT_TRUE(broker::is_revision(text));
}

// --- removing

TEST(RemoveTree, TakesWhatIsDeepClosedOrALink) {
    const TempFolder folder;
    const fs::path top = folder.path();
    write(top / "kept/file", "kept");
    fs::create_directories(top / "tree/closed/inner");
    write(top / "tree/closed/inner/file", "x");
    fs::create_symlink(top / "kept", top / "tree/closed/out");
    fs::create_symlink("/nonexistent", top / "tree/dangling");
    // Deeper than a path may be long.
    const UniqueFd start(::open((top / "tree").c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    int at = ::dup(start.get());
    const std::string name(200, 'd');
    for (int depth = 0; depth < 300; ++depth) {
        ASSERT_EQ(::mkdirat(at, name.c_str(), 0700), 0);
        const int next = ::openat(at, name.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        ASSERT_GE(next, 0);
        ::close(at);
        at = next;
    }
    ASSERT_EQ(::fchmod(at, 0), 0);
    ::close(at);
    fs::permissions(top / "tree/closed/inner", fs::perms::none);
    fs::permissions(top / "tree/closed", fs::perms::none);
    fs::permissions(top / "tree", fs::perms::none);

    const UniqueFd parent(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    const auto removed = remove_tree(parent.get(), "tree");
    EXPECT_TRUE(removed) << removed.error().text();
    EXPECT_FALSE(fs::exists(top / "tree"));
    EXPECT_TRUE(fs::exists(top / "kept/file"));
    EXPECT_TRUE(remove_tree(parent.get(), "tree")) << "what is gone is no error";
}

TEST(RemoveTree, ALinkInTheTreesPlaceIsRemovedAndNotFollowed) {
    const TempFolder folder;
    const fs::path top = folder.path();
    write(top / "kept/file", "kept");
    fs::create_symlink("kept", top / "tree");
    const UniqueFd parent(::open(top.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
    EXPECT_TRUE(remove_tree(parent.get(), "tree"));
    EXPECT_FALSE(fs::exists(fs::symlink_status(top / "tree")));
    EXPECT_TRUE(fs::exists(top / "kept/file"));
}

// --- on disk

class WorkspaceFolders : public ::testing::Test {
protected:
    void SetUp() override {
        fs::create_directories(root_);
        fs::create_directories(fs::path(segment_.path) / ".git/worktrees");
    }
    // As git leaves a worktree.
    void make_worktree(const std::string& name, const std::string& commondir = "../..\n") {
        const fs::path path = fs::path(root_) / "app" / name, entry = common() / "worktrees" / (name + "1");
        write(path / ".git", "gitdir: " + entry.string() + "\n");
        write(entry / "gitdir", path.string() + "/.git\n");
        write(entry / "commondir", commondir);
        write(entry / "locked", "");
    }
    fs::path common() const { return fs::path(segment_.path) / ".git"; }

    TempFolder folder_;
    const std::string root_ = std::string(folder_.path()) + "/workspaces";
    const Segment segment_{"app", std::string(folder_.path()) + "/projects/app", Segment::kPath};
};

TEST_F(WorkspaceFolders, AreMadeOnceAndClosedToOthers) {
    const auto made = create_workspace_folder(root_, segment_, "One");
    ASSERT_TRUE(made) << made.error().text();
    struct stat about {};
    ASSERT_EQ(::stat(made->c_str(), &about), 0);
    EXPECT_EQ(about.st_mode & 07777, 0700U);
    EXPECT_EQ(create_workspace_folder(root_, segment_, "One").error().code, EEXIST);
    for (const char* name : {"..", "/tmp/x", "a/b", ""})
        EXPECT_EQ(create_workspace_folder(root_, segment_, name).error().code, EINVAL) << name;
    const auto found = find_workspace(root_, segment_, "One");
    ASSERT_TRUE(found);
    EXPECT_TRUE(found->empty);
    EXPECT_EQ(found->entry, "");
}

TEST_F(WorkspaceFolders, ALinkInTheSegmentsPlaceIsNotFollowed) {
    fs::create_directories(folder_.path() + std::string("/elsewhere"));
    fs::create_symlink(folder_.path() + std::string("/elsewhere"), fs::path(root_) / "app");
    EXPECT_FALSE(create_workspace_folder(root_, segment_, "One"));
    EXPECT_FALSE(list_workspaces(root_, segment_));
    EXPECT_FALSE(remove_workspace(root_, segment_, "One"));
    EXPECT_TRUE(fs::is_empty(folder_.path() + std::string("/elsewhere")));
}

TEST_F(WorkspaceFolders, AreKnownByWhatTheRepositorySaysOfThem) {
    make_worktree("One");
    make_worktree("Bent", "/tmp/hostile\n");
    write(common() / "worktrees/One1/config.worktree", "[core]\n");
    fs::create_directories(fs::path(root_) / "app/Stray");
    write(fs::path(root_) / "app/Stray/file", "x");
    fs::create_directories(fs::path(root_) / "app/.removed-Two");
    const auto found = list_workspaces(root_, segment_);
    ASSERT_TRUE(found);
    std::vector<std::pair<std::string, std::string>> known;
    for (const auto& one : *found) known.emplace_back(one.name, one.entry);
    EXPECT_THAT(known, ElementsAre(std::pair("Bent", ""), std::pair("One", "One1"), std::pair("Stray", "")));
    EXPECT_FALSE((*found)[1].plain) << "it has a configuration of its own";
}

TEST_F(WorkspaceFolders, AreRemovedWithTheRepositorysEntryAndNoOther) {
    make_worktree("One");
    make_worktree("Two");
    EXPECT_TRUE(remove_workspace(root_, segment_, "One"));
    EXPECT_FALSE(fs::exists(fs::path(root_) / "app/One"));
    EXPECT_FALSE(fs::exists(common() / "worktrees/One1"));
    EXPECT_TRUE(fs::exists(common() / "worktrees/Two1/locked"));
    EXPECT_TRUE(fs::exists(fs::path(root_) / "app/Two/.git"));
    EXPECT_TRUE(remove_workspace(root_, segment_, "One")) << "once more is no error";
    // What a removal that was cut short left goes with the next.
    write(fs::path(root_) / "app/.removed-One/left", "x");
    EXPECT_TRUE(remove_workspace(root_, segment_, "One"));
    EXPECT_FALSE(fs::exists(fs::path(root_) / "app/.removed-One"));
}

TEST_F(WorkspaceFolders, NeedARepositoryOfTheSegmentsOwn) {
    EXPECT_TRUE(common_repository(segment_));
    fs::remove_all(common());
    EXPECT_EQ(common_repository(segment_).error().code, ENOENT);
    write(common(), "gitdir: /elsewhere\n");
    EXPECT_EQ(common_repository(segment_).error().code, EOPNOTSUPP);
    fs::remove_all(common());
    fs::create_directories(fs::path(segment_.path) / ".jj");
    EXPECT_EQ(common_repository(segment_).error().code, EOPNOTSUPP);
}

TEST_F(WorkspaceFolders, TheirRootIsApartFromEverySegment) {
    const std::string top = folder_.path();
    SegmentSet segments;
    segments.segments = {segment_};
    Config config;
    const auto root_for = [&](const std::string& written) {
        config.ancillary.workspace_root = written;
        return find_workspace_root(config, segments, top + "/state", top + "/home");
    };
    fs::create_directories(top + "/home");
    EXPECT_EQ(*root_for(""), "");
    EXPECT_EQ(*root_for(top + "/new/one"), top + "/new/one");
    EXPECT_TRUE(fs::is_directory(top + "/new/one"));
    EXPECT_THAT(root_for(segment_.path + "/in").error().text(), HasSubstr("lies in segment"));
    EXPECT_THAT(root_for(top + "/projects").error().text(), HasSubstr("holds segment"));
    EXPECT_THAT(root_for(top + "/state/x").error().text(), HasSubstr("state folder"));
    EXPECT_THAT(root_for("/etc/toren").error().text(), HasSubstr("/etc"));
    EXPECT_FALSE(fs::exists(segment_.path + "/in"));
}

}  // namespace
}  // namespace toren
