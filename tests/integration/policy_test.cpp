// What `toren policy` says holds: the command as its users call it, and its verdicts beside what a process in a real
// cage finds when it tries.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <optional>

#include "base/child_process.h"
#include "policy/cage.h"
#include "policy/explain.h"
#include "policy/guards.h"
#include "policy/landlock.h"
#include "policy/namespaces.h"
#include "tests/unit/temp_folder.h"

namespace toren {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using Strings = std::vector<std::string>;

// --- in the cage

bool may_read(const std::string& path) {
    return static_cast<bool>(UniqueFd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK)));
}

bool is_folder(const std::string& path) {
    struct stat about {};
    return ::stat(path.c_str(), &about) == 0 && S_ISDIR(about.st_mode);
}

// What is not there is made, and taken away again.
bool may_write(const std::string& path) {
    struct stat about {};
    if (::lstat(path.c_str(), &about) != 0) {
        const UniqueFd made(::open(path.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600));
        return made && ::unlink(path.c_str()) == 0;
    }
    if (!is_folder(path)) return static_cast<bool>(UniqueFd(::open(path.c_str(), O_WRONLY | O_CLOEXEC)));
    const std::string made = path + "/written-by-the-test";
    if (!UniqueFd(::open(made.c_str(), O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600))) return false;
    ::unlink(made.c_str());
    return true;
}

// Programs that end with 0 at once.
bool may_execute(const std::string& path) {
    const pid_t child = ::fork();
    if (child == 0) {
        ::execl(path.c_str(), path.c_str(), nullptr);
        ::_exit(99);
    }
    int status = 1;
    ::waitpid(child, &status, 0);
    return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

std::string tried(const std::string& path) {
    std::string found = may_read(path) ? "r" : "-";
    found += may_write(path) ? 'w' : '-';
    return found + (is_folder(path) ? '.' : may_execute(path) ? 'x' : '-');
}

// The child's part: into the cage, as a spawner and its command, then one line a path.
Result<> try_all(const CellSpec& cell, const CageView& cage, const Strings& paths, int answers) {
    TRY(enter_cell(cell));
    for (const auto& path : cage.profile.hidden) TRY(hide_path(path));
    TRY_ASSIGN(const auto guards, Guards::stand(cage.guards));
    TRY_ASSIGN(const auto ruleset, make_ruleset(cage.landlock));
    TRY(confine_command(ruleset.get()));
    for (const auto& path : paths) {
        const std::string line = tried(path) + '\n';
        if (::write(answers, line.data(), line.size()) != static_cast<ssize_t>(line.size()))
            return errno_error("write");
    }
    return Ok{};
}

Strings tried_in_the_cage(const CageView& cage, const Strings& paths) {
    int ends[2];
    if (::pipe2(ends, O_CLOEXEC) != 0) return {"pipe"};
    UniqueFd answers(ends[0]), theirs(ends[1]);
    const CellSpec cell{cage.root, cage.resource_limits, ::geteuid(), ::getegid()};
    auto child = ChildProcess::fork(kAllNamespaces);
    if (!child) return {child.error().text()};
    if (!child->has_value()) {
        const auto done = try_all(cell, cage, paths, theirs.get());
        if (!done) ::dprintf(theirs.get(), "%s\n", done.error().text().c_str());
        ::_exit(done ? 0 : 1);
    }
    theirs.reset();
    std::string text;
    char buffer[4096];
    for (ssize_t got = 0; (got = ::read(answers.get(), buffer, sizeof buffer)) > 0;)
        text.append(buffer, static_cast<std::size_t>(got));
    Strings lines;
    for (std::size_t start = 0, end = 0; (end = text.find('\n', start)) != text.npos; start = end + 1)
        lines.push_back(text.substr(start, end - start));
    return lines;
}

// In the letters of what was found. Of what was not there only writing can be tried: guards may have put something
// empty in its place; of what the host cannot tell, nothing. The child knows a folder of the cage when it sees one.
std::string in_letters(const Explanation& answer, std::string found) {
    if (!answer.exists) return found;
    found[1] = answer.write.allowed ? 'w' : '-';
    if (!*answer.exists) return found;
    found[0] = answer.read.allowed ? 'r' : '-';
    if (!found.ends_with('.')) found[2] = answer.execute.allowed ? 'x' : '-';
    return found;
}

void expect_the_verdicts_hold(const CageView& cage, const Strings& paths) {
    std::vector<Explanation> explanations;  // before guards put anything in place
    for (const auto& path : paths) explanations.push_back(explain(cage, path, look_up_on_host));
    const Strings found = tried_in_the_cage(cage, paths);
    ASSERT_EQ(found.size(), paths.size()) << ::testing::PrintToString(found);
    for (std::size_t i = 0; i < paths.size(); ++i)
        EXPECT_EQ(found[i], in_letters(explanations[i], found[i])) << paths[i] << ": " << explanations[i].write.rule;
}

class PolicyTest : public ::testing::Test {
protected:
    void SetUp() override {
        for (const char* folder : {"app/src", "data", "book", "beside", "state"}) temp_.folder(folder);
        for (const char* folder : {"app", "data", "book", "beside"}) {
            temp_.file(std::string(folder) + "/file", "x");
            const auto script = temp_.file(std::string(folder) + "/run.sh", "#!/bin/sh\nexit 0\n");
            ASSERT_EQ(::chmod(script.c_str(), 0755), 0);
        }
        ASSERT_EQ(::chmod(temp_.file("app/locked", "x").c_str(), 0), 0);
        temp_.file("app/.env", "TOKEN=1");
        temp_.link("/usr/bin/true", "app/to-true");
        temp_.link(temp_ / "beside/file", "app/to-beside");
        temp_.link("../data/file", "app/to-data");
    }

    struct Ran {
        std::string output;
        int status;
    };
    // stdout and stderr together.
    Ran policy(const std::string& arguments) const {
        const std::string command = std::string(TOREN_BINARY_DIR) + "/bin/toren policy " + arguments + " --config '" +
                                    (temp_ / "toren.toml") + "' --state '" + (temp_ / "state") + "' 2>&1";
        std::FILE* pipe = ::popen(command.c_str(), "r");
        std::string output;
        char buffer[4096];
        while (const std::size_t got = std::fread(buffer, 1, sizeof buffer, pipe)) output.append(buffer, got);
        const int status = ::pclose(pipe);
        return {output, WIFEXITED(status) ? WEXITSTATUS(status) : -1};
    }

    TempFolder temp_;
};

TEST_F(PolicyTest, TheVerdictsAreWhatAProcessInTheCageFinds) {
    Strings paths = {"/",           "/usr",          "/usr/bin/true", "/bin/true", "/etc",        "/etc/passwd",
                     "/etc/shadow", "/etc/hostname", "/tmp",          "/var/tmp",  "/home/toren", "/proc",
                     "/sys",        "/run",          "/dev",          "/dev/null", "/dev/shm",    "/dev/kmsg"};
    for (const char* path : {"app", "app/src", "app/file", "app/run.sh", "app/locked", "app/none", "app/to-true",
                             "app/to-data", "app/to-beside", "data", "data/file", "data/run.sh", "book", "book/file",
                             "book/run.sh", "beside", "beside/file"})
        paths.push_back(temp_ / path);
    for (const bool writes : {true, false}) {
        const Profile profile{
            .name = "test", .writes = writes, .read_only = {temp_ / "book"}, .writable = {temp_ / "data"}};
        expect_the_verdicts_hold(view_cage(temp_ / "app", profile, {.tmp_bytes = 1 << 20}, {}, {}), paths);
    }
}

TEST_F(PolicyTest, TheVerdictsOnWhatIsGuardedAreWhatAProcessInTheCageFinds) {
    const auto script = [&](const std::string& path) {
        ASSERT_EQ(::chmod(temp_.file(path, "#!/bin/sh\nexit 0\n").c_str(), 0755), 0);
    };
    Strings paths;
    for (const char* folder : {"app/keys",
                               "app/.docker",
                               "app/sub/.docker",
                               "app/docker",
                               "app/.vscode",
                               "app/sub/.vscode",
                               "app/private",
                               "app/.git",
                               "app/.git/hooks",
                               "app/.git/info",
                               "app/.git/objects",
                               "app/.git/refs",
                               "app/.git/modules",
                               "app/.git/modules/a",
                               "app/.git/modules/a/b",
                               "app/.git/modules/a/b/hooks",
                               "app/.git/modules/half",
                               "app/.git/worktrees",
                               "app/.git/worktrees/w",
                               "app/.jj",
                               "app/.jj/repo",
                               "app/.jj/repo/store",
                               "app/linked",
                               "app/mirror",
                               "app/mirror/objects",
                               "app/mirror/refs",
                               "app/mirror/hooks",
                               "data/.git",
                               "data/.vscode"})
        paths.push_back(temp_.folder(folder));
    for (const char* file : {"app/.env",
                             "app/.env.example",
                             "app/sub/.env.local",
                             "app/src/a.pem",
                             "app/src/id_rsa1",
                             "app/src/id_rsab",
                             "app/.docker/config.json",
                             "app/sub/.docker/config.json",
                             "app/docker/config.json",
                             "app/keys/one",
                             "app/.envrc",
                             "app/sub/.envrc",
                             "app/.vscode/tasks.json",
                             "app/sub/.vscode/.env",
                             "app/private/x",
                             "app/.git/HEAD",
                             "app/.git/config",
                             "app/.git/index",
                             "app/.git/x.pem",
                             "app/.git/info/exclude",
                             "app/.git/modules/a/b/HEAD",
                             "app/.git/modules/a/b/config",
                             "app/.git/modules/a/b/index",
                             "app/.git/modules/half/config",
                             "app/.git/worktrees/w/commondir",
                             "app/.git/worktrees/w/HEAD",
                             "app/.jj/repo/store/type",
                             "app/linked/.git",
                             "app/mirror/HEAD",
                             "app/mirror/config",
                             "app/mirror/x.pem",
                             "app/mirror/hooks/x.pem",
                             "data/x.pem",
                             "data/.git/config",
                             "data/.vscode/x"})
        paths.push_back(temp_.file(file, "x"));
    for (const char* file : {"app/.git/hooks/pre-commit", "app/.git/modules/a/b/hooks/x", "app/mirror/hooks/update",
                             "app/sub/.vscode/run", "app/private/run"}) {
        script(file);
        paths.push_back(temp_ / file);
    }
    // Links of guarded names, and what they lead to; the last one leads to above itself.
    temp_.link("../src/run.sh", "app/sub/link.pem");
    temp_.folder("app/led-to");
    temp_.file("app/led-to/x", "x");
    temp_.link("../led-to", "app/sub/.idea");
    temp_.link("..", "app/src/.idea");
    temp_.link("/usr/bin/true", "app/true.pem");
    script("app/src/run.sh");
    script("app/src/other.sh");
    for (const char* link : {"app/sub/link.pem", "app/sub/.idea", "app/sub/.idea/x", "app/src/.idea",
                             "app/src/.idea/src/other.sh", "app/true.pem"})
        paths.push_back(temp_ / link);
    // What is not there: held, free, and for a command to make.
    for (const char* path :
         {"app/new", "app/.idea", "app/sub/none", "app/src/.envrc", "app/.git/config.worktree",
          "app/.git/modules/a/b/config.worktree", "app/.git/worktrees/w/config.worktree", "app/.git/info/none",
          "app/.jj/repo/config.toml", "app/.jj/workspace-config.toml", "app/.jj/repo/store/git_target",
          "app/mirror/none", "data/none", "data/.envrc", "data/.git/config.worktree", "app/.bashrc"})
        paths.push_back(temp_ / path);
    for (const bool writes : {true, false}) {
        const Profile profile{
            .name = "test", .writes = writes, .writable = {temp_ / "data"}, .hidden = {temp_ / "app/private"}};
        const GuardSpec guards{
            .trees = {temp_ / "app", temp_ / "data"},
            .secrets = {".env", ".env.*", "!.env.example", "*.pem", "keys", "id_rsa[0-9]", ".docker/config.json"},
            .protect = {".vscode", ".idea", ".envrc", ".bashrc"}};
        expect_the_verdicts_hold(view_cage(temp_ / "app", profile, {.tmp_bytes = 1 << 20}, guards, {}), paths);
    }
}

TEST_F(PolicyTest, ShowSaysWhatTheProfileAndTheGuardsSay) {
    temp_.file("toren.toml", R"([segments]
paths = ["app"]
[profiles.strict]
base = "read-only"
read_only = ["book"]
environment = ["HOME_OF_THE_TEST"]
seconds = 77
[segment.app]
profile = "strict"
secrets = ["*.hush"]
)");
    auto shown = policy("show app");
    EXPECT_EQ(shown.status, 0);
    for (const char* text : {"profile  strict\n", "*.hush", "time 77 s", "HOME_OF_THE_TEST (the daemon's)"})
        EXPECT_THAT(shown.output, HasSubstr(text));
    EXPECT_THAT(shown.output, HasSubstr(temp_ / "book"));
    EXPECT_THAT(shown.output, Not(HasSubstr("*.pem")));
    shown = policy("show app --json");
    EXPECT_EQ(shown.status, 0);
    EXPECT_THAT(shown.output,
                HasSubstr("\"profiles\": [\n    \"strict\",\n    \"read-only\",\n    \"workspace-write\""));
    EXPECT_THAT(shown.output, HasSubstr("\"seconds\": 77"));
}

TEST_F(PolicyTest, ExplainNamesTheRuleAndEndsWithZeroWhateverTheAnswer) {
    temp_.file("toren.toml", "[segments]\npaths = [\"app\"]\n");
    auto answer = policy("explain app .env");
    EXPECT_EQ(answer.status, 0);
    EXPECT_THAT(answer.output, HasSubstr("read     no   '.env' matches the secret pattern '.env'"));
    answer = policy("explain app to-beside");
    EXPECT_EQ(answer.status, 0);
    EXPECT_THAT(answer.output, HasSubstr("by the link " + (temp_ / "app/to-beside") + " -> "));
    EXPECT_THAT(answer.output, HasSubstr("'/tmp' is a private folder of the cage"));
    EXPECT_THAT(policy("explain app /etc/shadow").output, HasSubstr("not in the cage at all"));
    answer = policy("explain app file --profile read-only --json");
    EXPECT_EQ(answer.status, 0);
    EXPECT_THAT(answer.output, HasSubstr("\"write\": {\n    \"allowed\": false,\n    \"by\": \"mount\""));
}

TEST_F(PolicyTest, BadInputEndsWithTwoAndSaysWhatThereIs) {
    EXPECT_EQ(policy("show app").status, 2) << "no configuration";
    temp_.file("toren.toml", "[segments]\npaths = [\"app\"]\n");
    auto answer = policy("show nope");
    EXPECT_EQ(answer.status, 2);
    EXPECT_THAT(answer.output, HasSubstr("there is no segment 'nope' (there are: app)"));
    answer = policy("show app --profile nope");
    EXPECT_EQ(answer.status, 2);
    EXPECT_THAT(answer.output, HasSubstr("there is no profile 'nope' (there are: workspace-write, read-only)"));
    EXPECT_EQ(policy("explain app").status, 2) << "no path";
    temp_.file("toren.toml", "[segments]\npaths = [\"app\"]\n[profiles.p]\nwritable = [\"/etc\"]\n");
    answer = policy("show app --profile p");
    EXPECT_EQ(answer.status, 0) << "a command's profile shows nothing further, so its folders do not matter";
    temp_.file("toren.toml",
               "[confinement]\nprofile = \"p\"\n[segments]\npaths = [\"app\"]\n[profiles.p]\nwritable = [\"/etc\"]\n");
    answer = policy("show app");
    EXPECT_EQ(answer.status, 2);
    EXPECT_THAT(answer.output, HasSubstr("profiles.p.writable '/etc': refused"));
    EXPECT_FALSE(std::filesystem::exists(temp_ / "state/lock")) << "it changes nothing";
}

}  // namespace
}  // namespace toren
