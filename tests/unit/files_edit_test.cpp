// Edits: exact replacements and unified diffs, whose answers are diffs themselves.
#include <cstdlib>
#include <random>

#include "tests/unit/files_worker.h"
#include "workers/files/patch.h"
#include "workers/tree/diff.h"

namespace toren::workers {
namespace {

class EditTest : public FilesTest {
protected:
    Answered edit(const std::string& path, const std::vector<ipc::Edit>& edits, ipc::Condition condition = {},
                  std::uint64_t max_bytes = kMany) {
        std::string bytes;
        for (const auto& each : edits) ipc::Writer(bytes).write(each);
        return worker_.ask(ipc::EditFile{path, false, std::move(condition), max_bytes}, bytes);
    }
    Answered patch(const std::string& path, const std::string& diff, ipc::Condition condition = {}) {
        return worker_.ask(ipc::EditFile{path, true, std::move(condition), kMany}, diff);
    }
};

TEST_F(EditTest, ATextIsReplacedAndTheAnswerIsTheDiff) {
    temp_.file("segment/text", "one\ntwo\nthree\n");
    const auto answered = edit("text", {{"two", "zwei"}, {"zwei\nthree", "2\n3"}});
    ASSERT_EQ(answered.failure, Failure::kNone) << answered.error;
    EXPECT_EQ(content(segment_ + "/text"), "one\n2\n3\n");
    EXPECT_EQ(answered.bytes, "--- a/text\n+++ b/text\n@@ -1,3 +1,3 @@\n one\n-two\n-three\n+2\n+3\n");
    EXPECT_EQ(answered.facts().version, worker_.stat("text").version);
    EXPECT_EQ(answered.packets, 1U) << "a small answer is one packet";
}

TEST_F(EditTest, ATextMustBeThereOnce) {
    temp_.file("segment/text", "aaa b b\n");
    auto refused = edit("text", {{"b b", "c"}, {"d", "e"}});
    EXPECT_EQ(refused.failure, Failure::kNoMatch);
    EXPECT_EQ(refused.as<ipc::EditMismatch>().number, 1U);
    refused = edit("text", {{"b", "c"}});
    EXPECT_EQ(refused.failure, Failure::kAmbiguous);
    EXPECT_EQ(refused.as<ipc::EditMismatch>().matches, 2U);
    EXPECT_EQ(edit("text", {{"aa", "x"}}).failure, Failure::kAmbiguous) << "they overlap, and either could be meant";
    EXPECT_EQ(edit("text", {{"", "x"}}).failure, Failure::kMalformed);
    EXPECT_EQ(content(segment_ + "/text"), "aaa b b\n") << "all of it or nothing";
    EXPECT_EQ(edit("text", {{"b", "c", true}, {"aa", "x", true}}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/text"), "xa c c\n");
    EXPECT_EQ(edit("text", {{"none", "c", true}}).failure, Failure::kNoMatch);
    EXPECT_EQ(edit("missing", {{"b", "c"}}).failure, Failure::kNotFound);
    EXPECT_EQ(edit("dir", {{"b", "c"}}).failure, Failure::kIsFolder);
    temp_.file("segment/empty", "");
    EXPECT_EQ(edit("empty", {{"", "all"}}).failure, Failure::kNone) << "in an empty file the empty text is once";
    EXPECT_EQ(content(segment_ + "/empty"), "all");
}

TEST_F(EditTest, AnEditHeedsTheTagAndTheSize) {
    const auto version = worker_.stat("file").version;
    EXPECT_EQ(edit("file", {{"in", "out"}}, if_version(version)).failure, Failure::kNone);
    EXPECT_EQ(edit("file", {{"out", "in"}}, if_version(version)).failure, Failure::kChanged);
    EXPECT_EQ(edit("file", {{"out", "in"}}, {}, 6).failure, Failure::kTooLarge);
    EXPECT_EQ(edit("file", {{"out", std::string(100, 'x')}}, {}, 50).failure, Failure::kTooLarge);
    EXPECT_EQ(content(segment_ + "/file"), "outside");
}

TEST_F(EditTest, AnEditThatIsLargerThanAMessageArrives) {
    const std::string from(200'000, 'x'), to(150'000, 'y');
    temp_.file("segment/text", "<" + from + ">");
    EXPECT_EQ(edit("text", {{from, to}}).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/text"), "<" + to + ">");
}

TEST_F(EditTest, ADiffIsApplied) {
    temp_.file("segment/text", "1\n2\n3\n4\n5\n");
    EXPECT_EQ(patch("text", "--- a/text\n+++ b/text\n@@ -2,2 +2,3 @@ anything\n 2\n-3\n+three\n+and more\n").failure,
              Failure::kNone);
    EXPECT_EQ(content(segment_ + "/text"), "1\n2\nthree\nand more\n4\n5\n");
    EXPECT_EQ(patch("text", "@@ -6 +6 @@\n-5\n+five\n\\ No newline at end of file\n").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/text"), "1\n2\nthree\nand more\n4\nfive");
    EXPECT_EQ(patch("text", "@@ -6 +6 @@\n-five\n+5\n").failure, Failure::kNoMatch) << "its end is not that";
    EXPECT_EQ(patch("text", "@@ -6 +6 @@\n-five\n\\ No newline at end of file\n+5\n").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/text"), "1\n2\nthree\nand more\n4\n5\n");
}

TEST_F(EditTest, AHunkGoesWhereItFitsIfThatIsOnePlace) {
    temp_.file("segment/text", "a\nb\nc\nd\ne\nc\nf\n");
    EXPECT_EQ(patch("text", "@@ -1,2 +1,2 @@\n d\n-e\n+E\n").failure, Failure::kNone);
    auto refused = patch("text", "@@ -1 +1 @@\n-c\n+C\n");
    EXPECT_EQ(refused.failure, Failure::kAmbiguous);
    EXPECT_EQ(refused.as<ipc::EditMismatch>().matches, 2U);
    refused = patch("text", "@@ -1 +1 @@\n-a\n+A\n@@ -3 +3 @@\n-x\n+y\n");
    EXPECT_EQ(refused.failure, Failure::kNoMatch);
    EXPECT_EQ(refused.as<ipc::EditMismatch>().number, 1U);
    EXPECT_EQ(content(segment_ + "/text"), "a\nb\nc\nd\nE\nc\nf\n");
    EXPECT_EQ(patch("text", "@@ -3 +3 @@\n-c\n+C\n").failure, Failure::kNone) << "it fits where it says";
}

TEST_F(EditTest, ADiffMakesAFile) {
    const auto made = patch("new", "--- /dev/null\n+++ b/new\n@@ -0,0 +1,2 @@\n+1\n+2\n");
    EXPECT_EQ(made.failure, Failure::kNone) << made.error;
    EXPECT_EQ(content(segment_ + "/new"), "1\n2\n");
    EXPECT_THAT(made.bytes, ::testing::StartsWith("--- /dev/null\n+++ b/new\n"));
    EXPECT_EQ(patch("other", "@@ -1 +1 @@\n-1\n+2\n").failure, Failure::kNotFound);
    temp_.file("segment/empty", "");
    EXPECT_EQ(patch("empty", "@@ -0,0 +1 @@\n+1\n").failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/empty"), "1\n");
}

TEST_F(EditTest, ADiffThatIsNoneIsRefused) {
    for (const char* diff :
         {"", "nonsense", "@@ -1 +1 @@\n", "@@ -1,2 +1 @@\n-a\n", "@@ -1 +1 @@\n-a\n+b\n+c\n", "@@ x @@\n-a\n+b\n",
          "--- a/file\n+++ /dev/null\n@@ -1 +0,0 @@\n-inside\n",
          "@@ -1 +1 @@\n-a\n+b\n--- a/x\n+++ b/x\n@@ -1 +1 @@\n-a\n+b\n", "@@ -99999999999999999999 +1 @@\n-a\n+b\n"})
        EXPECT_EQ(patch("file", diff).failure, Failure::kMalformed) << diff;
    EXPECT_EQ(content(segment_ + "/file"), "inside");
}

TEST_F(EditTest, LineEndsOfWindowsStay) {
    temp_.file("segment/text", "1\r\n2\r\n3\r\n");
    const auto answered = edit("text", {{"2\r\n", "zwei\r\n"}});
    EXPECT_EQ(answered.bytes, "--- a/text\n+++ b/text\n@@ -1,3 +1,3 @@\n 1\r\n-2\r\n+zwei\r\n 3\r\n");
    temp_.file("segment/copy", "1\r\n2\r\n3\r\n");
    EXPECT_EQ(patch("copy", answered.bytes).failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/copy"), content(segment_ + "/text"));
    EXPECT_EQ(patch("copy", "@@ -1 +1 @@\n-1\n+one\n").failure, Failure::kNoMatch) << "a line's end is a part of it";
}

TEST_F(EditTest, EditsAtOnceAreAllMade) {
    std::string text;
    for (int i = 0; i < 8; ++i) text += "<" + std::to_string(i) + ">\n";
    temp_.file("segment/text", text);
    std::vector<Worker> workers;
    for (int i = 0; i < 8; ++i) workers.emplace_back(segment_);
    for (int i = 0; i < 8; ++i) {
        workers[static_cast<std::size_t>(i)].send(ipc::EditFile{"text", false, {}, kMany});
        std::string bytes;
        ipc::Writer(bytes).write(ipc::Edit{"<" + std::to_string(i) + ">", "done " + std::to_string(i)});
        workers[static_cast<std::size_t>(i)].send_content(bytes);
    }
    for (auto& worker : workers) EXPECT_EQ(worker.answer().failure, Failure::kNone);
    EXPECT_EQ(content(segment_ + "/text").find('<'), std::string::npos) << content(segment_ + "/text");
}

// --- against other programs

using Random = std::mt19937;

std::string random_text(Random& random, std::size_t lines) {
    std::string text;
    for (std::size_t i = 0; i < lines; ++i) {
        text += std::string(random() % 3, static_cast<char>('a' + random() % 3));
        text += random() % 8 == 0 ? "\r\n" : "\n";
    }
    if (random() % 3 == 0 && !text.empty() && text.size() > 1) text.pop_back();
    return text;
}

std::string changed_text(Random& random, const std::string& text) {
    std::string out;
    for (const auto line : split_lines(text)) {
        const auto what = random() % 10;
        if (what == 0) continue;
        if (what == 1) out += "new\n";
        out += line;
    }
    return out;
}

int run(const std::string& command) { return std::system(command.c_str()); }

class DiffTest : public ::testing::Test {
protected:
    TempFolder temp_;
};

TEST_F(DiffTest, ADiffAppliedGivesTheOtherText) {
    Random random(1);
    for (int round = 0; round < 3000; ++round) {
        const auto before = random_text(random, random() % 40);
        const auto after = round % 2 == 0 ? changed_text(random, before) : random_text(random, random() % 40);
        const auto diff = unified_diff(before, after, "f", false);
        ASSERT_EQ(diff.empty(), before == after);
        if (diff.empty()) continue;
        const auto patched = apply_patch(before, diff);
        const auto* text = std::get_if<Patched>(&patched);
        ASSERT_NE(text, nullptr) << std::get<PatchFailure>(patched).error << "\n" << before << "\n--\n" << diff;
        ASSERT_EQ(text->text, after) << diff;
    }
}

TEST_F(DiffTest, ThePatchProgramAppliesOurDiffsAndWeApplyThoseOfTheDiffProgram) {
    if (run("diff --version >/dev/null 2>&1 && patch --version >/dev/null 2>&1") != 0)
        GTEST_SKIP() << "neither diff nor patch is installed";
    Random random(2);
    for (int round = 0; round < 60; ++round) {
        const auto before = random_text(random, 1 + random() % 60), after = changed_text(random, before);
        if (before == after || before.empty() || after.empty()) continue;
        temp_.file("before", before);
        temp_.file("after", after);
        temp_.file("ours", unified_diff(before, after, "before", false));
        ASSERT_EQ(run("cd '" + temp_.path() + "' && patch --binary -s -o patched before ours"), 0)
            << content(temp_ / "ours");
        ASSERT_EQ(content(temp_ / "patched"), after) << content(temp_ / "ours");
        run("cd '" + temp_.path() + "' && diff -u before after >theirs");
        const auto patched = apply_patch(before, content(temp_ / "theirs"));
        const auto* text = std::get_if<Patched>(&patched);
        ASSERT_NE(text, nullptr) << std::get<PatchFailure>(patched).error << content(temp_ / "theirs");
        ASSERT_EQ(text->text, after);
        // The shortest way: as many lines as theirs, or fewer.
        ASSERT_LE(split_lines(content(temp_ / "ours")).size(), split_lines(content(temp_ / "theirs")).size() + 2);
    }
}

TEST_F(DiffTest, TextsThatDifferTooMuchHaveACoarseDiffThatIsTrue) {
    std::string before, after;
    for (long i = 0; i < 60'000; ++i) {
        before += std::to_string(i * 7919 % 100'003) + "\n";
        after += std::to_string(i * 104'729 % 100'003) + "\n";
    }
    const auto diff = unified_diff(before, after, "f", false);
    const auto patched = apply_patch(before, diff);
    ASSERT_TRUE(std::holds_alternative<Patched>(patched));
    EXPECT_EQ(std::get<Patched>(patched).text, after);
}

TEST_F(DiffTest, AHunkThatFitsNearlyEverywhereIsSearchedInLinearTime) {
    std::string before, hunk;
    for (int i = 0; i < 200'000; ++i) before += "x\n";
    for (int i = 0; i < 100'000; ++i) hunk += " x\n";
    const auto patched = apply_patch(before, "@@ -1,100001 +1,100001 @@\n" + hunk + "-y\n+z\n");
    ASSERT_TRUE(std::holds_alternative<PatchFailure>(patched));
    EXPECT_EQ(std::get<PatchFailure>(patched).failure, Failure::kNoMatch);
}

TEST_F(DiffTest, ANameWithQuotesIsQuoted) {
    EXPECT_THAT(unified_diff("", "x", "a\"b\n", false),
                ::testing::StartsWith("--- \"a/a\\\"b\\012\"\n+++ \"b/a\\\"b\\012\"\n"));
}

}  // namespace
}  // namespace toren::workers
