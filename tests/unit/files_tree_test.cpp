// Trees: listed page by page, found by glob, ignored by git's rules; made, moved, copied and deleted.
#include <sys/un.h>

#include <cstdlib>
#include <random>

#include "tests/unit/files_worker.h"
#include "workers/tree/beneath.h"
#include "workers/tree/glob.h"

namespace toren::workers {
namespace {

class TreeTest : public FilesTest {
protected:
    static ipc::ListFolder all(const std::string& path = ".") {
        return {.path = path, .recursive = true, .max_entries = 1'000'000};
    }
    std::vector<std::string> found(ipc::ListFolder request) {
        const auto answered = worker_.list(request);
        EXPECT_EQ(answered.failure, Failure::kNone) << answered.error;
        return worker_.paths;
    }
    std::vector<std::string> glob(const std::string& pattern) {
        auto request = all();
        request.glob = pattern;
        return found(request);
    }
    void files(std::initializer_list<const char*> paths) {
        for (const std::string path : paths) {
            if (path.find('/') != path.npos) temp_.folder("segment/" + path.substr(0, path.rfind('/')));
            temp_.file("segment/" + path, path);
        }
    }
};

TEST_F(TreeTest, ATreeIsListedByBytesWithAFoldersOwnBehindIt) {
    files({"b", "a/z", "a.b", "a0", "B", "a/\xff", "\xc3\xa9", "dir/deep/.h"});
    EXPECT_THAT(found(all()), ElementsAre("B", "a", "a/z", "a/\xff", "a.b", "a0", "b", "dir", "dir/deep", "dir/deep/.h",
                                          "dir/deep/leaf", "file", "\xc3\xa9"));
    EXPECT_THAT(found({.path = "dir", .recursive = true, .depth = 1, .max_entries = 9}), ElementsAre("deep"));
    EXPECT_THAT(found({.path = "dir", .recursive = true, .hidden = false, .max_entries = 9}),
                ElementsAre("deep", "deep/leaf"));
}

TEST_F(TreeTest, PagesShowEverythingOnceWhereverTheyAreCut) {
    files({"a/b/c", "a/b/d/e", "a/bb", "a-b", "a.b/x", "b/b", "b/b.b", "c", "dir/a", "dir/b"});
    const auto whole = found(all());
    for (std::uint64_t size = 1; size <= whole.size() + 1; ++size) {
        std::vector<std::string> pages;
        auto request = all();
        request.max_entries = size;
        for (bool more = true; more;) {
            more = worker_.list(request).as<ipc::ListEnd>().more;
            ASSERT_LE(worker_.paths.size(), size);
            ASSERT_TRUE(!worker_.paths.empty()) << "more, and then nothing";
            pages.insert(pages.end(), worker_.paths.begin(), worker_.paths.end());
            request.after = pages.back();
        }
        ASSERT_EQ(pages, whole) << "by " << size;
    }
    // Behind a name that has gone: what comes behind it in the order.
    auto request = all();
    for (const auto& [after, first] : std::map<std::string, std::string>{{"a/b/cc", "a/b/d"},
                                                                         {"a/bz", "a-b"},
                                                                         {"a/b/c/x", "a/b/d"},
                                                                         {"a-b/b", "a.b"},
                                                                         {"b/b/x", "b/b.b"},
                                                                         {"b/c", "c"}}) {
        request.after = after;
        auto listed = found(request);
        ASSERT_FALSE(listed.empty()) << after;
        EXPECT_EQ(listed[0], first) << after;
        for (const auto& path : listed) EXPECT_NE(path, after);
    }
}

TEST_F(TreeTest, AGlobFinds) {
    files({"src/main.cpp", "src/a/b/deep.cpp", "src/a/b/deep.h", "README.md", ".hidden.cpp", "src/[x].cpp",
           "\xc3\xa9.cpp"});
    EXPECT_THAT(glob("*.md"), ElementsAre("README.md"));
    EXPECT_THAT(glob("deep.{cpp,h}"), ElementsAre("src/a/b/deep.cpp", "src/a/b/deep.h"));
    EXPECT_THAT(glob("src/**/*.cpp"), ElementsAre("src/[x].cpp", "src/a/b/deep.cpp", "src/main.cpp"));
    EXPECT_THAT(glob("src/*.cpp"), ElementsAre("src/[x].cpp", "src/main.cpp"));
    EXPECT_THAT(glob("**/b/*"), ElementsAre("src/a/b/deep.cpp", "src/a/b/deep.h"));
    EXPECT_THAT(glob("?.cpp"), ElementsAre("\xc3\xa9.cpp")) << "a character, not a byte";
    EXPECT_THAT(glob("\\[x\\].cpp"), ElementsAre("src/[x].cpp"));
    auto request = all();
    request.glob = "[";
    EXPECT_EQ(worker_.list(request).failure, Failure::kMalformed);
}

TEST(GlobTest, PatternsMatchAsTheyAreMeant) {
    struct {
        const char* pattern;
        std::vector<const char*> yes, no;
    } const kCases[] = {
        {"*", {"", "a", "a.b"}, {"a/b", "/"}},
        {"a*b*c", {"abc", "axbxc", "abbc"}, {"ab", "abcx", "a/bc"}},
        {"**", {"a", "a/b", "a/b/c"}, {""}},
        {"**/a", {"a", "x/a", "x/y/a"}, {"xa", "a/x"}},
        {"a/**", {"a/x", "a/x/y"}, {"a", "a/", "ab/x"}},
        {"a/**/b", {"a/b", "a/x/b", "a/x/y/b"}, {"ab", "a/xb", "a//b/"}},
        {"a**b", {"ab", "axb"}, {"a/b"}},
        {"[a-c]x", {"ax", "bx", "cx"}, {"dx", "x", "aax"}},
        {"[!a-c]x", {"dx", "-x"}, {"ax", "/x"}},
        {"[]a]", {"]", "a"}, {"b"}},
        {"[a-]", {"a", "-"}, {"b"}},
        {"[[:digit:]x]", {"5", "x"}, {"a"}},
        {"[\xc3\xa9-\xc3\xaf]", {"\xc3\xaa"}, {"\xc3\xb0", "e"}},
        {"{a,b{c,d}}e", {"ae", "bce", "bde"}, {"be", "e", "ace"}},
        {"{,a}b", {"b", "ab"}, {"aab"}},
        {"{a/**,b}", {"a/x", "b"}, {"a"}},
        {"\\*", {"*"}, {"a"}},
        {"a?", {"ab", "a\xff"}, {"a", "a/"}},
    };
    for (const auto& [pattern, yes, no] : kCases) {
        const auto glob = Glob::compile(pattern, true);
        ASSERT_TRUE(glob) << pattern;
        for (const char* path : yes) EXPECT_TRUE(glob->matches(path)) << pattern << " " << path;
        for (const char* path : no) EXPECT_FALSE(glob->matches(path)) << pattern << " " << path;
    }
    for (const char* pattern : {"[", "[a", "{", "{a", "{a,", "a\\", "[!", "[]"})
        EXPECT_FALSE(Glob::compile(pattern, true)) << pattern;
    EXPECT_TRUE(Glob::compile("{", false));
    EXPECT_FALSE(Glob::compile(std::string(2000, 'a'), true));
}

TEST(GlobTest, NoPatternTakesForEver) {
    std::string stars, braces;
    for (int i = 0; i < 200; ++i) stars += "*a";
    for (int i = 0; i < 100; ++i) braces += "{a,aa}";
    for (const auto& pattern : {stars + "b", braces + "b", std::string("**/**/**/**/**/**/**/**/b")}) {
        const auto glob = Glob::compile(pattern, true);
        ASSERT_TRUE(glob) << pattern;
        EXPECT_FALSE(glob->matches(std::string(4000, 'a')));
        std::string deep;
        for (int i = 0; i < 1000; ++i) deep += "aa/";
        EXPECT_FALSE(glob->matches(deep + "a"));
    }
}

TEST_F(TreeTest, WhatIsIgnoredIsWhatGitIgnores) {
    if (std::system("git --version >/dev/null 2>&1") != 0) GTEST_SKIP() << "git is not installed";
    files({"keep.c",
           "a.o",
           "sub/a.o",
           "sub/keep.o",
           "build/x",
           "sub/build/y",
           "doc/a.txt",
           "doc/sub/a.txt",
           "doc/sub/b.md",
           "deep/er/x.log",
           "deep/er/important.log",
           "only/this/f",
           "only/that/f",
           "#hash",
           "!bang",
           "space ",
           "a b",
           "temp1",
           "tempx",
           "excluded",
           "x/excluded",
           "n/m/o/p",
           "n/p",
           "foo",
           "sub/foo/f",
           "q/foo",
           "[x]",
           "cr"});
    temp_.file(
        "segment/.gitignore",
        "# comment\n*.o\n!sub/keep.o\nbuild/\n/doc/*.txt\ndeep/**/*.log\n!important.log\nonly/*\n!only/this\n\\#hash\n"
        "\\!bang\nspace\\ \na b   \ntemp[0-9]\nn/**/p\nfoo/\n\\[x\\]\ncr\r\n[\n");
    temp_.file("segment/sub/.gitignore", "!build/\n*.tmp\n/local\n");
    files({"sub/a.tmp", "sub/local", "sub/x/local", "sub/build/z.o"});
    const std::string git = "cd '" + segment_ + "' && git ";
    ASSERT_EQ(std::system((git + "init -q . && echo excluded >.git/info/exclude").c_str()), 0);
    ASSERT_EQ(std::system((git + "-c core.excludesFile=/dev/null ls-files -z --others --exclude-standard >'" +
                           (temp_ / "theirs") + "'")
                              .c_str()),
              0);
    std::vector<std::string> theirs;
    std::string name;
    for (std::istringstream list(content(temp_ / "theirs")); std::getline(list, name, '\0');) theirs.push_back(name);
    std::sort(theirs.begin(), theirs.end());
    auto request = all();
    request.ignore = true;
    worker_.list(request);
    std::vector<std::string> ours;
    for (const auto& [path, facts] : worker_.entries)
        if (facts.kind == FileKind::kFile) ours.push_back(path);
    std::sort(ours.begin(), ours.end());
    EXPECT_EQ(ours, theirs);
    EXPECT_GT(ours.size(), 10U) << "the control: not everything is ignored";
    // Of a folder below, with the rules from above.
    request.path = "sub";
    worker_.list(request);
    EXPECT_EQ(worker_.entries.count("a.o"), 0U);
    EXPECT_EQ(worker_.entries.count("keep.o"), 1U);
    EXPECT_EQ(worker_.entries.count("local"), 0U);
    EXPECT_EQ(worker_.entries.count("x/local"), 1U);
}

TEST_F(TreeTest, WhatIgnoreSaysCountsForMoreThanGitignore) {
    files({"a", "b", "c"});
    temp_.file("segment/.gitignore", "a\nb\n");
    temp_.file("segment/.ignore", "!a\nc\n");
    auto request = all();
    request.ignore = true;
    request.hidden = false;
    request.depth = 1;
    EXPECT_THAT(found(request), ElementsAre("a", "dir", "file"));
}

TEST_F(TreeTest, StrangeNamesAreListedByteForByte) {
    const std::string name = "new\nline\x01\xff\"", longest(255, 'n');
    temp_.folder("segment/" + name);
    temp_.file("segment/" + name + "/" + longest, "");
    EXPECT_THAT(found(all()), ::testing::Contains(name + "/" + longest));
    EXPECT_EQ(worker_.read(name + "/" + longest).failure, Failure::kNone);
    temp_.link(".", "segment/loop");
    temp_.link("../segment", "segment/other-loop");
    EXPECT_EQ(found(all()).size(), 8U) << "links are listed and not followed";
}

// A chain of folders below the segment, deeper than any path can name.
void make_deep(const std::string& segment, int depth, const std::string& name) {
    UniqueFd at = open_folder(segment);
    for (int i = 0; i < depth; ++i) {
        ASSERT_EQ(::mkdirat(at.get(), name.c_str(), 0755), 0);
        const UniqueFd beside(::openat(at.get(), "z", O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
        at = UniqueFd(::openat(at.get(), name.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    }
}

TEST_F(TreeTest, ATreeThatIsDeeperThanDescriptorsAndPathsReachIsCopiedAndDeleted) {
    constexpr int kDepth = 4000;
    ASSERT_NO_FATAL_FAILURE(make_deep(segment_, kDepth, "d"));
    Worker few(segment_, RLIM_INFINITY, 160);
    const auto listed = few.list(all());
    EXPECT_EQ(listed.failure, Failure::kNone) << listed.error;
    EXPECT_GT(few.paths.size(), 2000U) << "as far as a path can name";
    const auto copied = few.ask(ipc::CopyPath{"d", "copy", false, true});
    EXPECT_EQ(copied.failure, Failure::kNone) << copied.error;
    for (const char* tree : {"d", "copy"}) {
        const auto deleted = few.ask(ipc::DeletePath{.path = tree, .recursive = true});
        EXPECT_EQ(deleted.failure, Failure::kNone) << deleted.error;
        EXPECT_EQ(deleted.as<ipc::DeleteEnd>().deleted, 2U * kDepth - 1);
    }
    EXPECT_THAT(names("segment"), ElementsAre("dir", "file", "z"));
}

TEST_F(TreeTest, AFolderOfManyIsListed) {
    temp_.folder("segment/many");
    const UniqueFd many = open_folder(segment_ + "/many");
    for (int i = 0; i < 20'000; ++i)
        UniqueFd(::openat(many.get(), std::to_string(i).c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    EXPECT_EQ(found({.path = "many", .max_entries = 200'000}).size(), 20'000U);
    EXPECT_TRUE(std::is_sorted(worker_.paths.begin(), worker_.paths.end()));
    EXPECT_THAT(found({.path = "many", .after = "9998", .max_entries = 10}), ElementsAre("9999"));
    EXPECT_EQ(worker_.ask(ipc::DeletePath{.path = "many", .recursive = true}).as<ipc::DeleteEnd>().deleted, 20'001U);
}

// --- making and moving

TEST_F(TreeTest, FoldersAreMade) {
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"new"}).facts().kind, FileKind::kFolder);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"new"}).failure, Failure::kExists);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"new", true}).failure, Failure::kNone);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"file", true}).failure, Failure::kExists);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"a/b/c"}).failure, Failure::kNotFound);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"a/b/c/", true}).failure, Failure::kNone);
    EXPECT_TRUE(std::filesystem::is_directory(segment_ + "/a/b/c"));
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"."}).failure, Failure::kExists);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{".", true}).failure, Failure::kNone);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"../new"}).failure, Failure::kLeavesSegment);
    EXPECT_EQ(worker_.ask(ipc::MakeFolder{"..", true}).failure, Failure::kLeavesSegment);
}

TEST_F(TreeTest, ASymlinkLeadsToSomewhereInTheSegment) {
    const auto made = worker_.ask(ipc::MakeSymlink{"dir/link", "../file"});
    ASSERT_EQ(made.failure, Failure::kNone) << made.error;
    EXPECT_EQ(made.facts().target, "../file");
    EXPECT_EQ(worker_.read("dir/link").bytes, "inside");
    EXPECT_EQ(worker_.ask(ipc::MakeSymlink{"dir/link", "deep"}).failure, Failure::kExists);
    temp_.link("../outside", "segment/leaves");
    temp_.link("dir/deep", "segment/through");
    int i = 0;
    for (const char* target :
         {"missing", "missing/also", "dir/missing/..", "./dir/../dir/deep", "file/below", "missing/../file"})
        EXPECT_EQ(worker_.ask(ipc::MakeSymlink{"ok" + std::to_string(i++), target}).failure, Failure::kNone) << target;
    for (const char* target :
         {"/etc/passwd", "/", "..", "../outside", "../missing", "dir/../../outside", "leaves/secret", "leaves",
          "missing/../../outside", "dir/missing/../../../outside", "../segment/file"}) {
        const auto refused = worker_.ask(ipc::MakeSymlink{"bad", target});
        EXPECT_EQ(refused.failure, Failure::kLeavesSegment) << target << " " << refused.error;
    }
    EXPECT_EQ(worker_.ask(ipc::MakeSymlink{"through/up", "../../file"}).failure, Failure::kNone)
        << "from where the link is, not from how it was named";
    EXPECT_EQ(worker_.ask(ipc::MakeSymlink{"through/too-far", "../../../file"}).failure, Failure::kLeavesSegment);
    EXPECT_FALSE(std::filesystem::exists(std::filesystem::symlink_status(segment_ + "/bad")));
}

TEST_F(TreeTest, ANameIsMoved) {
    const auto version = worker_.stat("file").version;
    temp_.link("../outside/secret", "segment/link");
    EXPECT_EQ(worker_.ask(ipc::MovePath{"file", "dir/moved"}).facts().size, 6U);
    EXPECT_EQ(content(segment_ + "/dir/moved"), "inside");
    EXPECT_EQ(worker_.ask(ipc::MovePath{"file", "x"}).failure, Failure::kNotFound);
    EXPECT_EQ(worker_.ask(ipc::MovePath{"link", "dir/link"}).facts().target, "../outside/secret") << "itself";
    EXPECT_EQ(worker_.ask(ipc::MovePath{"dir", "folder"}).failure, Failure::kNone);
    files({"a", "b"});
    EXPECT_EQ(worker_.ask(ipc::MovePath{"a", "b"}).failure, Failure::kExists);
    EXPECT_EQ(content(segment_ + "/b"), "b");
    EXPECT_EQ(worker_.ask(ipc::MovePath{"a", "b", true}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/b"), "a");
    EXPECT_EQ(worker_.ask(ipc::MovePath{"b", "folder", true}).failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.ask(ipc::MovePath{"folder", "folder/in"}).failure, Failure::kDenied);
    EXPECT_EQ(worker_.ask(ipc::MovePath{"b", "../outside/b"}).failure, Failure::kLeavesSegment);
    EXPECT_EQ(worker_.ask(ipc::MovePath{"../outside/secret", "b2"}).failure, Failure::kLeavesSegment);
    EXPECT_EQ(worker_.ask(ipc::MovePath{".", "b2"}).failure, Failure::kDenied);
    temp_.folder("segment/empty");
    EXPECT_EQ(worker_.ask(ipc::MovePath{"empty", "folder", true}).failure, Failure::kNotEmpty);
}

TEST_F(TreeTest, AMoveHeedsTheTag) {
    files({"a", "b"});
    const auto version = worker_.stat("a").version;
    EXPECT_EQ(worker_.ask(ipc::MovePath{"b", "c", false, if_version(version)}).failure, Failure::kChanged);
    EXPECT_EQ(worker_.ask(ipc::MovePath{"a", "b", false, if_version(version)}).failure, Failure::kExists);
    EXPECT_EQ(worker_.ask(ipc::MovePath{"a", "b", true, if_version(version)}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/b"), "a");
    EXPECT_FALSE(std::filesystem::exists(segment_ + "/a"));
    EXPECT_EQ(worker_.ask(ipc::MovePath{"b", "c", false, if_version(worker_.stat("b").version)}).failure,
              Failure::kNone);
}

TEST_F(TreeTest, AFileIsCopiedWithItsModeAndItsHoles) {
    const UniqueFd sparse(::open((segment_ + "/sparse").c_str(), O_CREAT | O_WRONLY | O_CLOEXEC, 0750));
    ASSERT_EQ(::pwrite(sparse.get(), "data", 4, 4 << 20), 4);
    ASSERT_EQ(::ftruncate(sparse.get(), 8 << 20), 0);
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"sparse", "copy"}).as<ipc::CopyEnd>().facts.size, 8U << 20);
    EXPECT_EQ(about(segment_ + "/copy").st_mode & 07777, 0750U);
    EXPECT_LT(about(segment_ + "/copy").st_blocks * 512, 1 << 20) << "holes stay holes";
    EXPECT_TRUE(content(segment_ + "/copy") == content(segment_ + "/sparse"));
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"file", "copy"}).failure, Failure::kExists);
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"file", "copy", true}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/copy"), "inside");
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"file", "file", true}).failure, Failure::kExists);
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"dir", "copy2"}).failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"file", "../outside/x"}).failure, Failure::kLeavesSegment);
}

TEST_F(TreeTest, ATreeIsCopiedWithItsLinksAsSuch) {
    files({"tree/a", "tree/b/c"});
    temp_.link("../outside/secret", "segment/tree/link");
    temp_.link("b", "segment/tree/to-folder");
    ASSERT_EQ(::mkfifo((segment_ + "/tree/fifo").c_str(), 0644), 0);
    ASSERT_EQ(::chmod((segment_ + "/tree/b").c_str(), 0555), 0);
    const auto copied = worker_.ask(ipc::CopyPath{"tree", "copy", false, true});
    ASSERT_EQ(copied.failure, Failure::kNone) << copied.error;
    EXPECT_EQ(copied.as<ipc::CopyEnd>().skipped, 1U);
    EXPECT_THAT(found(all("copy")), ElementsAre("a", "b", "b/c", "link", "to-folder"));
    EXPECT_EQ(worker_.entries["link"].target, "../outside/secret");
    EXPECT_EQ(worker_.entries["b"].mode, 0555U);
    EXPECT_EQ(content(segment_ + "/copy/b/c"), "tree/b/c");
    const auto itself = worker_.ask(ipc::CopyPath{"tree", "tree/b2", false, true});
    EXPECT_EQ(itself.failure, Failure::kDenied) << itself.error;
    for (const char* folder : {"/tree/b", "/copy/b"}) ASSERT_EQ(::chmod((segment_ + folder).c_str(), 0755), 0);
    EXPECT_EQ(worker_.ask(ipc::CopyPath{"dir", "copy", true, true}).failure, Failure::kNotEmpty);
}

TEST_F(TreeTest, ANameIsDeletedAndALinkIsNotFollowed) {
    temp_.link("../outside", "segment/dir/link");
    temp_.link("../outside/secret", "segment/dir/deep/link");
    EXPECT_EQ(worker_.ask(ipc::DeletePath{.path = "dir"}).failure, Failure::kNotEmpty);
    EXPECT_EQ(worker_.ask(ipc::DeletePath{.path = "dir", .recursive = true}).as<ipc::DeleteEnd>().deleted, 5U);
    EXPECT_EQ(worker_.ask(ipc::DeletePath{.path = "file"}).as<ipc::DeleteEnd>().deleted, 1U);
    EXPECT_THAT(names("segment"), IsEmpty());
    temp_.folder("segment/empty");
    EXPECT_EQ(worker_.ask(ipc::DeletePath{.path = "empty/"}).as<ipc::DeleteEnd>().deleted, 1U);
    EXPECT_EQ(worker_.ask(ipc::DeletePath{.path = "empty"}).failure, Failure::kNotFound);
    for (const char* path : {".", "..", "/", "../outside", "", "../segment"})
        EXPECT_NE(worker_.ask(ipc::DeletePath{.path = path, .recursive = true}).failure, Failure::kNone) << path;
}

TEST_F(TreeTest, ADeleteHeedsTheTag) {
    EXPECT_EQ(worker_.ask(ipc::DeletePath{"file", false, if_version("other")}).failure, Failure::kChanged);
    EXPECT_EQ(content(segment_ + "/file"), "inside");
    EXPECT_EQ(worker_.ask(ipc::DeletePath{"file", false, if_version(worker_.stat("file").version)}).failure,
              Failure::kNone);
    EXPECT_THAT(names("segment"), ElementsAre("dir"));
}

// --- reading parts, and descriptors

TEST_F(TreeTest, PartsAreReadByBytesAndByLines) {
    temp_.file("segment/text", "1\n22\n333\n4444");
    const auto part = [&](std::uint64_t offset, std::uint64_t bytes, std::uint64_t line = 0, std::uint64_t lines = 0) {
        return worker_.ask(ipc::ReadFile{"text", false, offset, bytes, line, lines});
    };
    struct {
        std::uint64_t offset, bytes, line, lines;
        const char* text;
        std::uint64_t at, begun;
        bool more;
    } const kCases[] = {
        {2, 3, 0, 0, "22\n", 2, 0, true},
        {2, 100, 0, 0, "22\n333\n4444", 2, 0, false},
        {13, 5, 0, 0, "", 13, 0, false},
        {1000, 5, 0, 0, "", 1000, 0, false},
        {~0ULL, 5, 0, 0, "", ~0ULL, 0, false},
        {0, 100, 2, 2, "22\n333\n", 2, 2, true},
        {0, 100, 4, 0, "4444", 9, 1, false},
        {0, 100, 5, 1, "", 13, 0, false},
        {0, 100, 1, 100, "1\n22\n333\n4444", 0, 4, false},
        {0, 4, 2, 2, "22\n3", 2, 2, true},
        {0, 100, 3, 1, "333\n", 5, 1, true},
    };
    for (const auto& [offset, bytes, line, lines, text, at, begun, more] : kCases) {
        const auto answered = part(offset, bytes, line, lines);
        const auto end = answered.as<ipc::ReadEnd>();
        EXPECT_EQ(answered.bytes, text) << offset << " " << line;
        EXPECT_EQ(end.offset, at) << offset << " " << line;
        EXPECT_EQ(end.lines, begun) << offset << " " << line;
        EXPECT_EQ(end.more, more) << offset << " " << line;
        EXPECT_EQ(answered.packets, 1U);
    }
    std::string large;
    for (int i = 1; i <= 100'000; ++i) large += "line " + std::to_string(i) + "\n";
    temp_.file("segment/large", large);
    EXPECT_EQ(worker_.ask(ipc::ReadFile{"large", false, 0, kMany, 99'999, 1}).bytes, "line 99999\n");
}

TEST_F(TreeTest, ADescriptorToReadIsHandedOut) {
    const auto opened = worker_.ask(ipc::OpenFile{"file"});
    ASSERT_EQ(opened.failure, Failure::kNone);
    EXPECT_EQ(opened.facts().version, worker_.stat("file").version);
    EXPECT_EQ(::fcntl(opened.descriptor.get(), F_GETFL) & (O_ACCMODE | O_NONBLOCK), O_RDONLY);
    char bytes[16];
    EXPECT_EQ(::read(opened.descriptor.get(), bytes, sizeof bytes), 6);
    EXPECT_EQ(worker_.ask(ipc::OpenFile{"dir"}).failure, Failure::kIsFolder);
    EXPECT_EQ(worker_.ask(ipc::OpenFile{"../outside/secret"}).failure, Failure::kLeavesSegment);
}

}  // namespace
}  // namespace toren::workers
