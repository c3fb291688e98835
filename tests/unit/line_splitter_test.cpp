#include "broker/line_splitter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <vector>

namespace toren::broker {
namespace {

using ::testing::ElementsAre;
using Strings = std::vector<std::string>;

// The lines of a text that comes in these parts.
Strings lines_of_parts(const Strings& parts) {
    LineSplitter splitter;
    Strings lines;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    for (const auto& part : parts) splitter.feed(part, take);
    splitter.finish(take);
    return lines;
}

Strings lines_of(const std::string& text) { return lines_of_parts({text}); }

std::string joined(const Strings& lines) {
    std::string all;
    for (const auto& line : lines) all += line;
    return all;
}

constexpr std::size_t kLongest = LineSplitter::kLongest;

TEST(LineSplitterTest, LinesComeWithoutTheirEnd) {
    EXPECT_THAT(lines_of("one\ntwo\nthree\n"), ElementsAre("one", "two", "three"));
    EXPECT_THAT(lines_of(""), ElementsAre());
}

TEST(LineSplitterTest, WhatHasNoNewlineAtTheEndIsALineToo) {
    EXPECT_THAT(lines_of("one\ntwo"), ElementsAre("one", "two"));
    EXPECT_THAT(lines_of("\xC3"), ElementsAre("\xC3"));
}

TEST(LineSplitterTest, NothingIsTakenBeforeItsNewlineOrTheEnd) {
    LineSplitter splitter;
    Strings lines;
    const auto take = [&](std::string_view line) { lines.emplace_back(line); };
    splitter.feed("pro", take);
    splitter.feed("mpt> ", take);
    EXPECT_THAT(lines, ElementsAre());
    splitter.feed("x\ny", take);
    EXPECT_THAT(lines, ElementsAre("prompt> x"));
    splitter.finish(take);
    splitter.finish(take);
    EXPECT_THAT(lines, ElementsAre("prompt> x", "y")) << "and once";
}

TEST(LineSplitterTest, EmptyLinesStay) {
    EXPECT_THAT(lines_of("\n"), ElementsAre(""));
    EXPECT_THAT(lines_of("\n\na\n\n"), ElementsAre("", "", "a", ""));
}

TEST(LineSplitterTest, ACarriageReturnBeforeTheNewlineGoesWithIt) {
    EXPECT_THAT(lines_of("one\r\ntwo\r\n\r\n"), ElementsAre("one", "two", ""));
    EXPECT_THAT(lines_of("10%\r20%\r100%\r\n"), ElementsAre("10%\r20%\r100%")) << "others are part of the line";
    EXPECT_THAT(lines_of("a\r\r\n"), ElementsAre("a\r"));
    EXPECT_THAT(lines_of("a\r"), ElementsAre("a\r")) << "without a newline it is no line end";
}

TEST(LineSplitterTest, ALineAsLongAsTheLimitIsOneLine) {
    const std::string longest(kLongest, 'x');
    EXPECT_THAT(lines_of(longest + "\nnext\n"), ElementsAre(longest, "next"));
    EXPECT_THAT(lines_of(longest), ElementsAre(longest));
    EXPECT_THAT(lines_of(longest + "y\n"), ElementsAre(longest, "y"));
}

TEST(LineSplitterTest, ALineAsLongAsTheLimitWithACarriageReturnIsOneLine) {
    const std::string longest(kLongest, 'x');
    EXPECT_THAT(lines_of(longest + "\r\nnext\r\n"), ElementsAre(longest, "next")) << "and no empty one after it";
}

TEST(LineSplitterTest, AMebibyteWithoutANewlineGoesOutInPieces) {
    std::string text;
    while (text.size() < (1 << 20)) text += "a\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80";
    for (const std::string end : {"", "\n", "\r\n"}) {
        const Strings pieces = lines_of(text + end);
        EXPECT_EQ(joined(pieces), text);
        EXPECT_EQ(pieces.size(), text.size() / kLongest + 1);
        for (const auto& piece : pieces) {
            EXPECT_LE(piece.size(), kLongest);
            EXPECT_TRUE(is_utf8(piece)) << "a character in two";
        }
    }
}

TEST(LineSplitterTest, ALongLineOfBytesThatAreNoUtf8LosesNone) {
    std::string text(3 * kLongest + 17, '\0');
    std::mt19937 random(31);
    for (char& c : text) do
            c = static_cast<char>(0x80 | random() % 128);
        while (c == '\n');
    const Strings pieces = lines_of(text + "\n");
    EXPECT_EQ(joined(pieces), text);
    for (const auto& piece : pieces) EXPECT_LE(piece.size(), kLongest);
}

TEST(LineSplitterTest, NoMoreThanALineIsKept) {
    LineSplitter splitter;
    std::size_t taken = 0, given = 0;
    const std::string part(8192, 'x');
    for (int i = 0; i < 1000; ++i) {
        splitter.feed(part, [&](std::string_view piece) { taken += piece.size(); });
        given += part.size();
        ASSERT_LE(given - taken, kLongest) << "a stream without newlines costs no memory";
    }
}

TEST(LineSplitterTest, TheLinesAreTheSameHoweverTheTextIsCutIntoParts) {
    std::mt19937 random(32);
    static const Strings kPieces = {"a",    "\n",       "\r\n",  "\r",  "\xC3\xA9", "\xF0\x9F\x98\x80",
                                    "\xFF", "\xE2\x82", "word ", "\n\n"};
    for (int round = 0; round < 3000; ++round) {
        std::string text;
        for (auto count = random() % 40; count > 0; --count) text += kPieces[random() % kPieces.size()];
        const Strings expected = lines_of(text);
        for (std::size_t at = 0; at <= text.size(); ++at)
            ASSERT_EQ(lines_of_parts({text.substr(0, at), text.substr(at)}), expected) << "cut at " << at;
        Strings bytes;
        for (const char c : text) bytes.emplace_back(1, c);
        ASSERT_EQ(lines_of_parts(bytes), expected) << "byte by byte";
    }
}

TEST(LineSplitterTest, LongLinesAreCutAtTheSamePlacesHoweverTheTextComes) {
    std::mt19937 random(33);
    for (int round = 0; round < 20; ++round) {
        std::string text;
        while (text.size() < 3 * kLongest) {
            text += std::string(random() % 5, 'x') + (random() % 2 == 0 ? "\xE2\x82\xAC" : "\xF0\x9F\x98\x80");
            if (random() % 40'000 == 0) text += "\r\n";
        }
        const Strings expected = lines_of(text);
        Strings parts;
        for (std::size_t at = 0, size = 0; at < text.size(); at += size) {
            size = 1 + random() % (random() % 2 == 0 ? 40'000 : 7);
            parts.push_back(text.substr(at, size));
        }
        ASSERT_TRUE(lines_of_parts(parts) == expected);
        // And just around the limit, one byte at a time.
        for (std::size_t at = kLongest - 6; at < kLongest + 6; ++at)
            ASSERT_TRUE(lines_of_parts({text.substr(0, at), text.substr(at, 1), text.substr(at + 1)}) == expected)
                << at;
    }
}

}  // namespace
}  // namespace toren::broker
