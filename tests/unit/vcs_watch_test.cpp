// A status that is kept by watching equals git's own after whatever happens to the tree.
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <filesystem>
#include <map>
#include <random>

#include "tests/unit/vcs_fixture.h"
#include "workers/vcs/second_thread.h"

namespace toren::vcs {
namespace {

namespace fs = std::filesystem;
using ipc::VcsUntracked;

class VcsWatchTest : public VcsTest {
protected:
    static void SetUpTestSuite() {
        VcsTest::SetUpTestSuite();
        static const auto started = start_second_thread();
        ASSERT_TRUE(started) << started.error().text();
    }
    // As the worker does it between two requests.
    void rest() {
        while (repositories_.can_prepare()) repositories_.prepare();
    }
    Strings kept(VcsUntracked untracked = VcsUntracked::kFolders) {
        ipc::VcsStatus request;
        request.untracked = untracked;
        auto result = status("", request);
        EXPECT_EQ(result.error, "");
        rest();
        return result.files;
    }
    void agree(const std::string& after) {
        EXPECT_EQ(kept(), git_status()) << after;
        EXPECT_EQ(kept(VcsUntracked::kAll), git_status(".", "-uall")) << after;
        EXPECT_EQ(kept(VcsUntracked::kNone), git_status(".", "-uno")) << after;
        EXPECT_EQ(kept(), git_status()) << after << ", once more";
    }
    Strings changed_files() {
        Strings files;
        for (const auto& file : diff().files) files.push_back(file.path);
        std::sort(files.begin(), files.end());
        files.erase(std::unique(files.begin(), files.end()), files.end());  // a changed type is two files to a patch
        return files;
    }
    Strings git_changed_files() {
        const std::string output = run("git diff --name-only -z HEAD");
        Strings files;
        for (std::size_t from = 0, end = 0; (end = output.find('\0', from)) != std::string::npos; from = end + 1)
            files.push_back(output.substr(from, end - from));
        std::sort(files.begin(), files.end());
        return files;
    }
};

// The control of all others: inotify says nothing of a write by a name outside, so that a status which noticed it would
// have looked at the whole tree.
TEST_F(VcsWatchTest, LooksAtNothingThatDidNotChange) {
    run("start && ln a ../outside");
    EXPECT_EQ(kept(), Strings());
    run("echo more >>../outside");
    EXPECT_EQ(kept(), Strings());
    run("echo more >>b");
    EXPECT_EQ(kept(), (Strings{" M b"}));
}

struct Step {
    const char* name;
    const char* script;
    const char* before = "";
};

class VcsWatchedSteps : public VcsWatchTest, public ::testing::WithParamInterface<Step> {};

TEST_P(VcsWatchedSteps, AgreeWithGit) {
    run(std::string("start && echo '*.o' >.gitignore && git add . && git commit -q -m rules; ") + GetParam().before);
    agree("the beginning");
    run(GetParam().script);
    agree("the step");
}

constexpr Step kSteps[] = {
    {"AWrite", "echo x >>a"},
    {"AWriteOfTheSameSize", "sed -i s/1/2/ a"},
    {"ADeletedFile", "rm a"},
    {"ADeletedFolder", "rm -r dir"},
    {"ANewFile", "echo x >new"},
    {"ANewFolder", "mkdir -p one/two/three && echo x >one/two/three/file"},
    {"AnEmptyFolder", "mkdir -p one/two"},
    {"AFileInANewFolder", "echo x >one/two/file", "mkdir -p one/two"},
    {"TheLastFileOfAFolder", "rm one/two/file", "mkdir -p one/two; echo x >one/two/file"},
    {"AMovedFile", "mv a moved"},
    {"AMovedFolder", "mv dir moved && echo x >>moved/c"},
    {"AFolderMovedInAndBack", "mv dir moved && mv moved dir && echo x >>dir/c"},
    {"AFolderThatTakesAnothersPlace", "mv dir old && mkdir dir && echo x >dir/c && rm -r old"},
    {"AFolderFromOutside", "mv ../elsewhere inside && echo x >inside/deep/file",
     "mkdir -p ../elsewhere/deep && echo y >../elsewhere/deep/other"},
    {"AFolderToOutside", "mv dir ../gone && echo x >>../gone/c"},
    {"AFileThatBecomesAFolder", "rm a && mkdir a && echo x >a/file"},
    {"AFolderThatBecomesAFile", "rm -r dir && echo x >dir"},
    {"AFileThatBecomesALink", "rm a && ln -s b a"},
    {"ALinkThatPointsElsewhere", "ln -sfn b link", "ln -s a link; git add link"},
    {"AMode", "chmod +x a"},
    {"ATouch", "touch a"},
    {"AnotherNameOfAFile", "ln a again"},
    {"AWriteByAnotherName", "echo x >>dir/again", "ln a dir/again; git add ."},
    {"AnIgnoredFile", "echo x >file.o"},
    {"AnIgnoredFolder", "mkdir build && echo x >build/file", "echo build/ >>.gitignore"},
    {"ATrackedFileInAnIgnoredFolder", "echo x >>build/kept && echo x >build/other",
     "mkdir -p build/deep && echo y >build/kept && git add . && echo build/ >>.gitignore"},
    {"AFileAddedInAnIgnoredFolder", "git add -f build/kept && git status >/dev/null && echo x >>build/kept",
     "echo build/ >>.gitignore && mkdir build && echo y >build/kept"},
    {"OtherIgnoreRules", "echo new >>.gitignore", "echo x >new"},
    {"FewerIgnoreRules", "rm .gitignore", "echo x >file.o"},
    {"IgnoreRulesInAFolder", "echo c2 >dir/.gitignore", "echo x >dir/c2"},
    {"ExcludedByTheRepository", "mkdir -p .git/info && echo new >>.git/info/exclude", "echo x >new"},
    {"ARuleThatEnds", "echo x >build/other",
     "echo build/ >>.gitignore; mkdir build; echo y >build/file; echo >.gitignore"},
    {"AnAddedFile", "git add new", "echo x >new"},
    {"AnAddedWrite", "git add a", "echo x >>a"},
    {"AWriteAfterAnAdd", "echo x >>a && git add a && echo y >>a"},
    {"ARacyWrite", "echo x1 >a && git add a && echo x2 >a"},
    {"AReset", "git reset -q --hard", "echo x >>a; echo y >new; git add ."},
    {"ACommit", "git commit -q -m more", "echo x >>a; git add a"},
    {"AnAmendedCommit", "git reset -q --soft HEAD^"},
    {"ACheckout", "git checkout -q HEAD^"},
    {"ABranch", "git checkout -q -b other && echo x >>a"},
    {"AStash", "git stash -q", "echo x >>a"},
    {"AStagedRename", "git mv a renamed"},
    {"AForgottenFile", "git rm -q --cached a"},
    {"AnIntendedAdd", "git add -N new", "echo x >new"},
    {"AConflict", "git merge -q other || true",
     "git checkout -q -b other; echo x >a; git commit -q -am x; git checkout -q main; echo y >a; git commit -q -am y"},
    {"AResolvedConflict", "echo z >a; git add a",
     "git checkout -q -b other; echo x >a; git commit -q -am x; git checkout -q main; echo y >a; git commit -q -am y; "
     "git merge -q other || true"},
    {"ARepositoryWithin", "git init -q within && echo x >within/file"},
    {"ARepositoryWithinThatEnds", "rm -r within/.git", "git init -q within && echo x >within/file"},
    {"AFolderThatBecomesARepository", "git init -q untracked", "mkdir untracked && echo x >untracked/file"},
    {"AnUnreadableFolder", "chmod 755 shut && echo x >shut/file", "mkdir shut; chmod 0 shut"},
    {"ManyFiles", "for i in $(seq 3000); do echo $i >many$i; done"},
    {"MoreThanTheQueueHolds", "for i in $(seq 9000); do echo $i >>b; echo $i >>a; done; echo x >last"},
    {"ADeepTree", "mkdir -p $(seq -s / 60) && echo x >$(seq -s / 60)/file"},
    {"OddNames", "mkdir '[ab]' && echo x >'[ab]/*' && echo y >'**' && printf x >\"$(printf 'new\\nline')\""},
    {"NamesThatBeginAlike", "rm -r dir && echo x >dir-a && echo y >dir.b && echo z >dir0"},
};

INSTANTIATE_TEST_SUITE_P(Kept, VcsWatchedSteps, ::testing::ValuesIn(kSteps),
                         [](const auto& step) { return step.param.name; });

TEST_F(VcsWatchTest, SeesWhatIsStoredThroughAMapping) {
    run("start");
    EXPECT_EQ(kept(), Strings());
    const std::string path = segment_ + "/a";
    const UniqueFd file(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    auto* mapped = static_cast<char*>(::mmap(nullptr, 16, PROT_READ | PROT_WRITE, MAP_SHARED, file.get(), 0));
    ASSERT_NE(mapped, MAP_FAILED);
    // Made known by the write, the file is looked at each time; the stores themselves tell nothing.
    ASSERT_EQ(::pwrite(file.get(), "0", 1, 0), 1);
    EXPECT_EQ(kept(), (Strings{" M a"}));
    run("git checkout -q a");  // a new file: the mapping is of the old one
    EXPECT_EQ(kept(), Strings());
    ::munmap(mapped, 16);

    const UniqueFd again(::open(path.c_str(), O_RDWR | O_CLOEXEC));
    mapped = static_cast<char*>(::mmap(nullptr, 16, PROT_READ | PROT_WRITE, MAP_SHARED, again.get(), 0));
    ASSERT_NE(mapped, MAP_FAILED);
    mapped[0] = '7';
    ASSERT_EQ(::msync(mapped, 16, MS_SYNC), 0);
    EXPECT_EQ(kept(), git_status());
    ::munmap(mapped, 16);
}

TEST_F(VcsWatchTest, FollowsASubmodule) {
    run("git init -q -b main ../inner && cd ../inner && echo x >file && git add . && git commit -q -m inner");
    run("start && git -c protocol.file.allow=always submodule --quiet add ../inner sub && git commit -q -m sub");
    EXPECT_EQ(kept(), git_status());
    run("echo y >>sub/file");
    EXPECT_EQ(kept(), git_status());
    run("cd sub && git commit -q -am more");
    EXPECT_EQ(kept(), git_status());
    run("git add sub");
    EXPECT_EQ(kept(), git_status());
}

TEST_F(VcsWatchTest, DiffersOnlyWhereTheTreeDoes) {
    run("start");
    EXPECT_EQ(kept(), Strings());
    EXPECT_EQ(changed_files(), Strings());
    run("echo x >>a && git add a && echo y >>dir/c && echo z >new");
    EXPECT_EQ(changed_files(), git_changed_files());
    const std::string patch = run("git diff HEAD");
    EXPECT_EQ(comparable_patch(diff().text), comparable_patch(patch));
    ipc::VcsDiff request;
    request.sides = ipc::VcsSides::kIndexToWorkTree;
    EXPECT_EQ(diff("", request).text, run("git diff"));
    request.files = {"dir/"};
    EXPECT_EQ(diff("", request).text, run("git diff -- dir"));
    request.files = {"a"};
    EXPECT_EQ(diff("", request).text, "");

    run("mkdir '[ab]' '!no' && echo x >'[ab]/*' && echo y >'!no/#' && printf z >\"$(printf 'new\\nline')\" && "
        "git add . && git commit -q -m odd");
    EXPECT_EQ(kept(), Strings());
    run("echo x >>'[ab]/*' && echo y >>'!no/#' && printf z >>\"$(printf 'new\\nline')\"");
    EXPECT_EQ(changed_files(), git_changed_files());
}

// A thousand times: something happens, and both are asked.
class RandomTree {
public:
    RandomTree(std::string folder, unsigned seed) : folder_(std::move(folder)), random_(seed) {}

    std::string step() {
        struct Kind {
            const char* name;
            std::string (RandomTree::*act)();
        };
        static constexpr Kind kKinds[] = {
            {"write", &RandomTree::write},    {"write", &RandomTree::write},     {"write", &RandomTree::write},
            {"remove", &RandomTree::remove},  {"move", &RandomTree::move},       {"link", &RandomTree::link},
            {"folder", &RandomTree::folder},  {"mode", &RandomTree::mode},       {"ignore", &RandomTree::ignore},
            {"git", &RandomTree::git},        {"git", &RandomTree::git},         {"clear", &RandomTree::clear},
            {"hardlink", &RandomTree::again}, {"nothing", &RandomTree::nothing},
        };
        const Kind& kind = kKinds[below(std::size(kKinds))];
        return kind.name + std::string(" ") + (this->*kind.act)();
    }

private:
    std::size_t below(std::size_t most) { return random_() % most; }
    std::string name() {
        static constexpr const char* kNames[] = {"a", "b", "c.o", "src", "build", "dir", "x y", "-n", "\xff\xfe"};
        return kNames[below(std::size(kNames))];
    }
    std::string path() {
        std::string path = name();
        for (std::size_t depth = below(4); depth > 0; --depth) path += '/' + name();
        return path;
    }
    fs::path at(const std::string& path) const { return fs::path(folder_) / path; }

    std::string write() {
        const auto chosen = path();
        std::error_code failed;
        fs::create_directories(at(chosen).parent_path(), failed);
        std::ofstream(at(chosen)) << below(3) << "\n";  // often the same size, sometimes the same content
        return chosen;
    }
    std::string remove() {
        const auto chosen = path();
        std::error_code failed;
        fs::remove_all(at(chosen), failed);
        return chosen;
    }
    std::string move() {
        const auto from = path(), to = path();
        std::error_code failed;
        fs::rename(at(from), at(to), failed);
        return from + " -> " + to;
    }
    std::string link() {
        const auto chosen = path();
        std::error_code failed;
        fs::remove(at(chosen), failed);
        fs::create_symlink(name(), at(chosen), failed);
        return chosen;
    }
    std::string again() {
        const auto from = path(), to = path();
        std::error_code failed;
        fs::create_hard_link(at(from), at(to), failed);
        return from + " = " + to;
    }
    std::string folder() {
        const auto chosen = path();
        std::error_code failed;
        fs::create_directories(at(chosen), failed);
        return chosen;
    }
    std::string mode() {
        const auto chosen = path();
        std::error_code failed;
        if (fs::is_regular_file(fs::symlink_status(at(chosen), failed)))
            ::chmod(at(chosen).c_str(), below(2) == 0 ? 0755 : 0644);
        return chosen;
    }
    std::string ignore() {
        static constexpr const char* kRules[] = {"*.o\n", "build/\n", "/src/a\n", "*.o\n!c.o\n", ""};
        const char* rules = kRules[below(std::size(kRules))];
        const auto chosen = below(2) == 0 ? ".gitignore" : name() + "/.gitignore";
        if (below(4) == 0) std::ofstream(at(".git/info/exclude")) << rules;
        else std::ofstream(at(chosen)) << rules;
        return chosen + ": " + rules;
    }
    std::string clear() {
        const std::string script = "git clean -q -f -d -x >/dev/null; git reset -q --hard";
        return below(8) == 0 ? script : nothing();
    }
    std::string nothing() { return ""; }
    std::string git() {
        static constexpr const char* kScripts[] = {"git add -A",
                                                   "git add -A src",
                                                   "git add -f build",
                                                   "git add -N .",
                                                   "git reset -q",
                                                   "git commit -q --allow-empty -m more",
                                                   "git commit -q -a -m all",
                                                   "git rm -r -q --cached src",
                                                   "git checkout -q -f HEAD~1 -- .",
                                                   "git stash -q",
                                                   "git checkout -q -f -B side HEAD~1",
                                                   "git add -A dir"};
        return kScripts[below(std::size(kScripts))];
    }

    std::string folder_;
    std::mt19937 random_;
};

TEST_F(VcsWatchTest, EqualsGitAThousandTimes) {
    const unsigned seed = ::getenv("TOREN_SEED") != nullptr ? static_cast<unsigned>(std::atoi(::getenv("TOREN_SEED")))
                                                            : static_cast<unsigned>(std::random_device()());
    SCOPED_TRACE("TOREN_SEED=" + std::to_string(seed));
    run("start && mkdir -p src/src build && echo 1 >src/a && echo 1 >src/src/b && git add . && git commit -q -m "
        "second");
    RandomTree tree(segment_, seed);
    std::string trace;
    for (int step = 0; step < 1000 && !HasFailure(); ++step) {
        const std::string did = tree.step();
        trace = (trace + did + "\n").substr(trace.size() > 2000 ? trace.size() - 2000 : 0);
        if (const auto script = did.find("git "); script != did.npos)
            git_shell(segment_, did.substr(script) + " || true");
        const auto mode = step % 3 == 0   ? VcsUntracked::kAll
                          : step % 7 == 0 ? VcsUntracked::kNone
                                          : VcsUntracked::kFolders;
        const char* options = step % 3 == 0 ? "-uall" : step % 7 == 0 ? "-uno" : "";
        EXPECT_EQ(kept(mode), git_status(".", options)) << "step " << step << " after\n" << trace;
        if (step % 10 == 0) {
            EXPECT_EQ(changed_files(), git_changed_files()) << "step " << step << " after\n" << trace;
        }
    }
}

}  // namespace
}  // namespace toren::vcs
