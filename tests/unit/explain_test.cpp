#include "policy/explain.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <map>

#include "policy/roles.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

using Host = std::map<std::string, HostEntry>;
constexpr auto kFile = HostEntry::kFile, kFolder = HostEntry::kFolder, kLink = HostEntry::kLink;

const Host kHost = {
    {"/usr", {kFolder}},
    {"/usr/bin/make", {kFile, "", true, false, true}},
    {"/usr/share/doc", {kFolder, "", true, false}},
    {"/srv/app", {kFolder}},
    {"/srv/app/src", {kFolder}},
    {"/srv/app/src/a.c", {kFile, "", true, true, false}},
    {"/srv/app/run.sh", {kFile}},
    {"/srv/app/locked", {kFile, "", false, false, false}},
    {"/srv/app/.env", {kFile}},
    {"/srv/app/keys", {kFolder}},
    {"/srv/app/private", {kFolder}},
    {"/srv/app/agent.sock", {HostEntry::kSocket}},
    {"/srv/app/to-make", {kLink, "/usr/bin/make"}},
    {"/srv/app/to-env", {kLink, "src/../.env"}},
    {"/srv/app/to-shadow", {kLink, "/etc/shadow"}},
    {"/srv/app/out", {kLink, "../../../../etc"}},
    {"/srv/app/round", {kLink, "round"}},
    {"/srv/app/.git", {kFolder}},
    {"/srv/app/.git/hooks", {kFolder}},
    {"/srv/app/.git/index", {kFile}},
    {"/srv/app/sub", {kFolder}},
    {"/srv/app/sub/.git", {kFile}},
    {"/srv/app/.git/modules", {kFolder}},
    {"/srv/app/.git/modules/a", {kFolder}},
    {"/srv/app/.git/modules/a/b", {kFolder}},
    {"/srv/app/.git/modules/a/b/HEAD", {kFile}},
    {"/srv/app/.git/modules/a/b/objects", {kFolder}},
    {"/srv/app/.git/modules/a/b/refs", {kFolder}},
    {"/srv/app/.git/modules/a/b/index", {kFile}},
    {"/srv/app/.git/modules/half", {kFolder}},
    {"/srv/app/.git/worktrees", {kFolder}},
    {"/srv/app/.git/worktrees/w", {kFolder}},
    {"/srv/app/.git/worktrees/w/commondir", {kFile}},
    {"/srv/app/.jj", {kFolder}},
    {"/srv/app/.jj/repo", {kFolder}},
    {"/srv/app/.jj/repo/store", {kFolder}},
    {"/srv/app/.jj/repo/store/git_target", {kFile}},
    {"/srv/app/sub/.vscode", {kFolder}},
    {"/srv/app/sub/.vscode/.env", {kFile}},
    {"/srv/app/sub/.docker", {kFolder}},
    {"/srv/app/sub/.docker/config.json", {kFile}},
    {"/srv/app/mirror", {kFolder}},
    {"/srv/app/mirror/HEAD", {kFile}},
    {"/srv/app/mirror/objects", {kFolder}},
    {"/srv/app/mirror/refs", {kFolder}},
    {"/srv/app/mirror/hooks", {kFolder}},
    {"/srv/app/mirror/x.pem", {kFile}},
    {"/srv/app/x.pem", {kLink, "src/a.c"}},
    {"/srv/app/.envrc", {kLink, "src"}},
    {"/srv/app/src/.vscode", {kLink, ".."}},
    {"/srv/app/to-usr.pem", {kLink, "/usr/bin/make"}},
    {"/srv/data", {kFolder}},
    {"/srv/data/x", {kFile}},
    {"/srv/data/x.pem", {kFile}},
    {"/srv/book", {kFolder}},
    {"/tmp/host-file", {kFile}},
};

HostEntry on_host(const std::string& path) {
    const auto found = kHost.find(path);
    return found == kHost.end() ? HostEntry{} : found->second;
}

CageView cage(bool writes = true) {
    const Profile profile{.name = "test",
                          .writes = writes,
                          .read_only = {"/srv/book"},
                          .writable = {"/srv/data"},
                          .hidden = {"private", "/usr/share/doc"}};
    const GuardSpec guards{.trees = {"/srv/app", "/srv/data", "/srv/book"},
                           .secrets = {".env", ".env.*", "!.env.example", "*.pem", "keys", ".docker/config.json"},
                           .protect = {".vscode", ".envrc", ".bashrc"}};
    return view_cage("/srv/app", profile, {.tmp_bytes = 1 << 20}, guards, {});
}

Explanation explained(const std::string& path, bool writes = true) { return explain(cage(writes), path, on_host); }

// "rwx", each letter or '-'.
std::string may(const Explanation& answer) {
    return std::string(answer.read.allowed ? "r" : "-") + (answer.write.allowed ? "w" : "-") +
           (answer.execute.allowed ? "x" : "-");
}

TEST(ExplainTest, EveryPathHasItsVerdictAndTheRuleThatMadeIt) {
    struct Row {
        const char* path;
        const char* may;
        DecidedBy write_decided_by;
        const char* rule_of_writing;
    };
    const Row kRows[] = {
        {"/srv/app", "rwx", DecidedBy::kMount, "'/srv/app' is shown writable; Landlock rule '/srv/app'"},
        {"/srv/app/src/a.c", "rw-", DecidedBy::kMount, "'/srv/app' is shown writable"},
        {"/srv/app/run.sh", "rwx", DecidedBy::kMount, "'/srv/app' is shown writable"},
        {"/srv/app/not/there/yet", "rwx", DecidedBy::kMount, "'/srv/app' is shown writable"},
        {"/srv/app/locked", "---", DecidedBy::kPermissions, "owner and mode"},
        {"/srv/app/.env", "---", DecidedBy::kSecret, "'.env' matches the secret pattern '.env'"},
        {"/srv/app/src/.env.local", "---", DecidedBy::kSecret, "'.env.local' matches"},
        {"/srv/app/.env.example", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/keys/any/thing", "---", DecidedBy::kSecret, "'keys' matches the secret pattern 'keys'"},
        {"/srv/app/private/x", "---", DecidedBy::kProfile, "profile 'test' hides 'private'"},
        {"/srv/app/private2", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/agent.sock", "---", DecidedBy::kGuard, "a socket"},
        {"/srv/app/.vscode/settings.json", "r-x", DecidedBy::kGuard, "'.vscode' is a protected name"},
        {"/srv/app/sub/.vscode/x", "r-x", DecidedBy::kGuard, "'.vscode' is a protected name"},
        {"/srv/app/sub/.vscode/.env", "---", DecidedBy::kSecret, "'.env' matches"},
        {"/srv/app/src2/.vscode", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.bashrc", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/sub/.docker/config.json", "---", DecidedBy::kSecret, "the secret pattern '.docker/config.json'"},
        {"/srv/app/sub/config.json", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/index", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/objects/config", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/hooks", "r-x", DecidedBy::kGuard, "'.git/hooks' decides what git or jj runs"},
        {"/srv/app/.git/hooks/pre-commit", "r-x", DecidedBy::kGuard, "'.git/hooks' decides"},
        {"/srv/app/.git/config", "r-x", DecidedBy::kGuard, "'.git/config' decides"},
        {"/srv/app/.git/refs/heads/x.pem", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/modules/a/b/config", "r-x", DecidedBy::kGuard, "'.git/modules/a/b/config' decides"},
        {"/srv/app/.git/modules/a/b/index", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/worktrees/w/config.worktree", "r-x", DecidedBy::kGuard, "decides"},
        {"/srv/app/.git/worktrees/w/index", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/worktrees/w/commondir", "r-x", DecidedBy::kGuard, "decides"},
        {"/srv/app/.git/worktrees/v/config.worktree", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/.git/commondir", "r-x", DecidedBy::kGuard, "'.git/commondir' decides"},
        {"/srv/app/.git/modules/half/config", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/new/.git/config", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/sub/.git", "r-x", DecidedBy::kGuard, "'sub/.git' decides"},
        {"/srv/app/.jj/repo/config.toml", "r-x", DecidedBy::kGuard, "decides"},
        {"/srv/app/.jj/repo/config-id", "r-x", DecidedBy::kGuard, "decides"},
        {"/srv/app/.jj/repo/store/git_target", "r-x", DecidedBy::kGuard, "decides"},
        {"/srv/app/.jj/repo/store/type", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/mirror/config", "r-x", DecidedBy::kGuard, "'mirror/config' decides"},
        {"/srv/app/mirror/hooks/x", "r-x", DecidedBy::kGuard, "'mirror/hooks' decides"},
        {"/srv/app/mirror/hooks/x.pem", "---", DecidedBy::kSecret, "'x.pem' matches"},
        {"/srv/app/mirror/x.pem", "---", DecidedBy::kSecret, "'x.pem' matches"},
        {"/srv/app/mirror/HEAD", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/app/x.pem", "---", DecidedBy::kSecret, "'x.pem' matches"},
        {"/srv/app/.envrc/a.c", "r--", DecidedBy::kGuard, "'.envrc' is a protected name"},
        {"/srv/app/src/.vscode/src/a.c", "rw-", DecidedBy::kMount, "writable"},
        {"/srv/app/to-usr.pem", "r-x", DecidedBy::kMount, "'/usr' is shown read-only"},
        {"/srv/app/src/config", "rwx", DecidedBy::kMount, "writable"},
        {"/srv/data/x", "rwx", DecidedBy::kMount, "'/srv/data' is shown writable"},
        {"/srv/data/x.pem", "---", DecidedBy::kSecret, "'x.pem' matches the secret pattern '*.pem'"},
        {"/srv/book", "r-x", DecidedBy::kMount, "'/srv/book' is shown read-only"},
        {"/usr/bin/make", "r-x", DecidedBy::kMount, "'/usr' is shown read-only"},
        {"/usr/share/doc/x", "---", DecidedBy::kProfile, "hides '/usr/share/doc'"},
        {"/etc/passwd", "r--", DecidedBy::kMount, "'/etc/passwd' is a file of the cage's own"},
        {"/etc/shadow", "---", DecidedBy::kRoot, "not in the cage at all"},
        {"/etc", "r--", DecidedBy::kRoot, "the cage's own root, read-only"},
        {"/", "r--", DecidedBy::kRoot, "the cage's own root, read-only"},
        {"/srv", "r--", DecidedBy::kRoot, "the cage's own root, read-only"},
        {"/srv/other", "---", DecidedBy::kRoot, "not in the cage at all"},
        {"/srv/application", "---", DecidedBy::kRoot, "not in the cage at all"},
        {"/root/.ssh/id_rsa", "---", DecidedBy::kRoot, "not in the cage at all"},
        {"/tmp/host-file", "rwx", DecidedBy::kMount, "'/tmp' is a private folder of the cage"},
        {"/home/toren/x", "rwx", DecidedBy::kMount, "'/home/toren' is a private folder"},
        {"/proc/1/environ", "r--", DecidedBy::kMount, "'/proc' shows the command's own processes"},
        {"/sys/kernel", "---", DecidedBy::kRoot, "not in the cage at all"},
        {"/dev/null", "rw-", DecidedBy::kMount, "'/dev/null' is a device of the host"},
        {"/dev/kmsg", "---", DecidedBy::kRoot, "not in the cage at all"},
        {"/dev/shm/x", "rwx", DecidedBy::kMount, "'/dev/shm' is a private folder"},
    };
    for (const auto& row : kRows) {
        const auto answer = explained(row.path);
        EXPECT_EQ(may(answer), row.may) << row.path;
        EXPECT_EQ(decider_name(answer.write.by), std::string(decider_name(row.write_decided_by))) << row.path;
        EXPECT_THAT(answer.write.rule, HasSubstr(row.rule_of_writing)) << row.path;
    }
}

TEST(ExplainTest, UnderAProfileThatWritesNothingOnlyThePrivateFoldersAreWritable) {
    for (const char* path : {"/srv/app/src/a.c", "/srv/data/x", "/srv/app/new"}) {
        const auto answer = explained(path, false);
        EXPECT_TRUE(answer.read.allowed) << path;
        EXPECT_FALSE(answer.write.allowed) << path;
        EXPECT_THAT(answer.write.rule, HasSubstr("is shown read-only")) << path;
    }
    EXPECT_EQ(may(explained("/tmp/x", false)), "rwx");
}

TEST(ExplainTest, LandlockIsNamedWhereTheMountAloneWouldAllow) {
    auto view = cage();
    std::erase_if(view.landlock.rules, [](const PathRule& rule) { return rule.path == "/srv/app"; });
    const auto answer = explain(view, "/srv/app/run.sh", on_host);
    EXPECT_EQ(may(answer), "r--");
    EXPECT_EQ(answer.write.by, DecidedBy::kLandlock);
    EXPECT_EQ(answer.write.rule, "no rule grants writing there");
    EXPECT_EQ(answer.execute.rule, "no rule grants executing there");
}

TEST(ExplainTest, LinksAreFollowedAsTheCageFollowsThem) {
    auto answer = explained("/srv/app/to-make");
    EXPECT_EQ(answer.path, "/usr/bin/make");
    EXPECT_THAT(answer.links, ElementsAre("/srv/app/to-make -> /usr/bin/make"));
    EXPECT_EQ(may(answer), "r-x");
    answer = explained("/srv/app/to-env");
    EXPECT_EQ(answer.path, "/srv/app/.env");
    EXPECT_EQ(answer.read.by, DecidedBy::kSecret);
    answer = explained("/srv/app/out/shadow");
    EXPECT_EQ(answer.path, "/etc/shadow");
    EXPECT_EQ(may(answer), "---");
    answer = explained("/var/tmp/../tmp/x");
    EXPECT_EQ(answer.path, "/tmp/x") << "/var/tmp is a link of the cage's own, and .. goes up from where it leads";
    answer = explained("/srv/app/round/x");
    EXPECT_EQ(may(answer), "---");
    EXPECT_THAT(answer.read.rule, HasSubstr("circle"));
    EXPECT_EQ(explained("//srv/./app//src/../src/a.c").path, "/srv/app/src/a.c");
    EXPECT_EQ(explained("/..").path, "/");
}

TEST(ExplainTest, WhatIsNotThereIsSaidWhereTheHostCanTell) {
    EXPECT_EQ(explained("/srv/app/src").exists, true);
    EXPECT_EQ(explained("/srv/app/gone").exists, false);
    EXPECT_EQ(explained("/tmp/host-file").exists, std::nullopt) << "the host's /tmp is another one";
    EXPECT_EQ(explained("/srv").exists, true);
    EXPECT_EQ(explained("/etc/shadow").exists, false);
}

TEST(ExplainTest, AGitFolderIsWritableAndStaysInItsPlace) {
    for (const char* folder : {"/srv/app/.git", "/srv/app/.git/modules", "/srv/app/.git/modules/a/b", "/srv/app/.jj"})
        EXPECT_THAT(explained(folder).note, HasSubstr("cannot be moved aside")) << folder;
    EXPECT_EQ(explained("/srv/app/.git/index").note, "");
    EXPECT_EQ(explained("/srv/app/.git", false).note, "");
    auto view = cage();
    view.guards.git = false;
    EXPECT_EQ(explain(view, "/srv/app/.git", on_host).note, "");
    EXPECT_EQ(may(explain(view, "/srv/app/.git/config", on_host)), "rwx");
}

TEST(ExplainTest, WhatACommandMayMakeAndLaterCellsHoldIsNoted) {
    for (const char* path : {"/srv/app/src/.vscode2/../.envrc", "/srv/app/.bashrc", "/srv/app/.jj/repo/store/type"})
        EXPECT_THAT(explained(path).note, HasSubstr("writable until its cell starts again")) << path;
    EXPECT_EQ(explained("/srv/app/src/.git").note, "");
    EXPECT_EQ(explained("/srv/app/.vscode").note, "") << "held at the segment's top though it is not there";
}

TEST(ExplainTest, TheHostIsSeenWithoutCapabilities) {
    const TempFolder temp;
    const auto file = temp.file("file", "");
    temp.link("file", "link");
    ASSERT_EQ(::chmod(file.c_str(), 0400), 0);
    auto entry = look_up_on_host(file);
    EXPECT_EQ(entry.kind, kFile);
    EXPECT_TRUE(entry.readable);
    EXPECT_FALSE(entry.writable);
    EXPECT_FALSE(entry.executable);
    EXPECT_EQ(look_up_on_host(temp.path()).kind, kFolder);
    EXPECT_EQ(look_up_on_host(temp / "link").target, "file");
    EXPECT_EQ(look_up_on_host(temp / "none").kind, HostEntry::kMissing);
}

}  // namespace
}  // namespace toren
